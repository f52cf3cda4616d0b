/** The word at an index that is known to be in bounds. Int32Array only: V8 learns what a function is given for all of
 *  its callers together, and one that is given several kinds of arrays is slow for every one of them. */
export function wordAt(words: Int32Array, at: number): number {
  return words[at] as number;
}

const FOUR_GIB = 0x1_0000_0000;
const PER_FOUR_GIB = 1 / FOUR_GIB;

/** The upper half of an address below 2^53. A multiplication by a power of two is exact, and `%` would be slow. */
export function highWord(address: number): number {
  return Math.floor(address * PER_FOUR_GIB) | 0;
}

/** The lower half. */
export function lowWord(address: number): number {
  return (address - Math.floor(address * PER_FOUR_GIB) * FOUR_GIB) | 0;
}

/** The address below 2^53 of which these are the words. */
export function addressOf(low: number, high: number): number {
  return high * FOUR_GIB + (low >>> 0);
}

/** A broken invariant of our own: the connection or worker that meets it cannot go on as if nothing had happened. */
export class Bug extends Error {
  override readonly name = 'Bug';
}
