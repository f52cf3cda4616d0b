/** Totals of each pool and their averages over the last whole period, read from the workers' counters. */
import { Counter, Counters } from '../pooler/counters.js';

const PERIOD_MS = 15_000;

export interface PoolStatistics {
  total(counter: Counter): number;
  /** How much the counter grew per second in the last whole period. */
  lastPeriodPerSecond(counter: Counter): number;
  /** The mean of what was counted in the last whole period: its sum over how often it was. 0 when it never was. */
  lastPeriodMean(sum: Counter, times: Counter): number;
}

export class Statistics {
  /** By pool and worker. */
  private readonly pools: readonly (readonly Counters[])[];
  private before: number[][];
  private now: number[][];

  constructor(memory: SharedArrayBuffer, workers: number, pools: number) {
    this.pools = Array.from({ length: pools }, (_, pool) =>
      Array.from({ length: workers }, (__, worker) => new Counters(memory, worker * pools + pool)),
    );
    this.before = this.read();
    this.now = this.before;
    setInterval(() => this.beginPeriod(), PERIOD_MS).unref();
  }

  ofPool(index: number): PoolStatistics {
    const grown = (counter: Counter): number =>
      (this.now[index]?.[counter] ?? 0) - (this.before[index]?.[counter] ?? 0);
    return {
      total: (counter) => sumOf(this.pools[index] ?? [], counter),
      lastPeriodPerSecond: (counter) => Math.round(grown(counter) / (PERIOD_MS / 1000)),
      lastPeriodMean: (sum, times) => Math.round(grown(sum) / Math.max(1, grown(times))),
    };
  }

  /** A period is over: what it brought becomes the last one's. */
  beginPeriod(): void {
    this.before = this.now;
    this.now = this.read();
  }

  private read(): number[][] {
    return this.pools.map((workers) =>
      Array.from({ length: Counter.Size }, (_, counter) => sumOf(workers, counter)),
    );
  }
}

function sumOf(workers: readonly Counters[], counter: Counter): number {
  return workers.reduce((sum, each) => sum + each.get(counter), 0);
}
