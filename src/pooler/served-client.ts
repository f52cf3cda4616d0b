/** One client that has logged in, but for its messages: the server that it waits for, has and gives back, its moves to
 *  another worker or process, and its end. Not for: what each of its messages means (client-session.ts), finding them
 *  (client-stream.ts), choosing the server (pool.ts). */
import { errnoName } from '../reactor/libc.js';
import type { DetachedSocket, Receiver, Socket } from '../reactor/reactor.js';
import { Bug } from '../reactor/words.js';
import { zeroAt } from '../wire/bytes.js';
import {
  type ClientFacingError,
  PoolRemoved,
  ShuttingDown,
  TerminatedByAdmin,
} from '../wire/client-facing-error.js';
import { errorResponse } from '../wire/error-response.js';
import { query } from '../wire/message-builder.js';
import { FLUSH } from '../wire/ready-made.js';
import { Frontend, HEADER_LENGTH, TransactionStatus } from '../wire/tags.js';
import { type AnswerQueue, Owed } from './answer-queue.js';
import type { KeySeed } from './cancel.js';
import { ClientMove } from './client-move.js';
import { ClientStatements } from './client-statements.js';
import { ClientStream, Step } from './client-stream.js';
import { Counter, Histogram } from './counters.js';
import type { DataPlane } from './data-plane.js';
import type { Traveller } from './departure.js';
import type { ClientIdentity, ClientRecord } from './hand-over.js';
import type { LogFields } from './log-fields.js';
import type { Pool } from './pool.js';
import type { Traced } from './protocol-trace.js';
import type { ServerSession } from './server-session.js';
import { PoolMode } from './settings.js';
import { BEGINNING_MAX, beginningIn } from './statement-beginning.js';
import type { ClientSnapshot } from './thread-messages.js';
import { msSince, ticksAt, wholeMsAt } from './ticks.js';
import { TrackedParameters } from './tracked-parameters.js';
import type { Waiter } from './waiters.js';

const BEGIN = query('BEGIN');
/** So much of a message is searched for its statement: names are seldom longer. Bytes. */
const LOOKED_AT_MAX = 1024;

