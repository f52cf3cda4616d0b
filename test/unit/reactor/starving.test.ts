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

onEachReactor('those that are closed, or whose peers have gone, while they wait disturb nobody', (bench) => {
  const servers: End[] = [];
  const speaking: End[] = [];
  const heard = new Set<End>();
  const closed = new Set<End>();
  const look = (): void => {
    if (heard.size + closed.size === SPEAKING) bench.done();
  };
  const closeEverySecond = (): void => {
    for (const [number, server] of servers.entries()) {
      if (number % 2 === 0 || heard.has(server)) continue;
      closed.add(server);
      server.socket.close();
    }
    look();
  };
  for (let number = 0; number < SPEAKING; number++) {
    bench.pair((client, server) => {
      server.onBytes = (_bytes, begin) => {
        assert.ok(!closed.has(server), 'bytes for who has closed');
        server.socket.pause(false);
        heard.add(server);
        if (heard.size === 1) bench.after(0, closeEverySecond);
        look();
        return begin;
      };
      servers.push(server);
      if (speaking.push(client) < SPEAKING) return;
      for (const each of speaking) {
        each.send(Buffer.from('hello'));
        each.socket.closeAfterSend();
      }
    });
  }
  bench.run();
  assert.equal(heard.size + closed.size, SPEAKING);
  if (bench.reactor instanceof UringReactor) assert.ok(closed.size > 0, 'nobody had to wait');
});
