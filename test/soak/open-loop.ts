/** Begins flows at a fixed rate whatever becomes of those before: one that is late makes those behind it late too, as
 *  with real callers. Latency counts from the moment at which a flow was due. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Flow, Surroundings } from './flows.js';

/** Flows under way at a time; more means that the rate cannot be kept. */
const UNDER_WAY_MAX = 3000;
/** Errors whose text is kept. */
const ERRORS_KEPT = 20;

/** What ended within an interval. */
export interface Interval {
  readonly flows: number;
  /** Sorted, of the short flows; milliseconds. */
  readonly latenciesMs: readonly number[];
}

export class OpenLoop {
  /** Flows that have ended well, by name. */
  readonly done = new Map<string, number>();
  failures = 0;
  /** The first of what went wrong. */
  readonly errors: string[] = [];
  private underWay = 0;
  private flows = 0;
  private latencies: number[] = [];
  private readonly choices: readonly Flow[];
  private readonly surroundings: Omit<Surroundings, 'stamp'>;

  constructor(flows: readonly Flow[], surroundings: Omit<Surroundings, 'stamp'>) {
    this.choices = flows.flatMap((flow) => Array<Flow>(flow.share).fill(flow));
    this.surroundings = surroundings;
  }

  /** Returns when the last flow has ended. Throws when the rate cannot be kept. */
  async run(perSecond: number, seconds: number, isStopped: () => boolean): Promise<void> {
    const begin = performance.now();
    const running = new Set<Promise<void>>();
    for (let stamp = 0; stamp < perSecond * seconds && !isStopped(); stamp++) {
      const due = begin + (stamp * 1000) / perSecond;
      if (due > performance.now()) await pause(due - performance.now());
      if (this.underWay > UNDER_WAY_MAX) throw new Error(`${perSecond} flows a second are too many here`);
      const ending = this.one(this.surroundings.random.pick(this.choices), due, stamp);
      running.add(ending);
      void ending.then(() => running.delete(ending));
    }
    await Promise.all(running);
  }

  /** What has ended since this was asked last. */
  takeInterval(): Interval {
    const interval = { flows: this.flows, latenciesMs: this.latencies.sort((a, b) => a - b) };
    this.flows = 0;
    this.latencies = [];
    return interval;
  }

  private async one(flow: Flow, due: number, stamp: number): Promise<void> {
    this.underWay++;
    try {
      await flow.run({ ...this.surroundings, stamp });
      this.done.set(flow.name, (this.done.get(flow.name) ?? 0) + 1);
    } catch (error) {
      this.failures++;
      if (this.errors.length < ERRORS_KEPT) this.errors.push(`${flow.name}: ${error}`);
    }
    this.underWay--;
    this.flows++;
    if (flow.isShort) this.latencies.push(performance.now() - due);
  }
}
