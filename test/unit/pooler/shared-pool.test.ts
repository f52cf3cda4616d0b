/** What workers know of one another in a pool. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NONE_WAITS, SharedPool, sharedPoolsBytes } from '../../../src/pooler/shared-pool.js';
import { NO_WORKER } from '../../../src/pooler/worker-board.js';

const MS = 32; // ticks

function poolOf(workers: number): SharedPool[] {
  const memory = new SharedArrayBuffer(sharedPoolsBytes(1, workers));
  return Array.from({ length: workers }, (_, self) => new SharedPool(memory, 0, workers, self));
}

function pairOf(): [SharedPool, SharedPool] {
  const [one, other] = poolOf(2);
  assert.ok(one && other);
  return [one, other];
}

test('whatever workers do, there are never more servers than pool_size, nor more logins than may be', () => {
  const action = fc.record({ worker: fc.nat(2), what: fc.nat(2) });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), fc.integer({ min: 1, max: 6 }), (actions, sizeMax) => {
      const pools = poolOf(3);
      const opening = [0, 0, 0];
      const open = [0, 0, 0];
      for (const { worker, what } of actions) {
        const pool = pools[worker];
        assert.ok(pool);
        if (what === 0 && pool.reserve(sizeMax, 2)) opening[worker] = (opening[worker] ?? 0) + 1;
        if (what === 1 && (opening[worker] ?? 0) > 0) {
          pool.openingEnds();
          opening[worker] = (opening[worker] ?? 0) - 1;
          open[worker] = (open[worker] ?? 0) + 1;
        }
        if (what === 2 && (open[worker] ?? 0) > 0) {
          pool.giveUp();
          open[worker] = (open[worker] ?? 0) - 1;
        }
        const sum = (counts: number[]): number => counts.reduce((a, b) => a + b, 0);
        assert.equal(pool.size, sum(open) + sum(opening));
        assert.equal(pool.opening, sum(opening));
        assert.ok(pool.size <= sizeMax && pool.opening <= 2);
      }
      for (const worker of pools.keys()) pools[0]?.forget(worker);
      assert.deepEqual([pools[0]?.size, pools[0]?.opening], [0, 0]);
    }),
  );
});

test('a worker that asks is known to wait until its first client is served', () => {
  const [one, other] = pairOf();
  other.waits(1, 0);
  assert.ok(one.othersWait);
  assert.equal(one.waitIn(1, 5 * MS), NONE_WAITS);
  other.ask(0);
  assert.ok(one.waitIn(1, 5 * MS) > 4 * MS);
  other.waits(1, 0); // another one, who comes after it
  assert.ok(one.waitIn(1, 5 * MS) > 4 * MS);
  other.waits(-1, 4 * MS); // the first is served
  assert.equal(one.waitIn(1, 5 * MS), NONE_WAITS);
  other.ask(4 * MS);
  one.forget(1);
  assert.equal(one.waitIn(1, 5 * MS), NONE_WAITS);
});

test('a wait that began after this worker looked at the clock is none, not a very long one', () => {
  const [one, other] = pairOf();
  other.waits(1, 100);
  other.ask(100);
  assert.equal(one.waitIn(1, 90), 0);
});

test('no more servers are pledged to a worker than clients wait there', () => {
  const [one, other] = pairOf();
  other.waits(1, 0);
  assert.ok(one.pledge(1));
  assert.equal(one.pledge(1), false);
  assert.equal(one.pledgedTo(1), 1);
  other.arrived();
  assert.ok(one.pledge(1));
  one.withdraw(1);
  one.withdraw(1); // one that was forgotten meanwhile
  assert.equal(other.pledged, 0);
});

test('nobody waits for a server that a worker had pledged when it died', () => {
  const [one, other] = pairOf();
  other.waits(1, 0);
  assert.ok(one.pledge(1));
  other.forget(0);
  assert.equal(other.pledged, 0);
  other.arrived(); // had another worker pledged one too, it would come all the same
  assert.equal(other.pledged, 0);
});

test('of the workers with idle servers the richest is asked', () => {
  const [one, two, three] = poolOf(3);
  assert.ok(one && two && three);
  assert.equal(one.richest, NO_WORKER);
  two.idle = 1;
  three.idle = 2;
  assert.equal(one.richest, 2);
  assert.equal(three.richest, 1);
});
