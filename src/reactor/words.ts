/** Typed arrays at indices that are known to be in bounds. */

export function wordAt(words: Int32Array | Uint32Array | Uint16Array | Uint8Array, at: number): number {
  return words[at] as number;
}

/** A broken invariant of our own: the connection or worker that meets it cannot go on as if nothing had happened. */
export class Bug extends Error {
  override readonly name = 'Bug';
}
