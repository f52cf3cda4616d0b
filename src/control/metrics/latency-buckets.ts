/** The bounds of the histograms that are told. They are bounds of the buckets that are counted in, so that nothing is
 *  guessed. */
import { BUCKETS, bucketBeginsMs } from '../../pooler/histogram.js';
import type { HistogramSample } from './exposition.js';

const BOUNDS_MS = [
  0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 20_480, 81_920, 327_680,
];

/** Seconds, as `le` says them. */
export const BOUNDS: readonly string[] = BOUNDS_MS.map((each) => String(each / 1000));

/** For each bound the bucket that begins there. */
const places = BOUNDS_MS.map((bound) => {
  for (let bucket = 0; bucket < BUCKETS; bucket++) if (bucketBeginsMs(bucket) === bound) return bucket;
  throw new RangeError(`no bucket begins at ${bound} ms`);
});

/** counts: how often each bucket was met. sumUs: microseconds. */
export function histogramSample(counts: ArrayLike<number>, sumUs: number): HistogramSample {
  let total = 0;
  let bucket = 0;
  const cumulative = places.map((end) => {
    for (; bucket < end; bucket++) total += counts[bucket] ?? 0;
    return total;
  });
  for (; bucket < BUCKETS; bucket++) total += counts[bucket] ?? 0;
  return { counts: cumulative, total, sum: sumUs / 1_000_000 };
}
