import { SharedPool, sharedPoolsBytes } from '../../../src/pooler/shared-pool.js';

/** What the only worker of a process shares with nobody. */
export function alone(): SharedPool {
  return new SharedPool(new SharedArrayBuffer(sharedPoolsBytes(1, 1)), 0, 1, 0);
}
