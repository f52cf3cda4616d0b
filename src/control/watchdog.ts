/** Looks every second whether each worker comes round. One that is caught in a loop, or waits for what does not come, serves
 *  nobody: that is said, and if it lasts the worker is ended, so that another takes its place. */

/** Looks, not seconds: when the whole process stands still nobody looks. */
const SILENT_LOOKS = 5;
const LOOKS_MAX = 15;

export interface WatchdogEvents {
  /** It has not come round for so many seconds. */
  onSilent(worker: number, seconds: number): void;
  /** … and is to be ended. */
  onStuck(worker: number, seconds: number): void;
}

export class Watchdog {
  private readonly events: WatchdogEvents;
  private readonly seen = new Map<number, { readonly seconds: number; looks: number }>();

  constructor(events: WatchdogEvents) {
    this.events = events;
  }

  /** It has died, or is new. */
  forget(worker: number): void {
    this.seen.delete(worker);
  }

  /** `seconds`: how many the worker has seen go by. To be called every second for each worker. */
  look(worker: number, seconds: number): void {
    const before = this.seen.get(worker);
    if (before === undefined || before.seconds !== seconds) {
      this.seen.set(worker, { seconds, looks: 0 });
      return;
    }
    before.looks++;
    if (before.looks === SILENT_LOOKS) this.events.onSilent(worker, before.looks);
    if (before.looks === LOOKS_MAX) this.events.onStuck(worker, before.looks);
  }
}
