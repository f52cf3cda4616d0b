/** Base64 as RFC 4648 demands it: what Buffer reads without complaint is not base64 yet. */
import { byteAt } from './bytes.js';

/** Short values are copied here first: a Buffer over the bytes would be another object, and for an array that V8 keeps
 *  in its own heap memory of the system's as well. */
const desk = Buffer.alloc(2048);

/** The bytes, or null when the text is not base64: foreign characters, wrong padding, bits left over. */
export function decodeBase64(text: string): Uint8Array | null {
  const bytes = text.length > desk.length ? Buffer.from(text, 'base64') : desk;
  const length = bytes === desk ? desk.write(text, 'base64') : bytes.length;
  return bytes.toString('base64', 0, length) === text ? new Uint8Array(bytes.subarray(0, length)) : null;
}

/** Base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  const { length } = bytes;
  if (length > desk.length) return Buffer.from(bytes).toString('base64');
  for (let i = 0; i < length; i++) desk[i] = bytes[i] as number;
  return desk.toString('base64', 0, length);
}

/** No Buffers here: for loops that are given arrays of several kinds V8's code is slow. */
const ALPHABET = new Uint8Array(
  Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'),
);
const PADDING = 0x3d;
/** Six bits by character. */
const FOREIGN = 64;
const values = new Uint8Array(256).fill(FOREIGN);
for (let i = 0; i < ALPHABET.length; i++) values[byteAt(ALPHABET, i)] = i;

/** Writes base64 with padding into bytes, and returns where it ends: for a value or two a loop takes less than a call of
 *  Node's. */
export function putBase64(to: Uint8Array, at: number, bytes: Uint8Array): number {
  const { length } = bytes;
  let end = at;
  for (let i = 0; i < length; i += 3) {
    const left = length - i;
    const second = left > 1 ? byteAt(bytes, i + 1) : 0;
    const third = left > 2 ? byteAt(bytes, i + 2) : 0;
    const group = (byteAt(bytes, i) << 16) | (second << 8) | third;
    to[end++] = byteAt(ALPHABET, group >>> 18);
    to[end++] = byteAt(ALPHABET, (group >>> 12) & 63);
    to[end++] = left > 1 ? byteAt(ALPHABET, (group >>> 6) & 63) : PADDING;
    to[end++] = left > 2 ? byteAt(ALPHABET, group & 63) : PADDING;
  }
  return end;
}

/** Reads base64 of exactly so many bytes; null when it is anything else. */
export function takeBase64(bytes: Uint8Array, begin: number, end: number, length: number): Uint8Array | null {
  const groups = Math.ceil(length / 3);
  if (end - begin !== groups * 4) return null;
  const textEnd = end - (groups * 3 - length);
  for (let at = textEnd; at < end; at++) if (byteAt(bytes, at) !== PADDING) return null;
  const taken = new Uint8Array(length);
  let filled = 0;
  let bits = 0;
  let held = 0;
  for (let at = begin; at < textEnd; at++) {
    const value = byteAt(values, byteAt(bytes, at));
    if (value === FOREIGN) return null;
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    taken[filled++] = bits >>> held;
  }
  return (bits & ((1 << held) - 1)) === 0 ? taken : null; // bits left over
}
