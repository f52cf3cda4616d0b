import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Histogram } from '../../../bench/histogram.js';

const times = fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 1 });
const shares = fc.double({ min: 0, max: 1, noNaN: true });

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

test('a quantile is at most 1.6% above that of the sorted times, and never below', () => {
  fc.assert(
    fc.property(times, shares, (values, share) => {
      const sorted = [...values].sort((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN;
      const quantile = histogramOf(values).quantile(share);
      assert.ok(quantile >= exact && quantile <= exact * (1 + 1 / 64), `${quantile} for ${exact}`);
    }),
  );
});

test('two histograms together are one of all times', () => {
  fc.assert(
    fc.property(times, times, (some, others) => {
      const together = histogramOf(some);
      together.add(histogramOf(others));
      assert.deepEqual(together, histogramOf([...some, ...others]));
    }),
  );
});

test('an empty histogram has no quantiles', () => {
  assert.equal(new Histogram().quantile(0.5), Number.NaN);
});

test('what is longer than the histogram counts as its longest', () => {
  const histogram = histogramOf([2 ** 40]);
  assert.equal(histogram.quantile(1), 2 ** 31 - 1);
});
