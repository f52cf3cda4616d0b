/** What a worker has to say for the log: lines of the wanted levels, as messages to the control plane, repeated ones
 *  held back. */
import { isLogged, type LogFields } from './log-fields.js';
import { LogLimit } from './log-limit.js';
import type { LogLevel, ToControl } from './thread-messages.js';

const NOTHING: LogFields = {};

export class WorkerLog {
  level: LogLevel;
  private readonly post: (message: ToControl) => void;
  private readonly limit = new LogLimit();

  constructor(level: LogLevel, post: (message: ToControl) => void) {
    this.level = level;
    this.post = post;
  }

  /** `scope`: lines of the same kind about another pool are not repetitions. See LogLimit. */
  log(level: LogLevel, text: string, nowMs: number, fields = NOTHING, scope = ''): void {
    if (!isLogged(level, this.level)) return;
    const heldBack = this.limit.admit(level, text, scope, nowMs);
    if (heldBack < 0) return;
    const more = heldBack === 0 ? '' : ` (${heldBack} more like this were not logged)`;
    this.post({ type: 'log', level, text: text + more, fields });
  }

  /** Tells what was held back of kinds that have become quiet. */
  everySecond(nowMs: number): void {
    for (const { level, head, count } of this.limit.settle(nowMs)) {
      this.post({
        type: 'log',
        level,
        text: `${head}: ${count} more like this were not logged`,
        fields: NOTHING,
      });
    }
  }
}
