/** One connection to PostgreSQL: relays what it sends to the client it is linked to, in the order in which it is owed,
 *  and leaves itself clean for the next. Not for: finding the messages (server-stream.ts), prepared statements
 *  (server-statements.ts), logging in (server-login.ts), choosing who gets it (pool.ts). PostgreSQL manual, "Message
 *  Flow". */
import type { DetachedSocket, Leaver } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { Bug } from '../reactor/words.js';
import { byteAt, textBetween, zeroAt } from '../wire/bytes.js';
import {
  type ClientFacingError,
  ProxyTimeout,
  ServerDied,
  SessionRefused,
} from '../wire/client-facing-error.js';
import { readErrorResponse } from '../wire/error-response.js';
import { query } from '../wire/message-builder.js';
import { CLOSE_COMPLETE, PARSE_COMPLETE, TERMINATE } from '../wire/ready-made.js';
import { Backend, TransactionStatus } from '../wire/tags.js';
import { Owed } from './answer-queue.js';
import { isAnswer, Meaning } from './backend-meaning.js';
import type { CloseReason } from './close-reason.js';
import { dirtFromTag, ServerDirt } from './command-tag.js';
import { Counter, Histogram } from './counters.js';
import type { ServerRecord } from './hand-over.js';
import { ANSWERS_OWED_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';
import { isPlainAnswer } from './plain-answer.js';
import type { Pool } from './pool.js';
import { Side, type Traced } from './protocol-trace.js';
import type { ServedClient } from './served-client.js';
import { ServerLogin } from './server-login.js';
import { ServerStatements } from './server-statements.js';
import { Fate, ServerState, ServerStream } from './server-stream.js';
import { PoolMode } from './settings.js';
import { StatementBeginning } from './statement-beginning.js';
import type { ServerSnapshot } from './thread-messages.js';
import { ticksAt, wholeMsAt } from './ticks.js';
import { TrackedParameters } from './tracked-parameters.js';
import { NO_WORKER } from './worker-board.js';

const enum Copy {
  None,
  In,
  Out,
}

const DISCARD_ALL = query('DISCARD ALL');
const ROLLBACK = query('ROLLBACK');
const LIVENESS_CHECK = query(';');

export class ServerSession extends ServerStream implements TimerTarget, Leaver, Traced {
  status = TransactionStatus.Idle;
  private dirt = 0;
  private copy = Copy.None;
  /** The place behind what was owed when CopyData went out before the server had said that it takes any. */
  private earlyCopyPlace = 0;
  /** Nothing is owed any more. What that means is decided when all that has come has been looked at. */
  private isSettled = false;
  /** CancelRequests for it that PostgreSQL may not have got yet: it is not given to another client meanwhile. */
  private cancelsUnderway = 0;
  /** One of them may still come: it is not given to another client at all. */
  private mayBeHit = false;
  private hadError = false;
  private hasChangedSchema = false;
  /** Ticks: when what it is doing was asked for. */
  private busySince = 0;
  /** Whole milliseconds, see ticks.ts. */
  idleSince = 0;
  /** Seconds of the reactor's clock, 0 for ever: it is not given to another client from then on. */
  readonly expiresAtS: number;
  queries = 0;
  transactions = 0;
  bytesSent = 0;
  bytesReceived = 0;
  readonly statements: ServerStatements;
  /** Of the statement that its client has sent last. */
  readonly beginning = new StatementBeginning();
  /** What its session says of the parameters that clients take along; null when they take none. */
  private readonly parameters: TrackedParameters | null;
  /** How much had been relayed when the timer was set that watches a large message. */
  private relayedAtTimer = 0;
  private sawFatal = false;
  private login: ServerLogin | null = null;
  private readonly timer: Timer;
  /** The worker that it leaves for. */
  destination = NO_WORKER;
  readonly id: number;
  readonly createdMs: number;
  processId = 0;
  cancelKey: Uint8Array = new Uint8Array(0);

  private constructor(
    pool: Pool,
    id: number,
    createdMs: number,
    expiresAtS: number,
    detached: DetachedSocket | null,
  ) {
    super(pool, detached);
    const { settings } = pool.plane;
    this.statements = new ServerStatements(this, settings.preparedStatementsCacheSize);
    this.parameters = settings.syncServerParameters ? new TrackedParameters() : null;
    this.id = id;
    this.createdMs = createdMs;
    this.expiresAtS = expiresAtS;
    this.timer = new Timer(this);
  }

  /** A new one that begins to connect. Throws SystemError when there is no descriptor for it. lifetimeMs 0: for ever. */
  static open(pool: Pool, id: number, lifetimeMs: number): ServerSession {
    const { reactor } = pool.plane;
    const { nowMs } = reactor;
    const expiresAtS = lifetimeMs === 0 ? 0 : Math.ceil((nowMs + lifetimeMs) / 1000);
    const server = new ServerSession(pool, id, nowMs, expiresAtS, null);
    server.login = new ServerLogin(server);
    reactor.setTimer(server.timer, pool.settings.connectTimeoutMs);
    return server;
  }

  /** One that another worker had, clean and idle. */
  static takenOver(pool: Pool, record: ServerRecord, detached: DetachedSocket): ServerSession {
    const server = new ServerSession(pool, record.id, record.createdMs, record.expiresAtS, detached);
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
    this.pool.plane.reactor.clearTimer(this.timer);
    this.socket.detach(this);
  }

  onDetached(detached: DetachedSocket): void {
    this.pool.hasLeft(this, detached);
    this.moveTo(ServerState.Closed); // here
  }

  get isClosed(): boolean {
    return this.state === ServerState.Closed;
  }

  /** Whether COPY data of the client has somewhere to go. */
  get takesCopyData(): boolean {
    return this.copy === Copy.In || !this.queue.isEmpty;
  }

  get isInCopyIn(): boolean {
    return this.copy === Copy.In;
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
    else if (this.isWatched) this.checkLargeMessage();
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    const { trace } = this.pool.plane;
    if (trace === null || this.login !== null) return this.receive(bytes, begin, end);
    trace.begins(this, Side.Server);
    this.receive(bytes, begin, end);
    trace.read(this, bytes, begin, end);
    return end;
  }

  private receive(bytes: Uint8Array, begin: number, end: number): number {
    this.bytesReceived += end - begin;
    this.sendSynthetics(); // before the answers to what was sent behind them
    if (this.client !== null && !this.isInside && isPlainAnswer(bytes, begin, end, this.queue.packed)) {
      this.answerCame(bytes, begin, end);
    } else {
      this.readMessages(bytes, begin, end);
      if (this.isInside) this.isCut();
    }
    if (this.isSettled && !this.isInside) this.settle();
    if (this.client?.waitsForAnswers === true && this.queue.length < ANSWERS_OWED_MAX / 2) {
      this.client.socket.resume();
    }
    return end;
  }

  /** The rest of a message is still to come. */
  private isCut(): void {
    if (this.state !== ServerState.Leaving) return this.watchLargeMessage();
    this.socket.stay();
    this.moveTo(ServerState.Idle);
    this.pool.sharing.stays(this);
  }

  /** Everything that is owed, and the end of the transaction. */
  private answerCame(bytes: Uint8Array, begin: number, end: number): void {
    this.status = TransactionStatus.Idle;
    this.queue.clear();
    this.countQuery();
    this.relay(bytes, begin, end);
    this.act();
  }

  // ── for the client that holds it ───────────────────────────────────────────────────────────────────────────────

  /** Sends a client's bytes; what they ask for has been entered in the queue. */
  send(bytes: Uint8Array, begin: number, end: number): void {
    this.bytesSent += end - begin;
    this.socket.send(bytes, begin, end);
  }

  /** The server is taken out of the pool for a client. */
  link(client: ServedClient): void {
    if (this.state !== ServerState.Idle || !this.queue.isEmpty)
      throw new Bug(`server ${this.id} is not clean`);
    this.moveTo(ServerState.Active);
    this.client = client;
    this.beginning.clear();
    if (client.mode === PoolMode.Session) this.soil(ServerDirt.Session);
  }

  /** Something new is owed by a server that owed nothing: its time begins. */
  begins(): void {
    if (this.queue.isEmpty) this.busySince = ticksAt(this.pool.plane.reactor.nowMs);
  }

  /** Brings its session to the parameters that the client takes along. */
  take(parameters: TrackedParameters): void {
    const commands = this.parameters === null ? '' : parameters.commandsFrom(this.parameters);
    if (commands !== '') this.ask(query(commands));
  }

  /** Something of ours in place of an answer of PostgreSQL's. As PostgreSQL's own it waits for a Flush or Sync, or for
   *  more that goes with it. */
  answerLocally(kind: Owed.SyntheticParseComplete | Owed.SyntheticCloseComplete): void {
    this.queue.push(kind);
  }

  /** Whether there is no room for more answers, even when ours have been sent whose turn has come. */
  isFull(): boolean {
    if (!this.queue.isFull) return false;
    this.sendSynthetics();
    return this.queue.isFull;
  }

  /** Sends our own answers whose turn has come: not in the middle of a notice, which nobody has asked for either. */
  sendSynthetics(): void {
    if (this.isMidRelay && isSynthetic(this.queue.head)) {
      this.actsAtEnd = true; // before what comes behind it
      return;
    }
    for (let kind = this.queue.head; isSynthetic(kind); kind = this.queue.head) {
      this.queue.pop();
      this.sendSynthetic(kind);
    }
  }

  /** The client is done with it or has gone. `isHalfway`: in the middle of a message, or of a batch, which a Sync of
   *  ours would commit. */
  leave(isHalfway: boolean): void {
    if (this.isClosed) return;
    if (isHalfway || this.copy !== Copy.None || this.queue.skipsToSync) return this.close('client_lost');
    this.client = null;
    this.moveTo(ServerState.Cleaning);
    this.socket.resume();
    this.isSettled = this.queue.isEmpty;
    if (this.isSettled && !this.isInside) this.settle();
  }

  /** Whether CopyData went out and the server has not said yet whether it takes any, even when ours have been sent
   *  whose turn has come: for them alone nothing would come that goes on. */
  mayBeInCopyIn(): boolean {
    if (!this.owesAheadOfCopy) return false;
    this.sendSynthetics();
    return this.owesAheadOfCopy;
  }

  private get owesAheadOfCopy(): boolean {
    const ahead = (this.earlyCopyPlace - this.queue.answered) | 0;
    return ahead > 0 && ahead <= this.queue.length;
  }

  /** A client's CopyData goes out. */
  copyDataGoesOut(): void {
    if (this.copy !== Copy.In) this.earlyCopyPlace = this.queue.nextPlace;
  }

  /** A client's CopyDone or CopyFail goes out. */
  copyInEnds(): void {
    this.earlyCopyPlace = this.queue.answered;
    if (this.copy === Copy.In) this.copy = Copy.None;
    else this.queue.push(Owed.CopyEnd);
  }

  /** Something was sent that leaves state behind. */
  soil(dirt: ServerDirt): void {
    this.dirt |= dirt;
  }

  /** A message of ours that ends in ReadyForQuery; nobody sees the answer. */
  ask(message: Uint8Array): void {
    this.begins();
    this.queue.push(Owed.SwallowedQuery);
    this.send(message, 0, message.length);
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
  loggedIn(): void {
    this.pool.plane.reactor.clearTimer(this.timer);
    this.login = null;
    this.moveTo(ServerState.Cleaning);
    this.becomeIdle();
    this.pool.opened(this);
  }

  /** It cannot be used; the pool has been told why. */
  loginFailed(reason: CloseReason): void {
    this.close(reason);
  }

  // ── messages ───────────────────────────────────────────────────────────────────────────────────────────────────

  protected decide(tag: number, meaning: Meaning, bytes: Uint8Array, bodyAt: number, bodyEnd: number): Fate {
    if (this.login !== null) {
      return this.login.onMessage(tag, bytes, bodyAt, bodyEnd) ? Fate.Swallow : Fate.Stop;
    }
    if (this.isInPool) return this.unasked(tag, bytes, bodyAt, bodyEnd);
    const head = this.queue.head;
    const relayed = this.client === null || head >= Owed.SwallowedParse ? Fate.Swallow : Fate.Relay;
    if (head === Owed.Nothing && isAnswer(meaning)) {
      return this.violated(`message ${String.fromCharCode(tag)} that nobody asked for`);
    }
    switch (meaning) {
      case Meaning.Data:
        return relayed;
      case Meaning.Answer:
        return this.answered(tag, head, relayed);
      case Meaning.CommandComplete:
        this.dirt = dirtFromTag(this.dirt, bytes, bodyAt, bodyEnd, this);
        this.copy = Copy.None;
        return this.answered(tag, head, relayed);
      case Meaning.CycleEnds:
        return this.cycleEnds(byteAt(bytes, bodyAt), head);
      case Meaning.Error:
        return this.errorCame(bytes, bodyAt, bodyEnd, head);
      case Meaning.CopyIn:
        this.copy = Copy.In;
        if (this.queue.beginCopyIn()) this.copy = Copy.None;
        if (this.client === null && (this.copy === Copy.In || !this.queue.owesCycle)) {
          this.close('client_lost'); // it would wait for data, or for a Sync, for ever
          return Fate.Stop;
        }
        if (!this.queue.owesCycle) this.client?.batchGoesOn();
        return relayed;
      case Meaning.CopyOut:
        this.copy = Copy.Out;
        return relayed;
      case Meaning.Unasked:
        return this.client === null ? Fate.Swallow : Fate.Relay;
      case Meaning.Parameter:
        this.parameterChanged(bytes, bodyAt, bodyEnd, relayed === Fate.Relay);
        return relayed;
      default:
        return this.violated(`message ${String.fromCharCode(tag)} at the wrong time`);
    }
  }

  /** Nobody's: idle, or on its way to be so in another worker. */
  private get isInPool(): boolean {
    return this.state === ServerState.Idle || this.state === ServerState.Leaving;
  }

  /** A message that is or ends the answer at the head of the queue. */
  private answered(tag: number, head: Owed, relayed: Fate): Fate {
    if (head === Owed.Query || head === Owed.FunctionCall || head === Owed.SwallowedQuery) return relayed;
    if (!answers(tag, head))
      return this.violated(`message ${String.fromCharCode(tag)} that nobody asked for`);
    this.queue.pop();
    const next = this.queue.head;
    const acts = next === Owed.CopyEnd || isSynthetic(next);
    if (!acts) return relayed;
    return relayed === Fate.Relay ? Fate.RelayAndAct : Fate.SwallowAndAct;
  }

  private cycleEnds(status: number, head: Owed): Fate {
    if (
      status !== TransactionStatus.Idle &&
      status !== TransactionStatus.InTransaction &&
      status !== TransactionStatus.Failed
    ) {
      return this.violated('ReadyForQuery with an unknown status');
    }
    this.status = status;
    this.copy = Copy.None;
    switch (head) {
      case Owed.Query:
      case Owed.FunctionCall:
      case Owed.Sync:
        this.queue.pop();
        this.countQuery();
        return this.client === null ? Fate.SwallowAndAct : Fate.RelayAndAct;
      case Owed.SwallowedQuery:
        this.queue.pop();
        // It spells some values in its own way: they are the client's from now on.
        if (this.parameters !== null) this.client?.parameters?.adopt(this.parameters);
        return Fate.SwallowAndAct;
      default:
        return this.violated('ReadyForQuery that nobody asked for');
    }
  }

  /** What follows an answer: our own answers whose turn has come, and the end of the cycle. */
  protected act(): void {
    this.queue.dropCopyEnds();
    this.sendSynthetics();
    this.isSettled = this.queue.isEmpty && !this.queue.skipsToSync;
  }

  /** All has been answered, and nothing unread is here: it may be parted from its client. */
  private settle(): void {
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

  private errorCame(bytes: Uint8Array, bodyAt: number, bodyEnd: number, head: Owed): Fate {
    const fields = readErrorResponse(bytes, bodyAt, bodyEnd);
    const isFatal = fields.severity === 'FATAL' || fields.severity === 'PANIC';
    if (isFatal) this.sawFatal = true;
    if (isFatal && this.isSettled) {
      // Behind the last answer: a client that is done with the server need not hear of it.
      this.settle();
      if (this.isClosed) return Fate.Stop;
    }
    this.copy = Copy.None;
    if (head === Owed.SwallowedQuery && !isFatal) {
      this.hadError = true;
      if (this.client === null) return Fate.Swallow;
      // A deferred BEGIN, or parameters that the client asks for: it must not go on without them.
      this.lose('cleanup_failed', 0, new SessionRefused(fields));
      return Fate.Stop;
    }
    this.pool.counters.countError(fields.sqlstate);
    if (this.client !== null) this.client.errors++;
    if (head !== Owed.Query && head !== Owed.FunctionCall && head !== Owed.Nothing) {
      if (this.statements.areDoubtedBy(head, fields)) this.soil(ServerDirt.Prepare);
      const from = this.queue.answered;
      this.queue.skipToSync((statement) => this.statements.delete(statement));
      if (this.client === null && this.queue.skipsToSync) {
        this.close('client_lost'); // it would wait for a Sync for ever
        return Fate.Stop;
      }
      this.client?.answersSkipped(from, this.queue.answered);
    }
    return this.client === null ? Fate.Swallow : Fate.Relay;
  }

  /** PostgreSQL speaks to a server that is in the pool. */
  private unasked(tag: number, bytes: Uint8Array, bodyAt: number, bodyEnd: number): Fate {
    if (tag === Backend.ParameterStatus) this.parameterChanged(bytes, bodyAt, bodyEnd, false);
    else if (tag === Backend.ErrorResponse) {
      const { sqlstate, message } = readErrorResponse(bytes, bodyAt, bodyEnd);
      const what = `server was ended by PostgreSQL while idle: ${message}`;
      this.pool.log('warn', what, { ...this.logFields, sqlstate });
      this.close('server_fatal');
      return Fate.Stop;
    } else if (tag !== Backend.NoticeResponse && tag !== Backend.NotificationResponse) {
      return this.violated(`message ${String.fromCharCode(tag)} while idle`);
    }
    return Fate.Swallow;
  }

  protected violated(what: string): Fate {
    this.pool.log('error', `server broke the protocol: ${what}; it is closed`, this.logFields);
    return Fate.Broken;
  }

  protected isBroken(): void {
    this.wasLost('protocol_violation', 0);
  }

  // ── clean for the next ─────────────────────────────────────────────────────────────────────────────────────────

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

  forgetStatements(): number {
    this.statements.wereDropped();
    this.client?.statementsDiscarded(this);
    return this.queue.parsing.includes(null) ? ServerDirt.Prepare : 0; // the client's own, on their way
  }

  /** What is prepared may not fit the tables any more: not now, and not when others see the change. */
  schemaChanged(): void {
    this.hasChangedSchema = true;
    this.pool.statements.renewAll();
  }

  /** ParameterStatus: name, zero, value, zero. Of the login too. */
  parameterChanged(bytes: Uint8Array, bodyAt: number, bodyEnd: number, isClients: boolean): void {
    const nameEnd = zeroAt(bytes, bodyAt, bodyEnd);
    const valueEnd = nameEnd < 0 ? -1 : zeroAt(bytes, nameEnd + 1, bodyEnd);
    if (valueEnd < 0) return;
    const { client, pool } = this;
    const name = textBetween(bytes, bodyAt, nameEnd);
    const value = textBetween(bytes, nameEnd + 1, valueEnd);
    // Later changes are of sessions; what a client is greeted with is what a fresh server says.
    if (this.login !== null) pool.parameterCame(name, value);
    this.parameters?.set(name, value);
    if (!isClients || client === null) return;
    client.parameters?.set(name, value);
    if (!pool.settings.logClientParameterStatusChanges) return;
    const change = `parameter changed: ${name} is now ${JSON.stringify(value)}`;
    pool.log('info', change, client.logFields);
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

  private countQuery(): void {
    const { counters, plane } = this.pool;
    counters.add(Counter.Queries, 1);
    const now = ticksAt(plane.reactor.nowMs);
    counters.took(Histogram.Query, Counter.QueryTime, (now - this.busySince) >>> 0);
    this.busySince = now;
    this.queries++;
  }

  // ── bytes to the client ────────────────────────────────────────────────────────────────────────────────────────

  private sendSynthetic(kind: Owed): void {
    const message = kind === Owed.SyntheticParseComplete ? PARSE_COMPLETE : CLOSE_COMPLETE;
    this.client?.socket.send(message, 0, message.length);
  }

  // ── large messages ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Sees to it that one that is relayed in pieces does not come to a stop for ever: see isWatched. */
  watchLargeMessage(): void {
    const { reactor, settings } = this.pool.plane;
    if (this.timer.isSet || !this.isWatched) return;
    this.relayedAtTimer = this.bytesReceived + this.bytesSent;
    reactor.setTimer(this.timer, settings.proxyCopyDataTimeoutMs);
  }

  /** Whether a message above message_size_to_be_stream is on its way, but for COPY, and it is the client's to go on:
   *  to read it or to send its rest. */
  private get isWatched(): boolean {
    const { client, framer } = this;
    const limit = this.pool.plane.settings.messageSizeToBeStream;
    if (client === null || limit === 0) return false;
    if (this.isMidRelay && framer.tag !== Backend.CopyData && framer.bodyLength > limit) return true;
    return client.isMidLargeMessage(limit) && !this.socket.isCongested;
  }

  private checkLargeMessage(): void {
    if (this.bytesReceived + this.bytesSent !== this.relayedAtTimer) return this.watchLargeMessage();
    const error = new ProxyTimeout();
    this.pool.log('warn', error.message, this.logFields);
    this.lose('client_lost', 0, error);
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The connection has failed or cannot be trusted any more. */
  private wasLost(reason: CloseReason, errno: number): void {
    if (reason !== 'protocol_violation') this.login?.wasLost(errno);
    // PostgreSQL's own word has been passed on when there was one.
    this.lose(reason, errno, this.sawFatal ? null : new ServerDied());
  }

  private lose(reason: CloseReason, errno: number, error: ClientFacingError | null): void {
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
    this.pool.closed(this, before, reason, errno);
  }

  get logFields(): LogFields {
    const { client, pool } = this;
    const { user, database } = pool.settings;
    const own = { server_id: this.id, server_pid: this.processId, user, database, address: pool.addressText };
    return client === null ? own : { ...own, client_id: client.id };
  }

  get isBetweenMessages(): boolean {
    return !this.isInside;
  }

  get tracedFor(): number {
    return this.client?.id ?? 0;
  }
}

function isSynthetic(kind: Owed): boolean {
  return kind === Owed.SyntheticParseComplete || kind === Owed.SyntheticCloseComplete;
}

/** Whether a message ends the answer of this kind. */
function answers(tag: number, kind: Owed): boolean {
  switch (tag) {
    case Backend.ParseComplete:
      return kind === Owed.ParseComplete || kind === Owed.SwallowedParse;
    case Backend.BindComplete:
      return kind === Owed.BindComplete;
    case Backend.CloseComplete:
      return kind === Owed.CloseComplete || kind === Owed.SwallowedClose;
    case Backend.RowDescription:
    case Backend.NoData:
      return kind === Owed.StatementDescription || kind === Owed.PortalDescription;
    case Backend.CommandComplete:
    case Backend.EmptyQueryResponse:
    case Backend.PortalSuspended:
      return kind === Owed.ExecuteResult;
    default:
      return false;
  }
}

/** One simple query that undoes what the dirt says was done. */
function resetQuery(dirt: number): Uint8Array {
  if ((dirt & ServerDirt.Session) !== 0) return DISCARD_ALL;
  const parts: string[] = [];
  if ((dirt & ServerDirt.Set) !== 0) parts.push('RESET SESSION AUTHORIZATION', 'RESET ROLE', 'RESET ALL');
  if ((dirt & ServerDirt.Declare) !== 0) parts.push('CLOSE ALL');
  if ((dirt & ServerDirt.Prepare) !== 0) parts.push('DEALLOCATE ALL');
  if ((dirt & ServerDirt.Listen) !== 0) parts.push('UNLISTEN *');
  return query(parts.join(';'));
}