export abstract class ServedClient
  extends ClientStream
  implements Receiver, Traced, Traveller, Waiter<ServedClient>
{
  /** The server owes so many answers that this client is not read for so long. */
  waitsForAnswers = false;
  /** Messages of the extended protocol have gone to the server and no Sync behind them. */
  protected isMidBatch = false;
  /** A BEGIN was answered here; a server hears of it before anything else. */
  protected beginIsDeferred = false;
  /** An error was answered here in the middle of a batch: all up to its Sync is dropped. */
  protected skipsToSync = false;
  /** The server is free but for the rest of a message that PostgreSQL will ignore. */
  protected releaseIsDue = false;
  isWaiting = false;
  nextWaiter: ServedClient | null = null;
  previousWaiter: ServedClient | null = null;
  /** Ticks. */
  waitingSince = 0;
  private transactionSince = 0;
  /** Since when it has its server. Whole milliseconds, see ticks.ts. */
  heldSince = 0;
  queries = 0;
  transactions = 0;
  /** Made with the first. */
  protected statements: ClientStatements | null = null;
  /** Why there is no server for the message that waited for one. */
  protected checkoutError: ClientFacingError | null = null;
  /** As it was when it logged in. */
  mode: PoolMode;
  /** What it takes along from server to server; null when sync_server_parameters is off. */
  readonly parameters: TrackedParameters | null;
  private isClosed = false;
  errors = 0;
  /** When it was noted last, and what came since the time before. */
  private requestsNoted = 0;
  requestsASecond = 0;
  readonly id: number;
  private readonly keyRandom: number;
  private readonly hasLongKey: boolean;
  /** As it calls itself; with auth_query many users may share a pool. */
  readonly user: string;
  readonly applicationName: string;
  readonly address: string;
  connectedMs: number;

  constructor(
    plane: DataPlane,
    pool: Pool,
    socket: Socket,
    { id, random, isLong }: KeySeed,
    { user, applicationName, address }: ClientIdentity,
    parameters: TrackedParameters | null,
  ) {
    super(plane, pool, socket);
    this.id = id;
    this.keyRandom = random;
    this.hasLongKey = isLong;
    this.user = user;
    this.applicationName = applicationName;
    this.address = address;
    this.parameters = parameters;
    this.connectedMs = plane.reactor.nowMs;
    this.mode = pool.settings.mode;
  }

  /** What another worker must know to go on with it. */
  record(): ClientRecord {
    return {
      pool: this.pool.index,
      database: this.pool.settings.database,
      seed: this.keySeed,
      user: this.user,
      applicationName: this.applicationName,
      mode: this.mode,
      address: this.address,
      connectedMs: this.connectedMs,
      queries: this.queries,
      transactions: this.transactions,
      errors: this.errors,
      statements: this.statements?.all() ?? [],
      parameters: this.parameters?.all() ?? null,
    };
  }

  // ── between workers ────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether nothing of it is underway: it has no server and needs none, and nothing that it has sent is half read. */
  get isAtRest(): boolean {
    if (this.server !== null || this.isWaiting || this.isClosed) return false;
    return !this.isInside && this.whole === null && !this.isMidBatch && !this.skipsToSync;
  }

  get mayMove(): boolean {
    return this.isAtRest && !this.beginIsDeferred;
  }

  moveTo(worker: number): void {
    this.plane.board.clientIsToMove(worker);
    new ClientMove(this, worker);
  }

  hasLeft(worker: number, detached: DetachedSocket): void {
    this.isClosed = true; // here
    this.pool.clientDeparts();
    this.plane.clientMoved(this, worker, detached);
  }

  // ── between processes, see passage.ts ──────────────────────────────────────────────────────────────────────────

  /** It waits for a server, and is to wait in the other process. */
  putOffWait(): void {
    this.pool.leave(this);
    this.plane.passage.putsOff(this);
  }

  hasGone(detached: DetachedSocket, unread: Uint8Array): void {
    this.isClosed = true; // here
    const client = { ...this.record(), beginIsDeferred: this.beginIsDeferred, unread };
    this.plane.clientGone(this);
    this.plane.post({ type: 'clientGoes', detached, client });
    this.pool.clientGoes();
  }

  get statementCount(): number {
    return this.statements?.size ?? 0;
  }

  /** Its requests are counted from now on. */
  noteRequests(): void {
    this.requestsASecond = this.queries - this.requestsNoted;
    this.requestsNoted = this.queries;
  }

  abstract onBytes(bytes: Uint8Array, begin: number, end: number): number;

  // ── from the socket ────────────────────────────────────────────────────────────────────────────────────────────

  onConnected(): void {
    // accepted, not connected
  }

  onWritable(): void {
    this.server?.socket.resume();
  }

  onClosed(errno: number): void {
    this.end(errno === 0 ? 'the client closed the connection' : `the connection failed: ${errnoName(errno)}`);
  }

  // ── from the pool and the server ───────────────────────────────────────────────────────────────────────────────

  /** The pool had a server at once. */
  gotServer(server: ServerSession): void {
    this.server = server;
    this.statements?.begins();
    this.transactionSince = ticksAt(this.plane.reactor.nowMs);
    this.heldSince = wholeMsAt(this.plane.reactor.nowMs);
    if (this.parameters !== null) server.take(this.parameters);
    if (!this.beginIsDeferred) return;
    this.beginIsDeferred = false;
    server.ask(BEGIN);
    server.status = TransactionStatus.InTransaction; // or it is lost
  }

  /** The wait is over. */
  serverCame(server: ServerSession): void {
    this.gotServer(server);
    this.socket.resume();
  }

  /** The wait was in vain. */
  noServer(error: ClientFacingError): void {
    this.checkoutError = error;
    this.socket.resume();
  }

  /** Whoever waits for a server does so no more. */
  stopWaiting(error: ClientFacingError): void {
    if (!this.isWaiting) return;
    this.pool.leave(this);
    this.noServer(error);
  }

  /** All that the server owed has been relayed: it is given back unless the client still needs it. */
  answersCame(server: ServerSession): void {
    if (this.isMidBatch || server.queue.skipsToSync || server.status !== TransactionStatus.Idle) return;
    this.releaseIsDue = this.isMidMessage;
    if (this.releaseIsDue) return;
    this.countTransaction();
    const ends = this.whyItEnds();
    if (this.mode === PoolMode.Session && ends === null) return;
    this.server = null;
    server.checkIn();
    if (ends !== null) return this.fail(ends);
    this.socket.resume(); // what it was paused for, this server does not tell it any more
    if (this.plane.isShuttingDown) this.plane.passage.consider(this);
    else if (this.plane.balance.isWanted) this.plane.balance.consider(this);
  }

  /** Why it has to go as soon as it is outside of a transaction; null when it may stay. */
  private whyItEnds(): ClientFacingError | null {
    if (this.plane.isShuttingDown && !this.plane.passage.takes(this)) return new ShuttingDown();
    const { isClosing, settings } = this.pool;
    return isClosing ? new PoolRemoved(settings.database, this.user) : null;
  }

  /** The pool has been closed: goes now, or when its transaction ends. */
  poolCloses(): void {
    const ends = this.whyItEnds();
    // One that is on its way to another worker is told there.
    if (ends !== null && this.server === null && this.socket.receiver === this) this.fail(ends);
  }

  /** The server has ignored the Sync that ended the batch: it came into a COPY. */
  batchGoesOn(): void {
    this.isMidBatch = true;
  }

  /** The server has answered with an error at `from` and skips what stands before `to`. */
  answersSkipped(from: number, to: number): void {
    this.statements?.skipped(from, to);
  }

  /** The server has done DISCARD ALL or DEALLOCATE ALL. */
  statementsDiscarded(queue: AnswerQueue): void {
    this.statements?.discarded(queue);
  }

  /** The server is gone. PostgreSQL has said why, or `error` says it. */
  serverWasLost(error: ClientFacingError | null): void {
    this.server = null;
    if (error !== null) this.fail(error);
    else {
      this.socket.closeAfterSend();
      this.end('the server ended');
    }
  }

  /** FATAL to the client, and the end of the connection. */
  fail(error: ClientFacingError): void {
    if (this.isClosed) return;
    if (this.server?.isMidRelay !== true) this.sendError(error, 'FATAL');
    this.socket.closeAfterSend();
    this.end(error.message);
  }

  /** An administrator ends it. False when it is on its way to another worker, which is asked as well. */
  kill(): boolean {
    if (this.isClosed || this.socket.receiver !== this) return false;
    this.fail(new TerminatedByAdmin());
    return true;
  }

  snapshot(): ClientSnapshot {
    return {
      id: this.id,
      database: this.pool.settings.database,
      user: this.user,
      applicationName: this.applicationName,
      isTls: this.socket.isTls,
      address: this.address,
      state: this.isActive ? 'active' : this.isWaiting ? 'waiting' : 'idle',
      wait: this.socket.unsent > 0 ? 'write' : this.isActive ? 'read' : 'idle',
      transactions: this.transactions,
      queries: this.queries,
      errors: this.errors,
      ageMs: this.plane.reactor.nowMs - this.connectedMs,
    };
  }

  get logFields(): LogFields {
    const { server, user } = this;
    const { database } = this.pool.settings;
    const fields = { client_id: this.id, user, database, address: this.address };
    return server === null ? fields : { ...fields, server_id: server.id, server_pid: server.processId };
  }

  get isBetweenMessages(): boolean {
    return !this.isInside && this.whole === null;
  }

  get tracedFor(): number {
    return 0;
  }

  /** For CancelRequests. */
  get keySeed(): KeySeed {
    return { id: this.id, random: this.keyRandom, isLong: this.hasLongKey };
  }

  get isActive(): boolean {
    return this.server !== null;
  }

  /** How long it has been in its transaction, when it is active. */
  get transactionMs(): number {
    return msSince(this.transactionSince, this.plane.reactor.nowMs);
  }

  // ── servers ────────────────────────────────────────────────────────────────────────────────────────────────────

  protected getServer(): Step {
    const { server } = this;
    if (server !== null) return this.waitForAnswers();
    if (this.isWaiting) {
      this.socket.pause(true);
      return Step.Later;
    }
    if (this.plane.isShuttingDown) return this.goesOrEnds();
    if (this.pool.acquire(this)) return Step.Done;
    this.socket.pause(true);
    return Step.Later;
  }

  /** How the statement begins that it waits for a server with; '' when that is not known. */
  get waitsWith(): string {
    const message = this.putOffBeginning(LOOKED_AT_MAX);
    const tag = message[0];
    if (tag === Frontend.Query) return beginningIn(message, HEADER_LENGTH);
    if (tag !== Frontend.Parse && tag !== Frontend.Bind) return '';
    const firstEnd = zeroAt(message, HEADER_LENGTH, message.length);
    if (firstEnd < 0) return '';
    if (tag === Frontend.Parse) return beginningIn(message, firstEnd + 1);
    const nameEnd = zeroAt(message, firstEnd + 1, message.length);
    const statement = nameEnd < 0 ? null : this.statements?.get(message, firstEnd + 1, nameEnd);
    return statement?.beginning(BEGINNING_MAX) ?? '';
  }

  /** Where the body of the current message begins in these bytes, and where what is here of it ends. */
  protected bodyAt(bytes: Uint8Array): number {
    return bytes === this.whole ? HEADER_LENGTH : this.framer.bodyAt;
  }

  protected bodyEnd(bytes: Uint8Array): number {
    return bytes === this.whole ? bytes.length : this.framer.bodyEnd;
  }

  /** There are no servers for new transactions any more. */
  private goesOrEnds(): Step {
    const { passage } = this.plane;
    if (!passage.takes(this)) return this.ended(new ShuttingDown());
    passage.putsOff(this);
    this.socket.pause(true);
    return Step.Later;
  }

  /** The server owes as many answers as there is room for. */
  protected waitForAnswers(): Step {
    this.waitsForAnswers = true;
    this.socket.pause(false);
    return Step.Later;
  }

  /** Behind all that was sent before: PostgreSQL may hold its answers back until a Flush or Sync comes. */
  protected isPutOff(): void {
    const { server } = this;
    if (!this.waitsForAnswers || !this.isMidBatch || server === null) return;
    server.send(FLUSH, 0, FLUSH.length);
  }

  protected owes(owed: Owed): void {
    const { server } = this;
    if (server === null) throw new Bug('a message is relayed without a server');
    server.begins();
    server.queue.push(owed);
  }

  protected ownStatements(): ClientStatements {
    this.statements ??= new ClientStatements(this.plane.settings.clientPreparedStatementsCacheSize);
    return this.statements;
  }

  protected sendToClient(message: Uint8Array): void {
    this.socket.send(message, 0, message.length);
    this.pool.counters.add(Counter.Sent, message.length);
  }

  protected sendError(error: ClientFacingError, severity = error.severity): void {
    this.errors++;
    this.pool.counters.countError(error.sqlstate);
    this.sendToClient(errorResponse(error, severity));
  }

  private countTransaction(): void {
    const { counters } = this.pool;
    this.transactions++;
    if (this.server !== null) this.server.transactions++;
    counters.add(Counter.Transactions, 1);
    const now = ticksAt(this.plane.reactor.nowMs);
    counters.took(Histogram.Transaction, Counter.TransactionTime, (now - this.transactionSince) >>> 0);
    this.transactionSince = now;
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  protected end(why: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.forgetWhole();
    this.pool.leave(this);
    this.plane.passage.forget(this);
    const { server } = this;
    this.server = null;
    if (server !== null) server.leave(this.isMidBatch || this.isMidMessage);
    this.plane.clientEnded(this, why);
    this.pool.clientGoes();
  }
}
