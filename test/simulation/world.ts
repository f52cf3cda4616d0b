/** Virtual time, chance from a seed, and what happens next: the same seed always tells the same story. */
import { Random } from '../support/random.js';
import { DEFAULT_NETWORK, type NetworkManners } from './network-manners.js';

/** So many lines of the story are kept: its end is what explains a failure. */
const STORY_MAX = 400;

interface Happening {
  readonly atMs: number;
  /** Breaks ties by chance, and those by the order in which they were planned. */
  readonly rank: number;
  readonly serial: number;
  readonly act: () => void;
}

/** Something that must never be. */
export class Broken extends Error {}

export class World {
  readonly random: Random;
  /** How bytes travel. */
  network: NetworkManners = DEFAULT_NETWORK;
  nowMs = 0;
  steps = 0;
  private readonly planned: Happening[] = [];
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
    const happening = {
      atMs: this.nowMs + milliseconds,
      rank: this.random.uint32(),
      serial: this.serial++,
      act,
    };
    this.planned.push(happening);
    this.siftUp(this.planned.length - 1);
  }

  /** The next thing happens; false when nothing is planned. */
  step(): boolean {
    const [next] = this.planned;
    if (next === undefined) return false;
    const last = this.planned.pop();
    if (last !== undefined && last !== next) {
      this.planned[0] = last;
      this.siftDown();
    }
    this.nowMs = next.atMs;
    this.steps++;
    next.act();
    return true;
  }

  /** When the next thing happens; Infinity when nothing is planned. */
  get nextMs(): number {
    return this.planned[0]?.atMs ?? Number.POSITIVE_INFINITY;
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

  private siftUp(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.isBefore(index, parent)) return;
      this.swap(index, parent);
      index = parent;
    }
  }

  private siftDown(): void {
    let index = 0;
    for (;;) {
      let first = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.planned.length && this.isBefore(child, first)) first = child;
      }
      if (first === index) return;
      this.swap(index, first);
      index = first;
    }
  }

  private isBefore(i: number, j: number): boolean {
    const [a, b] = [this.planned[i], this.planned[j]];
    if (a === undefined || b === undefined) return false;
    if (a.atMs !== b.atMs) return a.atMs < b.atMs;
    return a.rank !== b.rank ? a.rank < b.rank : a.serial < b.serial;
  }

  private swap(i: number, j: number): void {
    const [a, b] = [this.planned[i], this.planned[j]];
    if (a === undefined || b === undefined) return;
    this.planned[i] = b;
    this.planned[j] = a;
  }
}
