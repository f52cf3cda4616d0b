/** Something comes more often than it should: a message, or bytes of a body. */
import { bodyAt, type Mutator, rebuilt, withOne } from '../mutation.js';

const TIMES = [2, 2, 3, 10, 50] as const;
/** Bytes that a message grows to at most. */
const LENGTH_MAX = 100_000;

export const double: Mutator = (random, pieces) => {
  const times = random.pick(TIMES);
  const at = random.below(pieces.length);
  const again = pieces[at];
  if (random.chance(0.5) && again !== undefined && again.length * times < LENGTH_MAX) {
    return pieces.toSpliced(at, 0, ...Array.from({ length: times - 1 }, () => again));
  }
  return withOne(random, pieces, (piece) => {
    const body = piece.subarray(bodyAt(piece));
    const from = random.below(body.length + 1);
    const part = body.subarray(from, random.between(from, body.length));
    const often = random.chance(0.02) ? LENGTH_MAX : times;
    const repeats = Math.min(often, Math.floor(LENGTH_MAX / Math.max(1, part.length)));
    const middle = Array.from({ length: repeats }, () => part);
    return rebuilt(random, piece, Buffer.concat([body.subarray(0, from), ...middle, body.subarray(from)]));
  });
};
