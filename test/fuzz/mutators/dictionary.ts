/** What somebody has thought of beforehand: a message that is wrong in a way of its own, or a word where none belongs. */
import { bodyAt, type Mutator, ODD_INT32, rebuilt, withOne } from '../mutation.js';
import { oddText } from '../odd-texts.js';

export const dictionary: Mutator = (random, pieces, { craft }) => {
  if (random.chance(0.7)) {
    return pieces.toSpliced(random.below(pieces.length + 1), random.below(2), craft(random));
  }
  return withOne(random, pieces, (piece) => {
    const body = piece.subarray(bodyAt(piece));
    const at = random.below(body.length + 1);
    const [word, replaced] = random.chance(0.3) ? [number(random.pick(ODD_INT32)), 4] : [oddText(random), 0];
    return rebuilt(random, piece, Buffer.concat([body.subarray(0, at), word, body.subarray(at + replaced)]));
  });
};

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
