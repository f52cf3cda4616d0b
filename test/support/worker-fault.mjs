/** Loaded into every thread of a pg_doorman under test (`--import`): KILL_CLIENT with one of these numbers makes worker 1,
 *  or all of them, fail in the way that the number stands for. What the pooler does about it is its own.
 *  PG_DOORMAN_TEST_DYING names a file: workers of the process whose number stands there cannot even start.
 *  2_000_000_007: worker 0 waits until that file is empty, and ends, from one moment to the next, over who connects then.
 *  PG_DOORMAN_TEST_FAULT names a message of the control plane: they fail when it comes, once; depart@1: worker 1 alone does.
 *  With both they fail when that file is empty. */

import { readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import v8 from 'node:v8';
import { isMainThread } from 'node:worker_threads';
import { Inbox } from '../../dist/pooler/inbox.js';
import { Reception } from '../../dist/pooler/reception.js';

const { PG_DOORMAN_TEST_DYING: dying, PG_DOORMAN_TEST_FAULT: fault } = process.env;
if (!isMainThread && dying !== undefined && readFileSync(dying, 'utf8') === String(process.pid))
  throw new Error('a worker of the test that cannot start');

const [fatal, doomed] = fault?.split('@') ?? [];
const { onMessage } = Inbox.prototype;
const kept = [];
let hasFailed = false;

Inbox.prototype.onMessage = function (message) {
  if (
    message.type === fatal &&
    !hasFailed &&
    (doomed === undefined || this.plane.start.index === Number(doomed))
  ) {
    hasFailed = true;
    if (dying !== undefined) waitForLeave();
    throw new Error(`a ${fatal} of the test`);
  }
  if (message.type === 'killClient' && message.client === 2_000_000_005) {
    writeFileSync(dying, String(process.pid));
    throw new Error('an assertion of the test in all workers');
  }
  if (message.type === 'killClient' && message.client === 2_000_000_007 && this.plane.start.index === 0) {
    waitForLeave();
    Reception.prototype.onAccept = () => process.exit(1); // ends the thread, and nothing of its program runs any more
  }
  if (message.type === 'killClient' && this.plane.start.index === 1) {
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
        break;
      case 2_000_000_006:
        seemsFull(2);
    }
  }
  return onMessage.call(this, message);
};

/** Until the test empties the file. */
function waitForLeave() {
  writeFileSync(dying, 'waiting');
  while (readFileSync(dying, 'utf8') !== '') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
}

/** The next so many looks at the heap find it full, those behind them do not. */
function seemsFull(looks) {
  const { getHeapStatistics } = v8;
  v8.getHeapStatistics = () => {
    const statistics = getHeapStatistics();
    return looks-- > 0 ? { ...statistics, used_heap_size: statistics.heap_size_limit } : statistics;
  };
  syncBuiltinESMExports();
}

function fillHeap(isEnough) {
  while (!isEnough(v8.getHeapStatistics())) kept.push(new Array(10_000).fill(kept.length));
}
