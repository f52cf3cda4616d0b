/** One connection to PostgreSQL from its login to its end: idle in the pool, given to one client after another, clean
 *  for each, handed to another worker. Not for: what its messages mean (server-answers.ts), finding them
 *  (server-stream.ts), logging in (server-login.ts), choosing who gets it (pool.ts). */
import type { DetachedSocket, Leaver } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { Bug } from '../reactor/words.js';
import { type ClientFacingError, ProxyTimeout, ServerDied } from '../wire/client-facing-error.js';
import { query } from '../wire/message-builder.js';
import { TERMINATE } from '../wire/ready-made.js';
import { TransactionStatus } from '../wire/tags.js';
import type { CloseReason } from './close-reason.js';
import { ServerDirt } from './command-tag.js';
import type { ServerRecord } from './hand-over.js';
import { LargeMessageWatch } from './large-message-watch.js';
import type { LogFields } from './log-fields.js';
import type { Pool } from './pool.js';
import { resetQuery } from './reset-query.js';
import type { ServedClient } from './served-client.js';
import { ServerAnswers } from './server-answers.js';
import { ServerLogin } from './server-login.js';
import { ServerState } from './server-stream.js';
import { PoolMode } from './settings.js';
import type { ServerSnapshot } from './thread-messages.js';
import { wholeMsAt } from './ticks.js';
import { NO_WORKER } from './worker-board.js';

const ROLLBACK = query('ROLLBACK');
const LIVENESS_CHECK = query(';');

export class ServerSession extends ServerAnswers implements TimerTarget, Leaver {
  /** Whole milliseconds, see ticks.ts. */
  idleSince = 0;
  /** Seconds of the reactor's clock, 0 for ever: it is not given to another client from then on. */
  readonly expiresAtS: number;
  /** CancelRequests for it that PostgreSQL may not have got yet: it is not given to another client meanwhile. */
  private cancelsUnderway = 0;
  /** One of them may still come: it is not given to another client at all. */
  private mayBeHit = false;
  /** Its login, or its answer that it is alive, takes too long. */
  private readonly timer: Timer;
  private readonly largeMessage: LargeMessageWatch;
  /** The worker that it leaves for. */
  destination = NO_WORKER;
  readonly id: number;
  /** Where it was opened: its pool may have moved since, see Pool. */
  readonly origin: string;
  readonly createdMs: number;
  processId = 0;
  cancelKey: Uint8Array = new Uint8Array(0);

  private constructor(
    pool: Pool,
    id: number,
    origin: string,
    createdMs: number,
    expiresAtS: number,
    detached: DetachedSocket | null,
  ) {
    super(pool, detached);
    this.id = id;
    this.origin = origin;
    this.createdMs = createdMs;
    this.expiresAtS = expiresAtS;
    this.timer = new Timer(this);
    this.largeMessage = new LargeMessageWatch(this);
  }

  /** A new one that begins to connect. Throws SystemError when there is no descriptor for it. lifetimeMs 0: for ever. */
  static open(pool: Pool, id: number, lifetimeMs: number): ServerSession {
    const { reactor } = pool.plane;
    const { nowMs } = reactor;
    const expiresAtS = lifetimeMs === 0 ? 0 : Math.ceil((nowMs + lifetimeMs) / 1000);
    const server = new ServerSession(pool, id, pool.origin, nowMs, expiresAtS, null);
    server.login = new ServerLogin(server);
    reactor.setTimer(server.timer, pool.settings.connectTimeoutMs);
    return server;
  }

  /** One that another worker had, clean and idle. */
  static takenOver(pool: Pool, record: ServerRecord, detached: DetachedSocket): ServerSession {
    const { id, createdMs, expiresAtS } = record;
    // The same string, as a rule: comparing the two whenever a client lets go of the server costs nothing then.
    const origin = record.origin === pool.origin ? pool.origin : record.origin;
    const server = new ServerSession(pool, id, origin, createdMs, expiresAtS, detached);
    server.moveTo(ServerState.Idle);
    server.processId = record.processId;
    server.cancelKey = record.cancelKey;
    server.idleSince = record.idleSince;
    server.queries = record.queries;
    server.transactions = record.transactions;
    server.bytesSent = record.bytesSent;
    server.bytesReceived = record.bytesReceived;
    server.statements.takeOver(record.prepared, record.preparedHits, record.preparedMisses);
    if (record.parameters !== null) server.parameters?.setAll(record.parameters);
    server.socket.resume();
    return server;
  }

