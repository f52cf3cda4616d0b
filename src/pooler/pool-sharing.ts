/** A pool's servers go where they are needed most. Here is what this worker gives, what it gets, and how it asks. Not for:
 *  what each knows of the others (shared-pool.ts), and who needs one most (pool-needs.ts). */
import type { DetachedSocket } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { Counter } from './counters.js';
import type { ServerRecord } from './hand-over.js';
import type { Pool } from './pool.js';
import { PoolNeeds } from './pool-needs.js';
import type { ServedClient } from './served-client.js';
import { ServerSession } from './server-session.js';
import { msSince, ticksAt, wholeMsSince } from './ticks.js';
import { NO_WORKER } from './worker-board.js';

/** For so long a client hopes for one of its own worker's servers, which come back by themselves. */
const HOPES_FOR_OWN_MS = 1;
const ASK_AGAIN_MS = 2;
/** … and for so long for one that is being opened here: PostgreSQL may take its time, or not answer at all. */
const HOPES_FOR_NEW_MS = 100;
const LOOK_AGAIN_MS = 1;

export class PoolSharing implements TimerTarget {
  /** Servers on their way to another worker. */
  leaving = 0;
  private readonly pool: Pool;
  private readonly needs: PoolNeeds;
  /** Fires when it is time to ask other workers for a server … */
  private readonly askTimer: Timer = new Timer(this);
  /** … and to look whether one is idle for long enough here. */
  private readonly lookTimer: Timer = new Timer(this);

  constructor(pool: Pool) {
    this.pool = pool;
    this.needs = new PoolNeeds(pool.shared);
  }

  // ── giving ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Has a clean server, for which this client has waited longest here, leave for a worker that needs it more. */
  handOver(server: ServerSession, { waitingSince }: ServedClient): boolean {
    const { shared, plane } = this.pool;
    if (!shared.othersWait) return false;
    const now = ticksAt(plane.reactor.nowMs);
    return this.give(server, this.needs.whoNeedsMore((now - waitingSince) | 0, now));
  }

  private give(server: ServerSession, worker: number): boolean {
    const { shared, plane } = this.pool;
    // What it is in the middle of saying is not cut in two.
    if (worker === NO_WORKER || !server.isBetweenMessages || !plane.peers.has(worker)) return false;
    if (!shared.pledge(worker)) return false;
    this.leaving++;
    this.turnBegins();
    server.leaveFor(worker);
    return true;
  }

  /** For later. Whoever began to wait elsewhere before this was seen gets it after all. */
  keep(server: ServerSession): void {
    this.pool.idle.push(server);
    if (this.pool.shared.othersWait) this.giveIdle();
  }

  /** Somebody waits elsewhere: idle servers go there, and there may be room to open one for those who wait here. */
  look(): void {
    this.giveIdle();
    this.pool.growth.grow();
  }

  /** Idle servers go where they are needed; those that might be wanted here in a moment are looked at then. */
  private giveIdle(): void {
    const { idle, shared, plane } = this.pool;
    const { nowMs } = plane.reactor;
    for (let server = idle.first; server !== null && shared.othersWait; server = idle.first) {
      const worker = this.needs.whoNeeds(wholeMsSince(server.idleSince, nowMs), ticksAt(nowMs));
      const given = worker === NO_WORKER ? null : this.pool.takeIdle(true);
      if (given !== null && this.give(given, worker)) continue;
      if (given !== null) idle.push(given);
      if (!this.lookTimer.isSet) plane.reactor.setTimer(this.lookTimer, LOOK_AGAIN_MS);
      break;
    }
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
    const { reactor } = this.pool.plane;
    for (const each of [this.askTimer, this.lookTimer]) reactor.clearTimer(each);
  }

  /** There may be room to open a server: those who wait elsewhere look. */
  tellOthers(): void {
    const { index: pool, shared, plane, isShutDown } = this.pool;
    if (!shared.othersWait || isShutDown) return;
    for (const worker of plane.peers.all()) {
      if (shared.waitingIn(worker) > 0) plane.peers.post(worker, { type: 'look', pool });
    }
  }

  // ── getting ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The servers of this worker come back by themselves, most of them soon; only then others are asked for theirs. */
  hopeForOwn(): void {
    if (this.pool.servers.size === 0) return this.ask();
    if (!this.askTimer.isSet) this.pool.plane.reactor.setTimer(this.askTimer, HOPES_FOR_OWN_MS);
  }

  onTimer(timer: Timer): void {
    if (timer === this.askTimer) this.ask();
    else this.giveIdle();
  }

  /** Tells the others that the first of those who wait here is left waiting, and wakes the one that has most idle servers;
   *  and again while they wait, since one may have kept a server that did not know of them yet. */
  private ask(): void {
    const { index: pool, waiters, shared, plane } = this.pool;
    const { first } = waiters;
    if (first === null) return;
    plane.reactor.setTimer(this.askTimer, ASK_AGAIN_MS);
    if (this.hopesForNew(first)) return;
    shared.ask(first.waitingSince);
    const { richest } = shared;
    if (richest !== NO_WORKER) plane.peers.post(richest, { type: 'look', pool });
  }

  private hopesForNew({ waitingSince }: ServedClient): boolean {
    const { waiters, growth, plane } = this.pool;
    return waiters.length <= growth.coming && msSince(waitingSince, plane.reactor.nowMs) < HOPES_FOR_NEW_MS;
  }

  /** So many servers other workers have to spare. */
  get idleElsewhere(): number {
    const { shared, plane, isPaused } = this.pool;
    return isPaused || plane.peers.count === 0 ? 0 : shared.idleElsewhere;
  }

  /** A client of this worker has got a server after so many ticks. */
  served(waited: number): void {
    if (this.pool.shared.workers > 1) this.needs.served(waited);
  }

  /** A server that another worker has handed over. */
  takeOver(record: ServerRecord, detached: DetachedSocket): void {
    this.pool.shared.arrived();
    this.turnBegins();
    this.pool.counters.add(Counter.HandOvers, 1);
    this.goOnWith(record, detached);
  }

  private turnBegins(): void {
    this.needs.turnBegins(ticksAt(this.pool.plane.reactor.nowMs));
  }

  private goOnWith(record: ServerRecord, detached: DetachedSocket): void {
    const server = ServerSession.takenOver(this.pool, record, detached);
    this.pool.servers.add(server);
    this.pool.offer(server);
  }
}
