/** Times in buckets that grow with the time: what thousands of clients waited, in seven kilobytes, within 1.6%. */

/** Plain enough to go to another process. */
export interface HistogramData {
  readonly counts: Uint32Array;
  readonly highest: number;
}

/** Buckets for each doubling of the time. */
const STEPS = 64;
const STEP_BITS = 6;
/** Up to 2^31 - 1 microseconds, more than half an hour; what is longer counts as that. */
const VALUE_MAX = 2 ** 31 - 1;

export class Histogram implements HistogramData {
  readonly counts = new Uint32Array(bucketOf(VALUE_MAX) + 1);
  /** The longest, exactly. Microseconds. */
  highest = 0;

  /** Microseconds, 0 or more. */
  record(microseconds: number): void {
    const value = Math.min(Math.round(microseconds), VALUE_MAX);
    const bucket = bucketOf(value);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    if (value > this.highest) this.highest = value;
  }

  add({ counts, highest }: HistogramData): void {
    for (const [bucket, count] of counts.entries()) this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
    this.highest = Math.max(this.highest, highest);
  }

  /** The time that `share` of all are not above (nearest rank), microseconds; NaN when there are none. */
  quantile(share: number): number {
    const total = this.counts.reduce((sum, count) => sum + count, 0);
    let left = Math.max(1, Math.ceil(share * total));
    for (const [bucket, count] of this.counts.entries()) {
      left -= count;
      if (left <= 0) return Math.min(longestIn(bucket), this.highest);
    }
    return Number.NaN;
  }
}

/** Below 2 × STEPS each value has its own; from there on, the highest seven bits decide. */
function bucketOf(value: number): number {
  const shift = Math.max(0, 31 - Math.clz32(value) - STEP_BITS);
  return shift * STEPS + (value >>> shift);
}

function longestIn(bucket: number): number {
  const shift = Math.max(0, (bucket >>> STEP_BITS) - 1);
  return (bucket - shift * STEPS + 1) * 2 ** shift - 1;
}