  /** What another worker must know to go on with it. */
  record(): ServerRecord {
    const { statements } = this;
    return {
      id: this.id,
      origin: this.origin,
      processId: this.processId,
      cancelKey: this.cancelKey,
      createdMs: this.createdMs,
      expiresAtS: this.expiresAtS,
      idleSince: this.idleSince,
      queries: this.queries,
      transactions: this.transactions,
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      preparedHits: statements.hits,
      preparedMisses: statements.misses,
      prepared: statements.names(),
      parameters: this.parameters?.all() ?? null,
    };
  }

  /** It is idle, and clients of another worker need it more. */
  leaveFor(worker: number): void {
    this.destination = worker;
    this.moveTo(ServerState.Leaving);
    this.largeMessage.stop();
    this.socket.detach(this);
  }

  onDetached(detached: DetachedSocket): void {
    this.pool.hasLeft(this, detached);
    this.moveTo(ServerState.Closed); // here
  }

  // ── from the socket ────────────────────────────────────────────────────────────────────────────────────────────

  onConnected(): void {
    this.login?.begin();
  }

  onWritable(): void {
    this.client?.socket.resume();
  }

  dialFailed(why: string): void {
    this.login?.fail(why);
  }

  onClosed(errno: number): void {
    if (this.state === ServerState.Closed) return;
    const { tlsFailure } = this.socket;
    if (tlsFailure !== '' && this.state === ServerState.Login && this.triesOtherWay(true)) {
      const what = `TLS with the server failed: ${tlsFailure}; trying without, as prefer allows`;
      this.pool.log('warn', what, this.logFields);
      return;
    }
    const reason: CloseReason =
      this.state === ServerState.Login ? 'connect_failed' : this.sawFatal ? 'server_fatal' : 'server_closed';
    this.wasLost(reason, errno);
  }

  onTimer(): void {
    if (this.state === ServerState.Login) this.login?.timedOut();
    else if (this.state === ServerState.Checking) this.close('liveness_check_failed');
  }

  protected isCut(): void {
    if (this.state !== ServerState.Leaving) return this.watchLargeMessage();
    this.socket.stay();
    this.moveTo(ServerState.Idle);
    this.pool.sharing.stays(this);
  }

  /** Sees to it that a large message that is relayed in pieces does not come to a stop for ever. */
  watchLargeMessage(): void {
    this.largeMessage.begin();
  }

  // ── for the client that holds it ───────────────────────────────────────────────────────────────────────────────

  /** The server is taken out of the pool for a client. */
  link(client: ServedClient): void {
    if (this.state !== ServerState.Idle || !this.queue.isEmpty)
      throw new Bug(`server ${this.id} is not clean`);
    this.moveTo(ServerState.Active);
    this.client = client;
    this.beginning.clear();
    if (client.mode === PoolMode.Session) this.soil(ServerDirt.Session);
  }

  /** The client is done with it or has gone. `isHalfway`: in the middle of a message, or of a batch, which a Sync of
   *  ours would commit. */
  leave(isHalfway: boolean): void {
    if (this.isClosed) return;
    if (isHalfway || this.isInCopy || this.queue.skipsToSync) return this.close('client_lost');
    this.client = null;
    this.moveTo(ServerState.Cleaning);
    this.socket.resume();
    this.isSettled = this.queue.isEmpty;
    if (this.isSettled && !this.isInside) this.settle();
  }

  /** A CancelRequest for it is sent to PostgreSQL. */
  cancelBegins(): void {
    this.cancelsUnderway++;
  }

  /** PostgreSQL has got it, and has signalled the session: what is asked from now on is not hit. Or nobody knows. */
  cancelDelivered(isCertain: boolean): void {
    this.cancelsUnderway--;
    if (!isCertain) this.mayBeHit = true;
    if (this.isSettled && !this.isInside) this.settle();
  }

  /** Asks a server that was idle for long whether it is alive; it offers itself to the pool when it is. */
  checkLiveness(timeoutMs: number): void {
    this.moveTo(ServerState.Checking);
    this.ask(LIVENESS_CHECK);
    this.pool.plane.reactor.setTimer(this.timer, timeoutMs);
  }

  close(reason: CloseReason): void {
    if (this.isClosed) return;
    const isHalfway = this.client?.isMidMessage === true;
    this.ends(reason, 0);
    if (isHalfway) return this.socket.close(); // a Terminate would be the rest of the message
    this.socket.send(TERMINATE, 0, TERMINATE.length);
    this.socket.closeAfterSend();
  }

