/** A message under the tag of another, or under one that does not exist. */
import { type Mutator, withOne } from '../mutation.js';

export const swapTag: Mutator = (random, pieces, { tags }) =>
  withOne(random, pieces, (piece) => {
    const changed = Buffer.from(piece);
    if (changed.length > 0)
      changed[0] = random.chance(0.8) ? tags.charCodeAt(random.below(tags.length)) : random.below(256);
    return changed;
  });
