/** Other bits, or other bytes, in a body. */
import { bodyAt, type Mutator, ODD_BYTES, withOne } from '../mutation.js';

const FLIPS_MAX = 8;

export const flip: Mutator = (random, pieces) =>
  withOne(random, pieces, (piece) => {
    const changed = Buffer.from(piece);
    const from = random.chance(0.9) ? bodyAt(piece) : 0;
    if (from >= changed.length) return changed;
    for (let left = random.between(1, FLIPS_MAX); left > 0; left--) {
      const at = random.between(from, changed.length - 1);
      const isBit = random.chance(0.5);
      changed[at] = isBit ? (changed[at] ?? 0) ^ (1 << random.below(8)) : random.pick(ODD_BYTES);
    }
    return changed;
  });
