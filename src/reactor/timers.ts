/** Timers of one reactor: a binary heap by deadline. Setting and clearing are O(log n), and rare on the data path:
 *  the clients that wait for a server share one timer per pool. */
import { Bug } from './words.js';

export interface TimerTarget {
  onTimer(timer: Timer): void;
}

/** One timer, owned by the object that is told when it fires; it may be set again and again. */
export class Timer {
  readonly target: TimerTarget;
  /** In the reactor's milliseconds. */
  deadlineMs = 0;
  /** Where it stands in the heap; -1 when it is not set. */
  heapIndex = -1;
  constructor(target: TimerTarget) {
    this.target = target;
  }
  get isSet(): boolean {
    return this.heapIndex >= 0;
  }
}

export class TimerHeap {
  private readonly heap: Timer[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** When the first one fires, in the reactor's milliseconds; Infinity when none is set. */
  get nextDeadlineMs(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.at(0).deadlineMs;
  }

  /** Sets a timer, or moves it when it is set already. */
  set(timer: Timer, deadlineMs: number): void {
    timer.deadlineMs = deadlineMs;
    if (timer.heapIndex < 0) {
      timer.heapIndex = this.heap.length;
      this.heap.push(timer);
    }
    this.siftDown(this.siftUp(timer.heapIndex));
  }

  clear(timer: Timer): void {
    const index = timer.heapIndex;
    if (index < 0) return;
    timer.heapIndex = -1;
    const last = this.heap.pop();
    if (last === undefined || last === timer) return;
    this.place(last, index);
    this.siftDown(this.siftUp(index));
  }

  /** Fires what is due. What a target sets meanwhile for the same moment fires in the next round. */
  fire(nowMs: number): void {
    for (let left = this.heap.length; left > 0; left--) {
      const timer = this.heap[0];
      if (timer === undefined || timer.deadlineMs > nowMs) return;
      this.clear(timer);
      timer.target.onTimer(timer);
    }
  }

  private at(index: number): Timer {
    const timer = this.heap[index];
    if (timer === undefined) throw new Bug(`no timer at ${index}`);
    return timer;
  }

  private place(timer: Timer, index: number): void {
    this.heap[index] = timer;
    timer.heapIndex = index;
  }

  private siftUp(from: number): number {
    const timer = this.at(from);
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.at(parent);
      if (above.deadlineMs <= timer.deadlineMs) break;
      this.place(above, index);
      index = parent;
    }
    this.place(timer, index);
    return index;
  }

  private siftDown(from: number): void {
    const timer = this.at(from);
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.heap.length) break;
      if (child + 1 < this.heap.length && this.at(child + 1).deadlineMs < this.at(child).deadlineMs) child++;
      const below = this.at(child);
      if (below.deadlineMs >= timer.deadlineMs) break;
      this.place(below, index);
      index = child;
    }
    this.place(timer, index);
  }
}
