/** Virtual time, chance from a seed, and what happens next: the same seed always tells the same story. */
import { Random } from '../support/random.js';
import { DEFAULT_NETWORK, type NetworkManners } from './network-manners.js';

/** So many lines of the story are kept: its end is what explains a failure. */
const STORY_MAX = 400;

/** Behind the rank, which is drawn, stands the order in which things were planned: both together are one whole number. */
const SERIALS = 2 ** 21;

/** Something that must never be. */
export class Broken extends Error {}

const nothing = (): void => undefined;

export class World {
  readonly random: Random;
  /** How bytes travel. */
  network: NetworkManners = DEFAULT_NETWORK;
  nowMs = 0;
  steps = 0;
  /** For so long workers have been stopped: time that counts for nobody's patience. */
  stoppedMs = 0;
  /** … and this is when the last of them goes on. */
  stoppedUntilMs = 0;
  /** What is planned, as a heap in four columns: when, what comes first of what is planned for one moment, and what. */
  private readonly times: number[] = [];
  private readonly orders: number[] = [];
  private readonly acts: (() => void)[] = [];
  private serial = 0;
  private readonly lines: string[] = [];
  /** Without it a run is much faster; the seed tells its story when it runs again. */
  private readonly isTold: boolean;

  constructor(seed: number, isTold = false) {
    this.random = new Random(seed);
    this.isTold = isTold;
  }

  /** Has it happen after so many milliseconds. What is planned for the same moment happens in any order. */
  after(milliseconds: number, act: () => void): void {
    this.serial = (this.serial + 1) % SERIALS;
    const order = this.random.uint32() * SERIALS + this.serial;
    this.put(this.times.length, this.nowMs + milliseconds, order, act);
  }

  /** The next thing happens; false when nothing is planned. */
  step(): boolean {
    const { times, orders, acts } = this;
    const act = acts[0];
    if (act === undefined) return false;
    this.nowMs = times[0] ?? 0;
    const [lastTime = 0, lastOrder = 0, lastAct = nothing] = [times.pop(), orders.pop(), acts.pop()];
    if (times.length > 0) this.put(this.emptied(), lastTime, lastOrder, lastAct);
    this.steps++;
    act();
    return true;
  }

  /** When the next thing happens; Infinity when nothing is planned. */
  get nextMs(): number {
    return this.times[0] ?? Number.POSITIVE_INFINITY;
  }

  /** What was planned has been overtaken: nothing has happened, and it is no step. */
  nothingHappened(): void {
    this.steps--;
  }

  /** A line of the story. */
  tell(line: () => string): void {
    if (!this.isTold) return;
    this.lines.push(`${this.nowMs.toFixed(3).padStart(12)} ms  ${line()}`);
    if (this.lines.length > 2 * STORY_MAX) this.lines.splice(0, STORY_MAX);
  }

  get story(): string {
    return this.lines.slice(-STORY_MAX).join('\n');
  }

  /** Its place, or one nearer to the top. */
  private put(from: number, time: number, order: number, act: () => void): void {
    const { times, orders, acts } = this;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = times[parent] ?? 0;
      if (above < time || (above === time && (orders[parent] ?? 0) < order)) break;
      this.move(parent, index);
      index = parent;
    }
    times[index] = time;
    orders[index] = order;
    acts[index] = act;
  }

  /** The top is taken: what stands below moves up. Returns the place at the bottom that is free then. */
  private emptied(): number {
    const { times, orders } = this;
    const { length } = times;
    let index = 0;
    for (let child = 1; child < length; child = 2 * index + 1) {
      if (child + 1 < length) {
        const left = times[child] ?? 0;
        const right = times[child + 1] ?? 0;
        if (right < left || (right === left && (orders[child + 1] ?? 0) < (orders[child] ?? 0))) child++;
      }
      this.move(child, index);
      index = child;
    }
    return index;
  }

  private move(from: number, to: number): void {
    this.times[to] = this.times[from] ?? 0;
    this.orders[to] = this.orders[from] ?? 0;
    this.acts[to] = this.acts[from] ?? nothing;
  }
}
