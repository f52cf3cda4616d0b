/** Parts of two conversations become one: a message of elsewhere, two halves of different messages, another order. */
import { bodyAt, type Mutator, rebuilt, withOne } from '../mutation.js';

export const splice: Mutator = (random, pieces, material) => {
  const other = random.pick(random.chance(0.5) ? pieces : material.pieces);
  switch (random.below(3)) {
    case 0:
      return pieces.toSpliced(random.below(pieces.length + 1), 0, other);
    case 1: {
      const from = random.below(pieces.length);
      const [moved] = pieces.slice(from, from + 1);
      if (moved === undefined) return [...pieces];
      const rest = pieces.toSpliced(from, 1);
      return rest.toSpliced(random.below(rest.length + 1), 0, moved);
    }
    default:
      return withOne(random, pieces, (piece) => {
        const [left, right] = [piece.subarray(bodyAt(piece)), other.subarray(bodyAt(other))];
        const body = [
          left.subarray(0, random.below(left.length + 1)),
          right.subarray(random.below(right.length + 1)),
        ];
        return rebuilt(random, piece, Buffer.concat(body));
      });
  }
};
