/** Totals of each pool and their averages over the last whole period, read from the workers' counters. */
import { Counter, Counters } from '../pooler/counters.js';
import type { PoolSettings } from '../pooler/settings.js';
import { counterRow } from '../pooler/thread-messages.js';

const PERIOD_MS = 15_000;

interface Reading {
  readonly name: string;
  readonly counts: readonly number[];
}

export interface PoolStatistics {
  total(counter: Counter): number;
  /** How much the counter grew per second in the last whole period. */
  lastPeriodPerSecond(counter: Counter): number;
  /** The mean of what was counted in the last whole period: its sum over how often it was. 0 when it never was. */
  lastPeriodMean(sum: Counter, times: Counter): number;
}

export class Statistics {
  private readonly memory: SharedArrayBuffer;
  private readonly workers: number;
  private readonly pools: () => Iterable<readonly [number, PoolSettings]>;
  /** What was counted when the last two periods ended, by pool. */
  private before: ReadonlyMap<number, Reading>;
  private now: ReadonlyMap<number, Reading>;

  /** `pools`: which there are now. */
  constructor(
    memory: SharedArrayBuffer,
    workers: number,
    pools: () => Iterable<readonly [number, PoolSettings]>,
  ) {
    this.memory = memory;
    this.workers = workers;
    this.pools = pools;
    this.before = this.read();
    this.now = this.before;
    setInterval(() => this.beginPeriod(), PERIOD_MS).unref();
  }

  ofPool(index: number): PoolStatistics {
    const now = this.now.get(index);
    const before = this.before.get(index);
    // The number may have been another pool's before.
    const earlier = before?.name === now?.name ? before : undefined;
    const grown = (counter: Counter): number =>
      Math.max(0, (now?.counts[counter] ?? 0) - (earlier?.counts[counter] ?? 0));
    return {
      total: (counter) => this.total(index, counter),
      lastPeriodPerSecond: (counter) => Math.round(grown(counter) / (PERIOD_MS / 1000)),
      lastPeriodMean: (sum, times) => Math.round(grown(sum) / Math.max(1, grown(times))),
    };
  }

  /** A period is over: what it brought becomes the last one's. */
  beginPeriod(): void {
    this.before = this.now;
    this.now = this.read();
  }

  private read(): Map<number, Reading> {
    const readings = new Map<number, Reading>();
    for (const [pool, { database, user }] of this.pools()) {
      const counts = Array.from({ length: Counter.Size }, (_, counter) => this.total(pool, counter));
      readings.set(pool, { name: `${database}\0${user}`, counts });
    }
    return readings;
  }

  private total(pool: number, counter: Counter): number {
    let sum = 0;
    for (let worker = 0; worker < this.workers; worker++) {
      sum += new Counters(this.memory, counterRow(worker, pool)).get(counter);
    }
    return sum;
  }
}
