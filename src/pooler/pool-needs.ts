/** Which worker should have a server that is free in this one. Balanced workers are to need no hand-over: their clients
 *  wait for the servers that they have, which come back by themselves. So what counts is how long clients wait usually,
 *  and what a worker says of a client that waits much longer. Not for: moving the server (pool-sharing.ts). */
import { NONE_WAITS, type SharedPool } from './shared-pool.js';
import { TICKS_PER_MS } from './ticks.js';
import { NO_WORKER } from './worker-board.js';

/** The usual wait is a mean over about 2^SHIFT clients. */
const SHIFT = 5;
const WAITED_MAX = 2 ** 25; // ticks, a quarter of an hour
/** Clients of another worker wait longer than ours when it is by this share and this much. */
const LONGER_BY_SHARE = 0.1;
const LONGER_BY_TICKS = TICKS_PER_MS / 8;
/** One of them waits too long when it is by this much; by chance alone few do, and none where so many wait for a server
 *  that their waits are alike. */
const TOO_LONG_TIMES = 1.5;
const TOO_LONG_TICKS = 2 * TICKS_PER_MS;
const MANY_FOR_A_SERVER = 2;
/** A worker takes a turn with a server that is wanted everywhere: with one of several to even out what cannot be shared
 *  out evenly, with its only one while others have none. */
const TURN_TICKS = 100 * TICKS_PER_MS;
const TURN_MAX_TICKS = 1_000 * TICKS_PER_MS;
const TURN_WITH_ONLY_TICKS = 25 * TICKS_PER_MS;
/** A server that nobody has wanted for so long is one too many: where clients wait less than half as long as in the other
 *  worker, and where they wait alike. */
const SPARE_MS = 2;
const SPARE_AMONG_EQUALS_MS = 10;

export class PoolNeeds {
  private readonly shared: SharedPool;
  /** Ticks, 2^SHIFT times. */
  private usualWait = 0;
  /** When it was last asked for whom a server is that is wanted here. Ticks. */
  private askedAt = 0;

  constructor(shared: SharedPool) {
    this.shared = shared;
  }

  /** A client of this worker has got a server after so many ticks. */
  served(waited: number): void {
    this.usualWait += Math.min(waited, WAITED_MAX) - (this.usualWait >> SHIFT);
    this.shared.usualWait = this.usualWait >> SHIFT;
  }

  /** A server has gone, or has come. */
  turnBegins(now: number): void {
    this.shared.turnSince = now;
  }

  /** The worker that should have a server for which somebody has waited here for `ownWait` ticks; NO_WORKER when it
   *  should stay. */
  whoNeedsMore(ownWait: number, now: number): number {
    // What comes back at one moment finds the same answer.
    if ((now - this.askedAt) >>> 0 < TICKS_PER_MS) return NO_WORKER;
    this.askedAt = now;
    const { shared } = this;
    const usual = this.usualWait >> SHIFT;
    let longest = NONE_WAITS;
    let neediest = NO_WORKER;
    for (let worker = 0; worker < shared.workers; worker++) {
      // The first of those with one on its way is served: how long the next has waited is not known from here.
      if (worker === shared.self || shared.waitingIn(worker) === 0 || shared.pledgedTo(worker) > 0) continue;
      const waited = shared.waitIn(worker, now);
      const theirs = Math.max(waited, shared.usualWaitIn(worker));
      if (theirs <= longest || !this.isNeededMore(worker, waited, ownWait, usual, now)) continue;
      longest = theirs;
      neediest = worker;
    }
    return neediest;
  }

  private isNeededMore(worker: number, waited: number, ownWait: number, usual: number, now: number): boolean {
    const { shared } = this;
    const own = Math.max(ownWait, usual);
    if (shared.sizeOf(worker) === 0) {
      if (!isLonger(waited, own)) return false;
      return shared.sizeOf(shared.self) > 1 || shared.turnIn(shared.self, now) > TURN_WITH_ONLY_TICKS;
    }
    if (this.isTooLong(worker, waited, own)) return true;
    const theirs = Math.max(shared.usualWaitIn(worker), waited / TOO_LONG_TIMES);
    return isLonger(theirs, Math.max(usual, ownWait / TOO_LONG_TIMES)) && this.isTurnOf(worker, now);
  }

  private isTurnOf(worker: number, now: number): boolean {
    return this.isTurnOver(this.shared.self, now) && this.isTurnOver(worker, now);
  }

  /** What a server more or less has done shows in what clients wait only after they have waited. */
  private isTurnOver(worker: number, now: number): boolean {
    const usual = Math.min(this.shared.usualWaitIn(worker), TURN_MAX_TICKS);
    return this.shared.turnIn(worker, now) > Math.max(TURN_TICKS, usual);
  }

  /** Whether somebody waits too long there, in a worker that would have no more servers for its clients than this one. */
  private isTooLong(worker: number, waited: number, own: number): boolean {
    const { shared } = this;
    const servers = shared.sizeOf(worker) + 1;
    const waiting = shared.waitingIn(worker);
    const times = waiting < MANY_FOR_A_SERVER * servers ? TOO_LONG_TIMES : 1 + LONGER_BY_SHARE;
    if (waited < own * times + TOO_LONG_TICKS) return false;
    return waiting * (shared.sizeOf(shared.self) - 1) > shared.waitingIn(shared.self) * servers;
  }

  /** The worker that should have a server that nobody here has wanted for `idleMs`; NO_WORKER when none. */
  whoNeeds(idleMs: number, now: number): number {
    const { shared } = this;
    let longest = NONE_WAITS;
    let neediest = NO_WORKER;
    for (let worker = 0; worker < shared.workers; worker++) {
      if (worker === shared.self || shared.waitingIn(worker) <= shared.pledgedTo(worker)) continue;
      const waited = shared.waitIn(worker, now);
      const theirs = Math.max(waited, shared.usualWaitIn(worker));
      if (theirs <= longest || !this.isSpareFor(worker, waited, idleMs, now)) continue;
      longest = theirs;
      neediest = worker;
    }
    return neediest;
  }

  private isSpareFor(worker: number, waited: number, idleMs: number, now: number): boolean {
    const { shared } = this;
    const [usual, theirs] = [this.usualWait >> SHIFT, shared.usualWaitIn(worker)];
    if (isLonger(theirs, usual) && this.isTurnOf(worker, now)) return true;
    if (waited === NONE_WAITS) return false;
    if (shared.sizeOf(worker) === 0) return true;
    // It may be wanted here in a moment, so it must also be longer than they are used to.
    if (this.isTooLong(worker, waited, Math.max(usual, theirs))) return true;
    return idleMs >= (theirs > 2 * usual ? SPARE_MS : SPARE_AMONG_EQUALS_MS);
  }
}

function isLonger(wait: number, than: number): boolean {
  return wait > than * (1 + LONGER_BY_SHARE) + LONGER_BY_TICKS;
}
