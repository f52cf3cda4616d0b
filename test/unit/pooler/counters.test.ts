/** Rows of counters in shared memory: what one thread writes another reads, and no row touches its neighbours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Counter, Counters, countersBytes } from '../../../src/pooler/counters.js';

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
