/** What mutators have in common. A conversation is a list of pieces, each a message as it should be or as it has become;
 *  a mutator makes another list of it. */
import type { Random } from '../support/random.js';

/** What one side of the protocol can say. */
export interface Material {
  /** Messages of its real conversations. */
  readonly pieces: readonly Buffer[];
  /** The tags that it may use. */
  readonly tags: string;
  /** A message that no well-behaved peer sends. */
  readonly craft: (random: Random) => Buffer;
}

export type Mutator = (random: Random, pieces: readonly Buffer[], material: Material) => Buffer[];

/** Values that are often compared with, one byte long and four. */
export const ODD_BYTES = [0, 1, 0x7f, 0x80, 0xff, 0x27, 0x5c, 0x2c, 0x3d] as const;
export const ODD_INT32 = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 8192, 8193, 10_000, 16_384, 16_385, 65_535, 65_536, 0x3fffffff,
  0x40000000, 0x7ffffffb, 0x7fffffff, -1, -2, -4, -5, -0x7fffffff, -0x80000000,
] as const;

/** With one of the pieces changed. */
export function withOne(
  random: Random,
  pieces: readonly Buffer[],
  change: (piece: Buffer) => Buffer,
): Buffer[] {
  const at = random.below(pieces.length);
  return pieces.map((piece, index) => (index === at ? change(piece) : piece));
}

/** Where the length field stands: packets without a tag begin with it, and with a zero. */
export function lengthAt(piece: Buffer): number {
  return piece[0] === 0 ? 0 : 1;
}

/** Where the body begins. */
export function bodyAt(piece: Buffer): number {
  return Math.min(piece.length, lengthAt(piece) + 4);
}

/** Makes a piece of another body: mostly with the right length, so that the conversation goes on behind it. */
export function rebuilt(random: Random, piece: Buffer, body: Buffer): Buffer {
  const changed = Buffer.concat([piece.subarray(0, bodyAt(piece)), body]);
  const at = lengthAt(changed);
  if (changed.length >= at + 4 && random.chance(0.85)) changed.writeInt32BE(changed.length - at, at);
  return changed;
}
