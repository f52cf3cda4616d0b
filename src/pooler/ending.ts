/** How a worker ends in good order: transactions are finished, everybody is told, and what nobody waits for any more is
 *  closed; or, in an upgrade, everybody goes to the process that takes this one's place. */
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { ShuttingDown } from '../wire/client-facing-error.js';
import type { DataPlane } from './data-plane.js';

const CHECK_MS = 250;
const DEPARTURE_CHECK_MS = 50;

export class Ending implements TimerTarget {
  private readonly plane: DataPlane;
  private readonly timer: Timer = new Timer(this);
  private deadlineMs = 0;

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  begin(graceMs: number): void {
    const { plane } = this;
    if (plane.isShuttingDown) return;
    plane.isShuttingDown = true;
    plane.board.setAlive(plane.start.index, false); // for new clients
    this.deadlineMs = plane.reactor.nowMs + graceMs;
    for (const pool of plane.allPools()) pool.shutDown();
    if (!plane.passage.isDeparting) {
      plane.proofs.giveUp(new ShuttingDown());
      this.endIdleClients();
    }
    this.onTimer();
  }

  /** Who is in no transaction has nothing to wait for, and no server comes for those who wait for one. */
  private endIdleClients(): void {
    for (const client of [...this.plane.allClients()]) {
      const isMoving = client.socket.receiver !== client; // the other worker ends it
      if (client.isWaiting || (client.isAtRest && !isMoving)) client.fail(new ShuttingDown());
    }
  }

  /** The other process has failed: as if nobody had been told to shut down. */
  goOn(): void {
    const { plane } = this;
    plane.isShuttingDown = false;
    plane.reactor.clearTimer(this.timer);
    plane.board.setAlive(plane.start.index, true);
    for (const pool of plane.allPools()) pool.goOn();
  }

  onTimer(): void {
    const { plane } = this;
    const { isDeparting } = plane.passage;
    if (isDeparting) this.letGo();
    // The others may still need this worker: all stop together.
    if (isDeparting ? plane.board.clients === 0 : this.isDrained()) plane.post({ type: 'drained' });
    if (plane.reactor.nowMs < this.deadlineMs) {
      plane.reactor.setTimer(this.timer, isDeparting ? DEPARTURE_CHECK_MS : CHECK_MS);
      return;
    }
    let active = 0;
    for (const client of plane.allClients()) if (client.isActive) active++;
    if (active > 0) plane.log('error', `shutdown_timeout is over with ${active} clients in a transaction`);
    plane.stop();
  }

  /** No client is left, and all have got what they were told last. Then those of the console are told. */
  private isDrained(): boolean {
    const { plane } = this;
    if (plane.logins > 0 || !isEmpty(plane.allClients())) return false;
    this.endAdmins();
    let servers = 0;
    for (const pool of plane.allPools()) servers += pool.servers.size;
    return isEmpty(plane.allAdmins()) && plane.reactor.usage().sockets <= servers;
  }

  private endAdmins(): void {
    for (const admin of [...this.plane.allAdmins()]) admin.endWith(new ShuttingDown());
  }

  /** Whoever can go to the other process goes. */
  private letGo(): void {
    for (const client of this.plane.allClients()) this.plane.passage.consider(client);
    this.endAdmins();
  }
}

function isEmpty(all: Iterable<unknown>): boolean {
  for (const _ of all) return false;
  return true;
}
