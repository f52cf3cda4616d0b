/** Texts that the hash tables of the pooler cannot tell apart: the state of FNV-1a is the same after each of a pair, so
 *  whatever is put together from pairs has the same hash. */

const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1a, as it stands after more text. */
function stateAfter(text: string, state: number): number {
  let hash = state;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash;
}

/** Two different texts that lead from this state to the same one. By the birthday paradox found soon. */
function collidingPair(from: number): [string, string] {
  const seen = new Map<number, string>();
  for (let i = 0; ; i++) {
    const text = i.toString(36);
    const state = stateAfter(text, from);
    const other = seen.get(state);
    if (other !== undefined) return [other, text];
    seen.set(state, text);
  }
}

/** 2^pairs texts of letters and digits with one and the same hash. */
export function collidingTexts(pairs: number): string[] {
  let texts = [''];
  let state = OFFSET_BASIS;
  for (let i = 0; i < pairs; i++) {
    const pair = collidingPair(state);
    texts = texts.flatMap((text) => pair.map((end) => text + end));
    state = stateAfter(pair[0], state);
  }
  return texts;
}
