/** Totals of each pool, what there is of it now, and the averages and percentiles of the last whole period, read from
 *  the workers' counters. */
import { Counter, Counters, Histogram } from '../pooler/counters.js';
import { NO_PERCENTILES, percentilesMs } from './percentiles.js';

const PERIOD_MS = 15_000;

export interface PoolStatistics {
  /** Everything since the start, and what there is now, over all workers. */
  readonly row: Counters;
  total(counter: Counter): number;
  /** How much the counter grew per second in the last whole period. */
  lastPeriodPerSecond(counter: Counter): number;
  /** The mean of what was counted in the last whole period: its sum over how often it was. 0 when it never was. */
  lastPeriodMean(sum: Counter, times: Counter): number;
  /** Milliseconds, for each of PERCENTILES, of the last whole period; 0 when there was nothing. */
  lastPeriodPercentiles(histogram: Histogram): readonly number[];
}

/** What a period has brought a pool. */
interface Period {
  readonly growth: Float64Array;
  /** By Histogram. */
  readonly percentiles: readonly (readonly number[])[];
}

const QUIET: Period = {
  growth: new Float64Array(Counter.Size),
  percentiles: Array.from({ length: Histogram.Size }, () => NO_PERCENTILES),
};

export class Statistics {
  /** By pool and worker. */
  private readonly pools: readonly (readonly Counters[])[];
  /** By pool: what there was when the period began; nothing for one that nobody has used yet. */
  private readonly before = new Map<number, Counters>();
  /** By pool, for those to which the last period has brought something. */
  private periods = new Map<number, Period>();

  constructor(memory: SharedArrayBuffer, workers: number, pools: number) {
    this.pools = Array.from({ length: pools }, (_, pool) =>
      Array.from({ length: workers }, (__, worker) => new Counters(memory, worker * pools + pool)),
    );
    setInterval(() => this.beginPeriod(), PERIOD_MS).unref();
  }

  ofPool(index: number): PoolStatistics {
    const row = Counters.none();
    this.addTo(row, index);
    const { growth, percentiles } = this.periods.get(index) ?? QUIET;
    const grown = (counter: Counter): number => growth[counter] ?? 0;
    return {
      row,
      total: (counter) => row.get(counter),
      lastPeriodPerSecond: (counter) => Math.round(grown(counter) / (PERIOD_MS / 1000)),
      lastPeriodMean: (sum, times) => Math.round(grown(sum) / Math.max(1, grown(times))),
      lastPeriodPercentiles: (histogram) => percentiles[histogram] ?? NO_PERCENTILES,
    };
  }

  /** A period is over: what it brought becomes the last one's. */
  beginPeriod(): void {
    this.periods = new Map();
    const now = Counters.none();
    for (const pool of this.pools.keys()) {
      now.clear();
      this.addTo(now, pool);
      const before = this.before.get(pool) ?? Counters.none();
      const period = growthOf(before, now);
      if (period === QUIET) continue;
      this.periods.set(pool, period);
      before.clear();
      before.addRow(now);
      this.before.set(pool, before);
    }
  }

  private addTo(sum: Counters, pool: number): void {
    for (const row of this.pools[pool] ?? []) sum.addRow(row);
  }
}

function growthOf(before: Counters, now: Counters): Period {
  const growth = QUIET.growth.map((_, counter) => now.get(counter) - before.get(counter));
  if (growth.every((each) => each === 0)) return QUIET;
  const percentilesOf = (histogram: Histogram): readonly number[] => {
    const past = before.buckets(histogram);
    return percentilesMs(now.buckets(histogram).map((count, bucket) => count - (past[bucket] ?? 0)));
  };
  return {
    growth,
    percentiles: [Histogram.Query, Histogram.Transaction, Histogram.Wait].map(percentilesOf),
  };
}
