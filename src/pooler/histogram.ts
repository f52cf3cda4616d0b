/** Durations sorted by size: four buckets for each power of two of ticks, so that a percentile is off by an eighth at
 *  most, and finding the bucket is a few instructions. Not for: who counts what (counters.ts). */
import { TICKS_PER_MS } from './ticks.js';

/** The last one begins at 15 minutes and takes all that is longer. */
export const BUCKETS = 96;
/** Within a power of two: two bits. */
const PART_BITS = 2;
const PARTS = 1 << PART_BITS;

/** Where a duration belongs. ticks: 32 bits, unsigned. */
export function bucketOf(ticks: number): number {
  if (ticks < PARTS) return ticks;
  const shift = 31 - Math.clz32(ticks) - PART_BITS;
  const bucket = shift * PARTS + (ticks >>> shift);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/** The duration at which a bucket begins, and the one before it ends. Milliseconds; Infinity behind the last. */
export function bucketBeginsMs(bucket: number): number {
  if (bucket >= BUCKETS) return Number.POSITIVE_INFINITY;
  if (bucket < PARTS) return bucket / TICKS_PER_MS;
  const shift = (bucket >>> PART_BITS) - 1;
  return ((PARTS + (bucket & (PARTS - 1))) * 2 ** shift) / TICKS_PER_MS;
}
