/** What a load process counts while it records: answers by client and times, in windows of time. */

import { Histogram } from './histogram.js';
import type { Window } from './load-messages.js';

export class Recording {
  readonly windows: readonly (Window & { readonly times: Histogram })[];

  /** `beginsAt` as performance.now() says it. */
  constructor(
    private readonly beginsAt: number,
    private readonly windowMs: number,
    windows: number,
    clients: number,
  ) {
    this.windows = Array.from({ length: windows }, () => ({
      answers: new Uint32Array(clients),
      times: new Histogram(),
    }));
  }

  get endsAt(): number {
    return this.beginsAt + this.windowMs * this.windows.length;
  }

  /** A client got what it had sent for. What comes before or after all windows is not counted. */
  answered(place: number, sentAt: number, now: number): void {
    const window = this.windows[Math.floor((now - this.beginsAt) / this.windowMs)];
    if (window === undefined) return;
    window.answers[place] = (window.answers[place] ?? 0) + 1;
    window.times.record((now - sentAt) * 1000);
  }

  /** A client that has no answer at the end: if it has waited longer than anybody, that must not go unseen. */
  leftWaiting(sentAt: number): void {
    const last = this.windows.at(-1);
    const microseconds = (this.endsAt - sentAt) * 1000;
    if (last !== undefined && microseconds > last.times.highest) last.times.record(microseconds);
  }
}
