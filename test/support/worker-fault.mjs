/** Loaded into every thread of a pg_doorman under test (`--import`): KILL_CLIENT with one of these numbers makes worker 1
 *  fail in the way that the number stands for. What the pooler does about it is its own. */
import { DataPlane } from '../../dist/pooler/data-plane.js';

const { onMessage } = DataPlane.prototype;
const kept = [];

DataPlane.prototype.onMessage = function (message) {
  if (message.type === 'killClient' && this.start.index === 1) {
    switch (message.client) {
      case 2_000_000_001:
        throw new Error('an assertion of the test');
      case 2_000_000_002:
        for (;;);
      case 2_000_000_003:
        fillHeap(() => false);
        break;
      case 2_000_000_004:
        // Nearly: V8 does not end the thread for that.
        fillHeap(({ used_heap_size, heap_size_limit }) => used_heap_size > 0.88 * heap_size_limit);
    }
  }
  return onMessage.call(this, message);
};

function fillHeap(isEnough) {
  while (!isEnough(process.getBuiltinModule('v8').getHeapStatistics()))
    kept.push(new Array(10_000).fill(kept.length));
}
