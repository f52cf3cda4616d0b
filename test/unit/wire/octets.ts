/** Bytes for tests, written as text: one character per byte, `\0` for a zero. */
export function octets(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** The other way round, for readable comparisons. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** A random source that can be foreseen. */
export function countingRandom(first = 0): (length: number) => Uint8Array {
  let next = first;
  return (length) => Uint8Array.from({ length }, () => next++ & 0xff);
}
