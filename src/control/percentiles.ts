/** Percentiles of durations that were only counted by size. */
import { bucketBeginsMs } from '../pooler/histogram.js';

/** The percentiles that are told, and their place in what percentilesMs returns. */
export const PERCENTILES = [50, 90, 95, 99] as const;
export const NO_PERCENTILES: readonly number[] = PERCENTILES.map(() => 0);

/** Milliseconds, for each of PERCENTILES: durations within a bucket are taken to lie evenly in it. 0 when there were
 *  none. counts: how often each bucket was met, as histogram.ts has them. */
export function percentilesMs(counts: ArrayLike<number>): readonly number[] {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket] ?? 0;
  return total === 0 ? NO_PERCENTILES : PERCENTILES.map((each) => at(counts, (total * each) / 100));
}

function at(counts: ArrayLike<number>, rank: number): number {
  let before = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const count = counts[bucket] ?? 0;
    if (count > 0 && before + count >= rank) {
      const begin = bucketBeginsMs(bucket);
      const end = bucketBeginsMs(bucket + 1);
      return Number.isFinite(end) ? begin + ((end - begin) * (rank - before)) / count : begin;
    }
    before += count;
  }
  return bucketBeginsMs(counts.length - 1);
}
