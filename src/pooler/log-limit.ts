/** Holds repeated log lines back: of one kind so many come through at once, then a few each second, and the next one
 *  tells how many did not. Thousands of refused clients must neither fill a disk nor keep the control plane busy. */
import type { LogLevel } from './thread-messages.js';

interface Allowance {
  /** Lines that come through at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Clients that come and go are each wanted in the log; the same failure again and again is not. */
const ALLOWANCES: Readonly<Record<LogLevel, Allowance>> = {
  error: { burst: 10, perSecond: 1 },
  warn: { burst: 10, perSecond: 1 },
  info: { burst: 500, perSecond: 500 },
  debug: { burst: 1000, perSecond: 1000 },
};

interface Kind {
  readonly level: LogLevel;
  /** What its lines begin with. */
  readonly head: string;
  /** Lines that may come through now. */
  room: number;
  countedMs: number;
  heldBack: number;
}

/** Lines that were held back. */
export interface HeldBack {
  readonly level: LogLevel;
  readonly head: string;
  readonly count: number;
}

export class LogLimit {
  private readonly kinds = new Map<string, Kind>();

  /** Whether a line is held back: -1; else how many of its kind have been since the last one. A kind is a level, what
   *  the text begins with up to the first colon, and `scope`, such as a pool; of scopes there must be a limited number. */
  admit(level: LogLevel, text: string, scope: string, nowMs: number): number {
    const colon = text.indexOf(':');
    const head = colon < 0 ? text : text.slice(0, colon);
    const kind = this.kindOf(level, head, scope, nowMs);
    refill(kind, nowMs);
    if (kind.room < 1) {
      kind.heldBack++;
      return -1;
    }
    return release(kind);
  }

  /** Kinds that have become quiet, with what is still to be told of them. To be called about once a second. */
  settle(nowMs: number): HeldBack[] {
    const settled: HeldBack[] = [];
    for (const [key, kind] of this.kinds) {
      refill(kind, nowMs);
      const { level, head } = kind;
      if (kind.heldBack > 0 && kind.room >= 1) settled.push({ level, head, count: release(kind) });
      else if (kind.room === ALLOWANCES[level].burst) this.kinds.delete(key);
    }
    return settled;
  }

  private kindOf(level: LogLevel, head: string, scope: string, nowMs: number): Kind {
    const key = `${level} ${head}\0${scope}`;
    let kind = this.kinds.get(key);
    if (kind === undefined) {
      kind = { level, head, room: ALLOWANCES[level].burst, countedMs: nowMs, heldBack: 0 };
      this.kinds.set(key, kind);
    }
    return kind;
  }
}

function refill(kind: Kind, nowMs: number): void {
  const { burst, perSecond } = ALLOWANCES[kind.level];
  kind.room = Math.min(burst, kind.room + ((nowMs - kind.countedMs) / 1000) * perSecond);
  kind.countedMs = nowMs;
}

/** A line comes through; returns how many were held back before it. */
function release(kind: Kind): number {
  const { heldBack } = kind;
  kind.room--;
  kind.heldBack = 0;
  return heldBack;
}