  snapshot(): ServerSnapshot {
    const { settings, plane } = this.pool;
    return {
      id: this.id,
      processId: this.processId,
      database: settings.serverDatabase,
      user: settings.serverUser,
      applicationName: settings.applicationName,
      isTls: this.socket.isTls,
      state: this.stateText,
      wait: this.socket.unsent > 0 ? 'write' : this.queue.isEmpty ? 'idle' : 'read',
      transactions: this.transactions,
      queries: this.queries,
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      ageMs: plane.reactor.nowMs - this.createdMs,
      preparedHits: this.statements.hits,
      preparedMisses: this.statements.misses,
      preparedSize: this.statements.size,
    };
  }

  /** Active while it owes something, used while a client has it and it does not. */
  private get stateText(): ServerSnapshot['state'] {
    if (this.state === ServerState.Login) return 'login';
    if (this.isInPool) return 'idle';
    return this.queue.isEmpty ? 'used' : 'active';
  }

  // ── for its login ──────────────────────────────────────────────────────────────────────────────────────────────

  /** ReadyForQuery has come for the first time. */
  loggedIn({ parameters }: ServerLogin): void {
    this.pool.plane.reactor.clearTimer(this.timer);
    this.login = null;
    this.moveTo(ServerState.Cleaning);
    this.becomeIdle();
    this.pool.opened(this, parameters);
  }

  // ── clean for the next ─────────────────────────────────────────────────────────────────────────────────────────

  protected settle(): void {
    this.isSettled = false;
    if (this.isClosed || !this.queue.isEmpty) return;
    if (this.hasChangedSchema && this.status === TransactionStatus.Idle) {
      this.hasChangedSchema = false;
      this.pool.statements.renewAll();
    }
    if (this.client !== null) this.client.answersCame(this);
    else if (this.state === ServerState.Checking && !this.sawFatal) this.isAlive();
    else this.checkIn();
  }

  /** Puts the server back into the pool, after what must be undone has been undone. */
  checkIn(): void {
    if (this.sawFatal) return this.close('server_fatal');
    if (this.mayBeHit) return this.close('cancelled');
    if (this.hadError) return this.close('cleanup_failed');
    this.client = null;
    this.moveTo(ServerState.Cleaning);
    if (this.cancelsUnderway > 0) {
      this.isSettled = true; // cancelDelivered goes on
      return;
    }
    this.socket.resume(); // the client may be slow to take its last answer: the next one is not
    if (this.status !== TransactionStatus.Idle) return this.clean(ROLLBACK);
    if (this.dirt !== 0 && this.pool.settings.cleanupServerConnections) {
      const reset = resetQuery(this.dirt);
      if ((this.dirt & ServerDirt.Prepare) !== 0) this.statements.wereDropped();
      this.dirt = 0;
      return this.clean(reset);
    }
    this.becomeIdle();
    this.pool.offer(this);
  }

  private clean(message: Uint8Array): void {
    this.moveTo(ServerState.Cleaning);
    this.ask(message);
  }

  private isAlive(): void {
    this.pool.plane.reactor.clearTimer(this.timer);
    this.becomeIdle();
    this.pool.isAlive(this);
  }

  private becomeIdle(): void {
    this.moveTo(ServerState.Idle);
    this.idleSince = wholeMsAt(this.pool.plane.reactor.nowMs);
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  protected isBroken(): void {
    this.wasLost('protocol_violation', 0);
  }

  /** A large message has come to a stop. */
  proxyTimedOut(): void {
    const error = new ProxyTimeout();
    this.pool.log('warn', error.message, this.logFields);
    this.lose('client_lost', 0, error);
  }

  /** The connection has failed or cannot be trusted any more. */
  private wasLost(reason: CloseReason, errno: number): void {
    if (reason !== 'protocol_violation') this.login?.wasLost(errno);
    // PostgreSQL's own word has been passed on when there was one.
    this.lose(reason, errno, this.sawFatal ? null : new ServerDied());
  }

  protected lose(reason: CloseReason, errno: number, error: ClientFacingError | null): void {
    const { client } = this;
    this.ends(reason, errno);
    this.socket.close();
    client?.serverWasLost(this.isMidRelay ? null : error); // a row that was cut stays cut
  }

  private ends(reason: CloseReason, errno: number): void {
    const before = this.state;
    this.moveTo(ServerState.Closed);
    this.client = null;
    this.queue.clear();
    this.pool.plane.reactor.clearTimer(this.timer);
    this.largeMessage.stop();
    this.pool.closed(this, before, reason, errno);
  }

  get logFields(): LogFields {
    const { client, pool } = this;
    const { user, database } = pool.settings;
    const own = { server_id: this.id, server_pid: this.processId, user, database, address: pool.addressText };
    return client === null ? own : { ...own, client_id: client.id };
  }
}
