/** What a query_wait_timeout of 0 means: nobody waits for a server that another client holds. One that idles in another
 *  worker is handed over all the same, and one that there may be is opened: that takes a moment, and
 *  connect_timeout at most. */
import { Timer, type TimerTarget } from '../reactor/timers.js';
import type { Pool } from './pool.js';
import { msSince } from './ticks.js';

const LOOK_MS = 2;

export class NoWait implements TimerTarget {
  private readonly pool: Pool;
  private readonly timer: Timer = new Timer(this);
  /** For so many clients there was no server when this worker looked last. */
  private inVain = 0;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  /** A client has asked for a server, and there is none here. */
  begin(): void {
    const { reactor, peers } = this.pool.plane;
    if (!this.timer.isSet) reactor.setTimer(this.timer, peers.count === 0 ? 0 : LOOK_MS);
  }

  /** The pool is closed. */
  stop(): void {
    this.pool.plane.reactor.clearTimer(this.timer);
  }

  onTimer(): void {
    const { waiters, growth, sharing, plane, settings } = this.pool;
    if (plane.settings.queryWaitTimeoutMs > 0) return this.pool.limitWaits();
    const inVain = Math.max(0, waiters.length - growth.coming - growth.room - sharing.idleElsewhere);
    // A server that is just being handed over may be nobody's at one look.
    const refused = plane.peers.count === 0 ? inVain : Math.min(inVain, this.inVain);
    this.inVain = inVain - refused;
    for (let left = refused; left > 0; left--) this.pool.refuse(waiters.last);
    for (let { first } = waiters; first !== null; { first } = waiters) {
      if (msSince(first.waitingSince, plane.reactor.nowMs) < settings.connectTimeoutMs) break;
      this.pool.refuse(first);
    }
    if (!waiters.isEmpty) plane.reactor.setTimer(this.timer, LOOK_MS);
  }
}
