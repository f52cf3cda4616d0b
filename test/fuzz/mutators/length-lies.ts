/** A length that is not that of the message: 0 to 3, huge, negative, or a little beside it. */
import { lengthAt, type Mutator, ODD_INT32, withOne } from '../mutation.js';

export const lieAboutLength: Mutator = (random, pieces) =>
  withOne(random, pieces, (piece) => {
    const changed = Buffer.from(piece);
    const at = lengthAt(changed);
    if (changed.length < at + 4) return changed;
    const isNear = random.chance(0.4);
    changed.writeInt32BE(isNear ? changed.length - at + random.between(-6, 6) : random.pick(ODD_INT32), at);
    return changed;
  });
