/** Many sockets that want to receive, and few buffers to receive into. */
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { UringReactor } from '../../../src/reactor/uring/uring-reactor.js';
import { type Bench, type End, onEachReactor } from './bench.js';

const SPEAKING = 200;
/** Each begins to receive, finds no buffer a few times perhaps, receives, and is not received any more. */
const OPERATIONS_MAX = 12;

/** How often the kernel has been asked for something so far; 0 for a reactor that asks by other means. */
function operationsOf({ reactor }: Bench): () => number {
  if (!(reactor instanceof UringReactor)) return () => 0;
  const begin = mock.method(reactor.ring, 'begin');
  return () => begin.mock.callCount();
}

onEachReactor('many that speak at once do not rush for few buffers all together', (bench) => {
  const operations = operationsOf(bench);
  const speaking: End[] = [];
  let heard = 0;
  let before = 0;
  for (let number = 0; number < SPEAKING; number++) {
    bench.pair((client, server) => {
      // Nobody reads: the first ones keep most of the buffers that the kernel has got so far.
      server.onBytes = (_bytes, begin) => {
        server.socket.pause(false);
        if (++heard === SPEAKING) bench.done();
        return begin;
      };
      if (speaking.push(client) < SPEAKING) return;
      before = operations();
      for (const each of speaking) each.send(Buffer.from('hello'));
    });
  }
  bench.run();
  const each = (operations() - before) / SPEAKING;
  assert.ok(each <= OPERATIONS_MAX, `${each} operations for each`);
});
