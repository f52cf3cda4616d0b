/** Totals of each pool, what there is of it now, and the averages and percentiles of the last whole period, read from
 *  the workers' counters. */
import { Counter, Counters, Histogram } from '../pooler/counters.js';
import type { PoolSettings } from '../pooler/settings.js';
import { counterRow } from '../pooler/thread-messages.js';
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
  private readonly memory: SharedArrayBuffer;
  private readonly workers: number;
  private readonly pools: () => Iterable<readonly [number, PoolSettings]>;
  /** By pool: what there was when the period began; nothing for one that nobody has used yet. */
  private before: ReadonlyMap<number, Counters> = new Map();
  /** By pool, for those to which the last period has brought something. */
  private periods: ReadonlyMap<number, Period> = new Map();

  /** `pools`: which there are now. */
  constructor(
    memory: SharedArrayBuffer,
    workers: number,
    pools: () => Iterable<readonly [number, PoolSettings]>,
  ) {
    this.memory = memory;
    this.workers = workers;
    this.pools = pools;
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
    const periods = new Map<number, Period>();
    const before = new Map<number, Counters>();
    for (const [pool] of this.pools()) {
      const now = Counters.none();
      this.addTo(now, pool);
      const period = growthOf(this.before.get(pool) ?? Counters.none(), now);
      if (period !== QUIET) periods.set(pool, period);
      before.set(pool, now);
    }
    this.before = before;
    this.periods = periods;
  }

  private addTo(sum: Counters, pool: number): void {
    for (let worker = 0; worker < this.workers; worker++) {
      sum.addRow(new Counters(this.memory, counterRow(worker, pool)));
    }
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
