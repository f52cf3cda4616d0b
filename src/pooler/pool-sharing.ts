/** A pool's servers go where they are needed most: to whoever has waited clearly longest in any worker. Here is what this
 *  worker gives, what it gets, and how it asks. Not for: what each knows of the others (shared-pool.ts). */
import type { DetachedSocket } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { Counter } from './counters.js';
import type { ServerRecord } from './hand-over.js';
import type { Pool } from './pool.js';
import { ServerSession } from './server-session.js';
import { HOPES_FOR_OWN_MS, NONE_WAITS } from './shared-pool.js';
import { msSince, ticksAt } from './ticks.js';
import { NO_WORKER } from './worker-board.js';

/** Workers whose clients wait about equally long take turns with what cannot be shared out evenly: so often, or the
 *  hand-overs would cost more than they bring. */
const GIVES_AGAIN_MS = 25;
const ASK_AGAIN_MS = 5;

export class PoolSharing implements TimerTarget {
  /** Servers on their way to another worker. */
  leaving = 0;
  private readonly pool: Pool;
  /** Fires when it is time to ask other workers for a server. */
  private readonly askTimer: Timer = new Timer(this);
  /** Since when no server that is wanted here goes elsewhere, unless it is wanted much more there. Ticks. */
  private gaveSince = 0;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  // ── giving ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Has a clean server leave for a worker whose clients need it more. */
  handOver(server: ServerSession): boolean {
    const { shared, waiters, plane } = this.pool;
    // What it is in the middle of saying is not cut in two.
    if (!shared.othersWait || !server.isBetweenMessages) return false;
    const now = ticksAt(plane.reactor.nowMs);
    const { first } = waiters;
    const ownWait = first === null ? NONE_WAITS : (now - first.waitingSince) | 0;
    const gaveLately = msSince(this.gaveSince, plane.reactor.nowMs) < GIVES_AGAIN_MS;
    const neediest = shared.neediest(ownWait, now, gaveLately);
    if (neediest === NO_WORKER || !plane.peers.has(neediest)) return false;
    if (!shared.pledge(neediest)) return false;
    if (first !== null) this.gaveSince = now;
    this.leaving++;
    server.leaveFor(neediest);
    return true;
  }

  /** For later. Whoever began to wait elsewhere before this was seen gets it after all. */
  keep(server: ServerSession): void {
    this.pool.idle.push(server);
    if (this.pool.shared.othersWait) this.look();
  }

  /** Somebody waits elsewhere: idle servers go there, and there may be room to open one for those who wait here. */
  look(): void {
    const { pool } = this;
    while (pool.idle.length > 0 && pool.shared.othersWait) {
      const server = pool.takeIdle();
      if (server === null) break;
      if (!this.handOver(server)) {
        pool.idle.push(server);
        break;
      }
    }
    pool.growth.grow();
  }

  /** The server has left its reactor: it goes to the worker that it was pledged to. */
  hasLeft(server: ServerSession, detached: DetachedSocket): void {
    const { index: pool, servers, shared, plane } = this.pool;
    servers.delete(server);
    this.leaving--;
    plane.trace?.ends(server);
    const { destination } = server;
    const record = server.record();
    if (plane.peers.has(destination)) {
      shared.leaves(destination);
      plane.peers.post(destination, { type: 'server', pool, detached, record });
      return this.pool.mayBeClosed();
    }
    shared.withdraw(destination);
    this.goOnWith(record, detached);
  }

  /** It has been closed before it could leave. */
  leavesNot(server: ServerSession): void {
    this.leaving--;
    this.pool.shared.withdraw(server.destination);
  }

  /** It has begun to say something on its way out: it stays, or the other worker would hear the rest alone. */
  stays(server: ServerSession): void {
    this.leavesNot(server);
    this.pool.offer(server);
  }

  /** The pool is closed. */
  stop(): void {
    this.pool.plane.reactor.clearTimer(this.askTimer);
  }

  /** There may be room to open a server: those who wait elsewhere look. */
  tellOthers(): void {
    const { index: pool, shared, plane, isShutDown } = this.pool;
    if (!shared.othersWait || isShutDown) return;
    for (const worker of plane.peers.all()) {
      if (shared.waitsIn(worker)) plane.peers.post(worker, { type: 'look', pool });
    }
  }

  // ── getting ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The servers of this worker come back by themselves, most of them soon; only then others are asked for theirs. */
  hopeForOwn(): void {
    if (this.pool.servers.size === 0) return this.onTimer();
    if (!this.askTimer.isSet) this.pool.plane.reactor.setTimer(this.askTimer, HOPES_FOR_OWN_MS);
  }

  /** Asks the worker that has most idle servers for one, for those who wait here; and again while they wait, since one
   *  may have kept a server that did not know of them yet. */
  onTimer(): void {
    const { index: pool, waiters, growth, shared, plane } = this.pool;
    if (waiters.isEmpty) return;
    plane.reactor.setTimer(this.askTimer, ASK_AGAIN_MS);
    if (waiters.length <= growth.coming) return;
    const { richest } = shared;
    if (richest !== NO_WORKER) plane.peers.post(richest, { type: 'look', pool });
  }

  /** So many servers other workers have to spare. */
  get idleElsewhere(): number {
    const { shared, plane, isPaused } = this.pool;
    return isPaused || plane.peers.count === 0 ? 0 : shared.idleElsewhere;
  }

  /** A server that another worker has handed over. */
  takeOver(record: ServerRecord, detached: DetachedSocket): void {
    this.pool.shared.arrived();
    this.pool.counters.add(Counter.HandOvers, 1);
    this.goOnWith(record, detached);
  }

  private goOnWith(record: ServerRecord, detached: DetachedSocket): void {
    const server = ServerSession.takenOver(this.pool, record, detached);
    this.pool.servers.add(server);
    this.pool.offer(server);
  }
}
