/** Rows of counters in shared memory: what one thread writes another reads, and no row touches its neighbours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { COUNTED_SQLSTATES } from '../../../src/pooler/counted-sqlstates.js';
import { Counter, Counters, countersBytes, Gauge, Histogram } from '../../../src/pooler/counters.js';

const POOLS = 3;
const aCounter = fc.integer({ min: 0, max: Counter.Size - 1 });
const anAddition = fc.tuple(fc.nat(POOLS - 1), aCounter, fc.integer({ min: 0, max: 2 ** 40 }));

function rowsIn(memory: SharedArrayBuffer): Counters[] {
  return Array.from({ length: POOLS }, (_, row) => new Counters(memory, row));
}

test('what is added is read by another view of the same memory, in that row and under that counter only', () => {
  fc.assert(
    fc.property(fc.array(anAddition), (additions) => {
      const memory = new SharedArrayBuffer(countersBytes(POOLS));
      const writers = rowsIn(memory);
      const expected = Array.from({ length: POOLS }, () => new Array<number>(Counter.Size).fill(0));
      for (const [row, counter, amount] of additions) {
        writers[row]?.add(counter, amount);
        const sums = expected[row] ?? [];
        sums[counter] = (sums[counter] ?? 0) + amount;
      }
      const read = rowsIn(memory).map((row) => expected[0]?.map((_, counter) => row.get(counter)));
      assert.deepEqual(read, expected);
    }),
  );
});

test('counters begin at zero', () => {
  const row = new Counters(new SharedArrayBuffer(countersBytes(1)), 0);
  for (let counter = 0; counter < Counter.Size; counter++) assert.equal(row.get(counter), 0);
});

test('bytes beyond 32 bits are counted exactly', () => {
  const row = new Counters(new SharedArrayBuffer(countersBytes(1)), 0);
  row.add(Counter.Sent, 2 ** 52);
  row.add(Counter.Sent, 1);
  assert.equal(row.get(Counter.Sent), 2 ** 52 + 1);
});

test('memory has room for exactly so many pools', () => {
  const memory = new SharedArrayBuffer(countersBytes(POOLS));
  new Counters(memory, POOLS - 1).add(Counter.Size - 1, 1);
  assert.throws(() => new Counters(memory, POOLS), RangeError);
});

test('a duration is added to its sum and counted in one bucket of its histogram', () => {
  const row = Counters.none();
  row.took(Histogram.Transaction, Counter.TransactionTime, 64);
  row.took(Histogram.Transaction, Counter.TransactionTime, 0);
  row.tookNone(Histogram.Wait);
  assert.equal(row.get(Counter.TransactionTime), 2_000);
  const met = (histogram: Histogram): number[] => [...row.buckets(histogram).filter((count) => count > 0)];
  assert.deepEqual(met(Histogram.Transaction), [1, 1]);
  assert.deepEqual(met(Histogram.Wait), [1]);
  assert.equal(row.buckets(Histogram.Wait)[0], 1);
  assert.deepEqual(met(Histogram.Query), []);
});

test('an error is counted under its SQLSTATE, one that is rare under other', () => {
  const row = Counters.none();
  for (const sqlstate of ['40001', '40001', '01ABC', '', 'XX001']) row.countError(sqlstate);
  const counts = Object.fromEntries(
    COUNTED_SQLSTATES.map((sqlstate, place) => [sqlstate, row.errors[place]]),
  );
  assert.equal(counts['40001'], 2);
  assert.equal(counts.other, 2);
  assert.equal(counts.XX001, 1);
  assert.equal(row.get(Counter.Errors), 5);
  assert.equal(row.buckets(Histogram.Query)[0], 0);
});

test('of a worker that has died what there was is forgotten, and what has happened is not', () => {
  const row = Counters.none();
  row.change(Gauge.Clients, 1);
  row.change(Gauge.ServersLeaving, 1);
  row.add(Counter.HandOvers, 7);
  row.add(Counter.OpenFailures, 1);
  row.countError('other');
  row.forget();
  assert.equal(row.now(Gauge.Clients), 0);
  assert.equal(row.now(Gauge.ServersLeaving), 0);
  assert.equal(row.get(Counter.HandOvers), 7);
  assert.equal(row.get(Counter.OpenFailures), 1);
  assert.equal(row.errors[0], 1);
});

test('rows are added up, all that is in them', () => {
  const sum = Counters.none();
  for (let i = 0; i < 2; i++) {
    const row = Counters.none();
    row.add(Counter.Queries, 3);
    row.change(Gauge.ClientsWaiting, 1);
    row.took(Histogram.Wait, Counter.WaitTime, 2 ** 31);
    row.countError('XX001');
    sum.addRow(row);
  }
  assert.equal(sum.get(Counter.Queries), 6);
  assert.equal(sum.now(Gauge.ClientsWaiting), 2);
  assert.equal(sum.buckets(Histogram.Wait).at(-1), 2);
  assert.equal(sum.errors.at(-1), 2);
  sum.clear();
  assert.equal(sum.get(Counter.Queries), 0);
});
