/** Something is left out: bytes of a body, a whole message, or all that follows. */
import { bodyAt, type Mutator, rebuilt, withOne } from '../mutation.js';

export const cut: Mutator = (random, pieces) => {
  switch (random.below(8)) {
    case 0:
      return pieces.toSpliced(random.below(pieces.length), 1);
    case 1:
      return pieces.slice(0, random.below(pieces.length));
    case 2: // in the middle of a message, and the next one follows
      return withOne(random, pieces, (piece) => piece.subarray(0, random.below(piece.length + 1)));
    default:
      return withOne(random, pieces, (piece) => {
        const body = piece.subarray(bodyAt(piece));
        const from = random.below(body.length + 1);
        const to = random.chance(0.5) ? body.length : random.between(from, body.length);
        return rebuilt(random, piece, Buffer.concat([body.subarray(0, from), body.subarray(to)]));
      });
  }
};
