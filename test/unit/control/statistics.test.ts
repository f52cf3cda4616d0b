/** Totals of each pool and their averages over the last whole period of 15 seconds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Statistics } from '../../../src/control/statistics.js';
import { Counter, Counters, countersBytes } from '../../../src/pooler/counters.js';
import type { PoolSettings } from '../../../src/pooler/settings.js';
import { counterRow } from '../../../src/pooler/thread-messages.js';

/** As far as the statistics look at it. */
const POOL = { database: 'x', user: 'alice' } as PoolSettings;

function poolsOf(count: number): () => Iterable<readonly [number, PoolSettings]> {
  return () => Array.from({ length: count }, () => POOL).entries();
}

function bench(pools: number): { statistics: Statistics; counters: Counters[] } {
  const memory = new SharedArrayBuffer(countersBytes(counterRow(1, 0)));
  return {
    statistics: new Statistics(memory, 1, poolsOf(pools)),
    counters: Array.from({ length: pools }, (_, row) => new Counters(memory, row)),
  };
}

/** The only pool of a bench. */
function benchOfOne(): { statistics: Statistics; counters: Counters } {
  const {
    statistics,
    counters: [counters],
  } = bench(1);
  assert.ok(counters);
  return { statistics, counters };
}

test('a total is what was counted since the start, also in the period that has begun', () => {
  const { statistics, counters } = benchOfOne();
  counters.add(Counter.Queries, 3);
  assert.equal(statistics.ofPool(0).total(Counter.Queries), 3);
  statistics.beginPeriod();
  counters.add(Counter.Queries, 4);
  assert.equal(statistics.ofPool(0).total(Counter.Queries), 7);
});

test('before the first period is over there are no averages', () => {
  const { statistics, counters } = benchOfOne();
  counters.add(Counter.Queries, 300);
  counters.add(Counter.QueryTime, 900);
  const pool = statistics.ofPool(0);
  assert.equal(pool.lastPeriodPerSecond(Counter.Queries), 0);
  assert.equal(pool.lastPeriodMean(Counter.QueryTime, Counter.Queries), 0);
});

test('what a period brought is told per second, and per time it happened', () => {
  const { statistics, counters } = benchOfOne();
  counters.add(Counter.Queries, 300);
  counters.add(Counter.QueryTime, 900);
  statistics.beginPeriod();
  const pool = statistics.ofPool(0);
  assert.equal(pool.lastPeriodPerSecond(Counter.Queries), 20);
  assert.equal(pool.lastPeriodMean(Counter.QueryTime, Counter.Queries), 3);
});

test('what comes after a period does not change its averages', () => {
  const { statistics, counters } = benchOfOne();
  counters.add(Counter.Queries, 300);
  statistics.beginPeriod();
  counters.add(Counter.Queries, 3000);
  assert.equal(statistics.ofPool(0).lastPeriodPerSecond(Counter.Queries), 20);
});

test('the averages of a busy period are gone after a quiet one', () => {
  const { statistics, counters } = benchOfOne();
  counters.add(Counter.WaitTime, 5000);
  counters.add(Counter.Assignments, 5);
  statistics.beginPeriod();
  assert.equal(statistics.ofPool(0).lastPeriodMean(Counter.WaitTime, Counter.Assignments), 1000);
  statistics.beginPeriod();
  assert.equal(statistics.ofPool(0).lastPeriodMean(Counter.WaitTime, Counter.Assignments), 0);
});

test('a mean of what never happened is 0', () => {
  const { statistics } = benchOfOne();
  statistics.beginPeriod();
  assert.equal(statistics.ofPool(0).lastPeriodMean(Counter.QueryTime, Counter.Queries), 0);
});

test('pools are counted apart', () => {
  const { statistics, counters } = bench(3);
  counters.forEach((each, index) => {
    each.add(Counter.Errors, (index + 1) * 15);
  });
  statistics.beginPeriod();
  assert.deepEqual(
    [0, 1, 2].map((index) => statistics.ofPool(index).total(Counter.Errors)),
    [15, 30, 45],
  );
  assert.deepEqual(
    [0, 1, 2].map((index) => statistics.ofPool(index).lastPeriodPerSecond(Counter.Errors)),
    [1, 2, 3],
  );
});

test('a pool that does not exist has counted nothing', () => {
  const pool = benchOfOne().statistics.ofPool(1);
  assert.equal(pool.total(Counter.Queries), 0);
  assert.equal(pool.lastPeriodPerSecond(Counter.Queries), 0);
  assert.equal(pool.lastPeriodMean(Counter.QueryTime, Counter.Queries), 0);
});

test('the periods together bring the total', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { maxLength: 10 }), (seconds) => {
      const { statistics, counters } = benchOfOne();
      let perSecond = 0;
      for (const each of seconds) {
        counters.add(Counter.Transactions, each * 15);
        statistics.beginPeriod();
        perSecond += statistics.ofPool(0).lastPeriodPerSecond(Counter.Transactions);
      }
      assert.equal(perSecond * 15, statistics.ofPool(0).total(Counter.Transactions));
    }),
  );
});

test('a period lasts 15 seconds', (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const { statistics, counters } = benchOfOne();
  counters.add(Counter.Queries, 30);
  context.mock.timers.tick(14_999);
  assert.equal(statistics.ofPool(0).lastPeriodPerSecond(Counter.Queries), 0);
  context.mock.timers.tick(1);
  assert.equal(statistics.ofPool(0).lastPeriodPerSecond(Counter.Queries), 2);
  context.mock.timers.tick(15_000);
  assert.equal(statistics.ofPool(0).lastPeriodPerSecond(Counter.Queries), 0);
});

test('a pool is counted over all workers', () => {
  const memory = new SharedArrayBuffer(countersBytes(counterRow(2, 0)));
  const statistics = new Statistics(memory, 2, poolsOf(3));
  const SECOND_POOL = 1;
  new Counters(memory, SECOND_POOL).add(Counter.Queries, 3);
  new Counters(memory, counterRow(1, SECOND_POOL)).add(Counter.Queries, 4);
  assert.equal(statistics.ofPool(SECOND_POOL).total(Counter.Queries), 7);
  assert.equal(statistics.ofPool(0).total(Counter.Queries), 0);
});
