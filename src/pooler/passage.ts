/** From process to process, as one worker sees it. While its own process is being replaced, clients without TLS go to the
 *  other as soon as they have no server, with what they have sent and nobody has looked at. In the process that takes
 *  over they are welcomed. Not for: the way between the processes (control/upgrade), the end of those that cannot go
 *  (data-plane.ts). */
import type { DetachedSocket } from '../reactor/reactor.js';
import { nobody } from '../reactor/stream-socket.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { ShuttingDown } from '../wire/client-facing-error.js';
import { errorResponse } from '../wire/error-response.js';
import { cancelHere } from './cancel.js';
import { ClientSession } from './client-session.js';
import type { DataPlane } from './data-plane.js';
import { Departure } from './departure.js';
import type { TravellingClient } from './hand-over.js';
import type { PassageToWorker } from './passage-messages.js';
import type { Pool } from './pool.js';
import type { ServedClient } from './served-client.js';
import { PoolMode } from './settings.js';

export class Passage implements TimerTarget {
  /** Another process takes this one's place. */
  isDeparting = false;
  /** The process whose place this one has taken may still have clients. */
  hasPredecessor: boolean;
  private readonly plane: DataPlane;
  /** They have asked for a server, and are to ask in the other process. */
  private readonly putOff = new Set<ServedClient>();
  private readonly timer: Timer = new Timer(this);
  private readonly leaving = new Set<ServedClient>();

  constructor(plane: DataPlane) {
    this.plane = plane;
    this.hasPredecessor = plane.start.hasPredecessor;
  }

  onMessage(message: PassageToWorker): void {
    const { plane } = this;
    switch (message.type) {
      case 'accept':
        return plane.reception.acceptFrom(message.listening);
      case 'depart':
        return this.depart(message.graceMs);
      case 'remain':
        return this.remain();
      case 'clientArrives':
        return this.welcome(message.client, message.detached);
      case 'loginArrives':
        return plane.reception.takeLogin(message);
      case 'poolFacts':
        return plane.findPool(message.facts.database, message.facts.user)?.factsCame(message.facts);
      case 'roomCame':
        return plane.poolAt(message.pool)?.sharing.look();
      case 'cancelAsked': {
        const { request, key } = message;
        return cancelHere(plane, key, { cancelEnded: () => plane.post({ type: 'cancelEnded', request }) });
      }
      case 'cancelAnswered':
        return plane.cancels.answered(message.request);
      case 'predecessorEnded':
        this.hasPredecessor = false;
        return plane.cancels.giveUp();
    }
  }

  // ── leaving ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the client is to go on in the other process. */
  takes(client: ServedClient): boolean {
    return this.isDeparting && !client.socket.isTls;
  }

  /** The client has asked for a server. What it has sent is still being read: it leaves when that has returned. */
  putsOff(client: ServedClient): void {
    this.putOff.add(client);
    if (!this.timer.isSet) this.plane.reactor.setTimer(this.timer, 0);
  }

  onTimer(): void {
    for (const client of this.putOff) this.letGo(client);
    this.putOff.clear();
  }

  private letGo(client: ServedClient): void {
    this.leaving.add(client);
    new Departure(client, client.socket, client.takePutOff());
  }

  /** The client leaves if nothing of it is underway. */
  consider(client: ServedClient): void {
    if (!this.takes(client) || !client.isAtRest) return;
    if (!this.putOff.has(client) && !this.leaving.has(client)) this.letGo(client);
  }

  /** The client has gone, or its connection has ended. */
  forget(client: ServedClient): void {
    this.putOff.delete(client);
    this.leaving.delete(client);
  }

  /** What is found out about a pool from now on the other process must know, too. */
  found(pool: Pool): void {
    if (this.isDeparting) this.plane.post({ type: 'poolFacts', facts: pool.facts() });
  }

  private depart(graceMs: number): void {
    const { plane } = this;
    this.isDeparting = true;
    plane.reception.stopAccepting();
    for (const client of plane.allClients()) {
      if (!client.isWaiting) continue;
      if (this.takes(client)) client.putOffWait();
      else client.fail(new ShuttingDown());
    }
    const pools = [...plane.allPools()];
    for (const pool of pools) pool.shutDown();
    // Before any client goes: with what is known there it needs nothing from a server to begin with.
    plane.post({ type: 'departing', pools: pools.map((pool) => pool.facts()) });
    plane.ending.begin(graceMs);
  }

  private remain(): void {
    this.isDeparting = false;
    this.plane.ending.goOn();
    for (const client of this.putOff) client.socket.resume();
    this.putOff.clear();
  }

  // ── arriving ───────────────────────────────────────────────────────────────────────────────────────────────────

  private welcome(record: TravellingClient, detached: DetachedSocket): void {
    const { plane } = this;
    const pool = plane.findPool(record.database, record.user);
    const socket = plane.reactor.attach(detached, nobody);
    if (pool === null || !this.keepsWhatItHas(record)) {
      const refusal = errorResponse(new ShuttingDown(), 'FATAL');
      socket.send(refusal, 0, refusal.length);
      socket.closeAfterSend();
      const { seed, user, database } = record;
      plane.log('warn', 'client must connect again: its pool is not what it was before the upgrade', {
        client_id: seed.id,
        user,
        database,
      });
      return plane.board.clientLeaves();
    }
    const client = ClientSession.arrived(plane, pool, socket, record);
    plane.clientArrived(client);
    socket.receiver = client;
    socket.unread(record.unread, 0, record.unread.length);
    socket.resume();
  }

  /** Whether it can go on here with its statements and parameters. */
  private keepsWhatItHas(record: TravellingClient): boolean {
    const { preparedStatements, syncServerParameters } = this.plane.settings;
    const keepsStatements = preparedStatements && record.mode === PoolMode.Transaction;
    if (record.statements.length > 0 && !keepsStatements) return false;
    return (record.parameters !== null) === syncServerParameters;
  }
}
