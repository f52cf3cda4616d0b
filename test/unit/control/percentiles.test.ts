/** Percentiles of durations that were only counted by size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PERCENTILES, percentilesMs } from '../../../src/control/percentiles.js';
import { BUCKETS, bucketOf } from '../../../src/pooler/histogram.js';
import { TICKS_PER_MS } from '../../../src/pooler/ticks.js';

function counted(ticks: readonly number[]): Float64Array {
  const counts = new Float64Array(BUCKETS);
  for (const each of ticks) {
    const bucket = bucketOf(each);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return counts;
}

test('they differ from those of the durations themselves by a quarter or a tick at most', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 24 }), { minLength: 1 }), (ticks) => {
      const sorted = ticks.toSorted((a, b) => a - b);
      const found = percentilesMs(counted(ticks));
      for (const [place, percentile] of PERCENTILES.entries()) {
        const exact = (sorted[Math.ceil((sorted.length * percentile) / 100) - 1] ?? 0) / TICKS_PER_MS;
        assert.ok(Math.abs((found[place] ?? 0) - exact) <= Math.max(1 / TICKS_PER_MS, exact / 4));
      }
    }),
  );
});

test('a higher one is not lower', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2 ** 26)), (ticks) => {
      const found = percentilesMs(counted(ticks));
      assert.deepEqual(
        found,
        found.toSorted((a, b) => a - b),
      );
    }),
  );
});

test('of nothing they are 0', () => {
  assert.deepEqual(percentilesMs(new Float64Array(BUCKETS)), [0, 0, 0, 0]);
});

test('of what is longer than the last bucket begins they are its beginning', () => {
  const [median = 0] = percentilesMs(counted([2 ** 31]));
  assert.ok(median > 15 * 60_000 - 1 && Number.isFinite(median));
});
