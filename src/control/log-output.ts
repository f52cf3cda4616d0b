/** Where log lines wait while nobody takes them. Whatever becomes of the log (a full disk, a reader that has gone or is
 *  slow), the pooler goes on: it never waits for the log, keeps a limited number of lines, counts those that are lost,
 *  and says how many when lines are taken again. */
import type { LogLevel } from '../pooler/thread-messages.js';

export const enum Taken {
  Yes,
  /** Not now, but soon perhaps. */
  NotNow,
  /** Nor later: the line is lost. */
  Never,
}

/** Something that log lines go to. */
export interface LogTarget {
  take(line: string, level: LogLevel): Taken;
  /** Waits until it may take more, at most for so long. */
  awaitRoom(timeoutMs: number): void;
  /** Goes on with what was taken and has not gone yet; whether all of it has. */
  goOn(): boolean;
}

/** Characters of the lines that wait. */
const WAITING_MAX = 1024 * 1024;
const TRY_AGAIN_MS = 100;
const FLUSH_MAX_MS = 500;

export class LogOutput {
  private readonly target: LogTarget;
  private readonly lossLine: (count: number) => string;
  private waiting: { readonly line: string; readonly level: LogLevel }[] = [];
  private waitingLength = 0;
  private lost = 0;
  private timer: NodeJS.Timeout | null = null;

  /** lossLine: what to say of so many lost lines. */
  constructor(target: LogTarget, lossLine: (count: number) => string) {
    this.target = target;
    this.lossLine = lossLine;
  }

  write(line: string, level: LogLevel): void {
    if (this.waitingLength + line.length > WAITING_MAX) {
      this.lost++;
      return;
    }
    this.waiting.push({ line, level });
    this.waitingLength += line.length;
    if (this.waiting.length === 1) this.drain();
  }

  /** Gets rid of what there is, as far as that is possible in half a second: the process ends. */
  flush(): void {
    const end = performance.now() + FLUSH_MAX_MS;
    for (let left = FLUSH_MAX_MS; left > 0; left = end - performance.now()) {
      this.drain();
      if (this.waiting.length === 0 && this.target.goOn()) return;
      this.target.awaitRoom(left);
    }
  }

  private drain(): void {
    let gone = 0;
    let taken = this.takeLoss();
    while (taken !== Taken.NotNow && gone < this.waiting.length) {
      const next = this.waiting[gone];
      if (next === undefined) break;
      if (taken === Taken.Yes) taken = this.target.take(next.line, next.level);
      if (taken === Taken.NotNow) break;
      if (taken === Taken.Never) this.lost++;
      this.waitingLength -= next.line.length;
      gone++;
    }
    this.waiting = this.waiting.slice(gone);
    if (this.waiting.length > 0 || this.lost > 0 || !this.target.goOn()) this.tryAgain();
  }

  /** Tells of lost lines. Whether there is anything to be taken after that. */
  private takeLoss(): Taken {
    if (this.lost === 0) return Taken.Yes;
    const taken = this.target.take(this.lossLine(this.lost), 'warn');
    if (taken === Taken.Yes) this.lost = 0;
    return taken;
  }

  private tryAgain(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.drain();
    }, TRY_AGAIN_MS).unref();
  }
}
