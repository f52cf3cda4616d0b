/** Durations sorted by size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS, bucketBeginsMs, bucketOf } from '../../../src/pooler/histogram.js';
import { TICKS_PER_MS } from '../../../src/pooler/ticks.js';

const LAST_MS = bucketBeginsMs(BUCKETS - 1);
const ticks = fc.integer({ min: 0, max: 0xffff_ffff });

test('a duration lies in its bucket', () => {
  fc.assert(
    fc.property(ticks, (each) => {
      const bucket = bucketOf(each);
      const ms = each / TICKS_PER_MS;
      assert.ok(bucketBeginsMs(bucket) <= ms && ms < bucketBeginsMs(bucket + 1), `${each}: ${bucket}`);
    }),
  );
});

test('buckets follow one another, each at most a quarter wider than where it begins', () => {
  for (let bucket = 0; bucket < BUCKETS - 1; bucket++) {
    const [begin, end] = [bucketBeginsMs(bucket), bucketBeginsMs(bucket + 1)];
    assert.ok(end > begin);
    assert.ok(end - begin <= Math.max(1 / TICKS_PER_MS, begin / 4));
  }
});

test('no duration is too long for the last bucket, which begins beyond a quarter of an hour', () => {
  assert.ok(LAST_MS > 15 * 60_000 - 1);
  assert.equal(bucketOf(0xffff_ffff), BUCKETS - 1);
  assert.equal(bucketBeginsMs(BUCKETS), Number.POSITIVE_INFINITY);
});
