/** The word at an index that is known to be in bounds. Int32Array only: V8 learns what a function is given for all of
 *  its callers together, and one that is given several kinds of arrays is slow for every one of them. */
export function wordAt(words: Int32Array, at: number): number {
  return words[at] as number;
}

/** A broken invariant of our own: the connection or worker that meets it cannot go on as if nothing had happened. */
export class Bug extends Error {
  override readonly name = 'Bug';
}
