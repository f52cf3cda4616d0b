import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestOverWorst, longestOverMedian } from '../../../bench/fairness.js';
import { Histogram } from '../../../bench/histogram.js';

function timesOf(microseconds: readonly number[]): Histogram {
  const times = new Histogram();
  for (const time of microseconds) times.record(time);
  return times;
}

test('the best served client is measured by the worst served', () => {
  assert.equal(bestOverWorst([30, 20, 26]), 1.5);
});

test('a client that got nothing is infinitely unfair', () => {
  assert.equal(bestOverWorst([30, 0]), Number.POSITIVE_INFINITY);
});

test('the service time is no wait', () => {
  const ratio = longestOverMedian(timesOf([15_000, 15_000, 25_000]), 5_000);
  assert.ok(ratio > 1.95 && ratio <= 2, `${ratio}`);
});

test('waits below a tenth of a millisecond count as that', () => {
  assert.equal(longestOverMedian(timesOf([5_000, 5_001, 5_200]), 5_000), 2);
});
