/** One client that has logged in: finds the messages in what it sends, gets it a server when one is needed, and hands
 *  on what asks for an answer. Not for: logging in (client-login.ts), the console (admin-session.ts), what servers
 *  answer (server-session.ts). PostgreSQL manual, "Message Flow". */

import { errnoName } from '../reactor/libc.js';
import type { Receiver, Socket } from '../reactor/reactor.js';
import { peerText } from '../reactor/socket-address.js';
import { Bug } from '../reactor/words.js';
import { byteAt, int32At, zeroAt } from '../wire/bytes.js';
import {
  type ClientFacingError,
  MessageTooLarge,
  ProtocolViolation,
  ShuttingDown,
} from '../wire/client-facing-error.js';
import { errorResponse } from '../wire/error-response.js';
import { Frame, Framer, SPLIT } from '../wire/framer.js';
import { query } from '../wire/message-builder.js';
import {
  CLOSE_COMPLETE,
  COMMAND_COMPLETE_BEGIN,
  COMMAND_COMPLETE_DEALLOCATE,
  COMMAND_COMPLETE_DEALLOCATE_ALL,
  COMMAND_COMPLETE_START_TRANSACTION,
  EMPTY_QUERY_RESPONSE,
  FLUSH,
  READY_FOR_QUERY_IDLE,
  READY_FOR_QUERY_IN_TRANSACTION,
} from '../wire/ready-made.js';
import { Frontend, HEADER_LENGTH, TAG_LENGTH, TransactionStatus } from '../wire/tags.js';
import { Owed } from './answer-queue.js';
import { ServerDirt } from './command-tag.js';
import { Counter } from './counters.js';
import type { DataPlane } from './data-plane.js';
import { CLIENT_MESSAGE_MAX, GATHERED_BEFORE_CHECKOUT_MAX, GATHERED_MAX } from './limits.js';
import { NameChanges } from './name-changes.js';
import type { Pool } from './pool.js';
import type { ServerSession } from './server-session.js';
import { PoolMode } from './settings.js';
import { deallocatedName, LOCAL_QUERY_MAX, LocalQuery, localQueryIn } from './simple-query.js';
import { type Statement, StatementNames } from './statements.js';
import type { ClientSnapshot } from './thread-messages.js';
import { ticksAt, usSince } from './ticks.js';
import type { Waiter } from './waiters.js';

const BEGIN = query('BEGIN');

const enum Step {
  /** The message has been dealt with, or the part of it that is here. */
  Done,
  /** Not yet: the socket is paused, and the message is to be delivered again. */
  Later,
  /** The connection has ended. */
  Ended,
}

/** What becomes of the parts of a message that are still to come. */
const enum Rest {
  ToServer,
  Gathered,
  Dropped,
}

const STATEMENT_KIND = 0x53; // S, in Describe and Close

export class ClientSession implements Receiver, Waiter<ClientSession> {
  // What each query touches comes first: with thousands of clients every cache line of a session is a cold one.
  readonly socket: Socket;
  readonly pool: Pool;
  readonly plane: DataPlane;
  server: ServerSession | null = null;
  private readonly framer: Framer;
  /** Whether the framer may be in the middle of a message: seldom, so that it is seldom looked at. */
  private isInside = false;
  /** A message that is to be seen whole: being gathered, or ready and waiting for a server. */
  private whole: Buffer | null = null;
  /** Bytes from here on are the server's and not yet sent; within one call of onBytes. */
  private runFrom = 0;
  private rest = Rest.ToServer;
  /** The server owes so many answers that this client is not read for so long. */
  waitsForAnswers = false;
  /** Messages of the extended protocol have gone to the server and no Sync behind them. */
  private isMidBatch = false;
  /** A BEGIN was answered here; a server hears of it before anything else. */
  private beginIsDeferred = false;
  /** An error was answered here in the middle of a batch: all up to its Sync is dropped. */
  private skipsToSync = false;
  /** The server is free but for the rest of a message that PostgreSQL will ignore. */
  private releaseIsDue = false;
  isWaiting = false;
  nextWaiter: ClientSession | null = null;
  previousWaiter: ClientSession | null = null;
  /** Ticks. */
  waitingSince = 0;
  private transactionSince = 0;
  queries = 0;
  transactions = 0;
  /** What the client calls its statements; made with the first. */
  private names: StatementNames | null = null;
  private nameChanges: NameChanges | null = null;
  /** Why there is no server for the message that waited for one. */
  private checkoutError: ClientFacingError | null = null;
  private isClosed = false;
  private wholeFilled = 0;
  errors = 0;
  readonly id: number;
  /** The part of the cancel key that only the client knows. */
  readonly cancelSecret: number;
  readonly applicationName: string;
  readonly connectedMs: number;

  constructor(
    plane: DataPlane,
    pool: Pool,
    socket: Socket,
    id: number,
    cancelSecret: number,
    applicationName: string,
  ) {
    this.socket = socket;
    this.pool = pool;
    this.plane = plane;
    this.framer = new Framer(CLIENT_MESSAGE_MAX);
    this.id = id;
    this.cancelSecret = cancelSecret;
    this.applicationName = applicationName;
    this.connectedMs = plane.reactor.nowMs;
    pool.clients++;
  }

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

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    const read = this.isPlainQuery(bytes, begin, end)
      ? this.plainQuery(bytes, begin, end)
      : this.read(bytes, begin, end);
    this.pool.counters.add(Counter.Received, read - begin);
    return read;
  }

  /** Whether this is the commonest thing to come: one Query as a whole, and nothing else is going on. */
  private isPlainQuery(bytes: Uint8Array, begin: number, end: number): boolean {
    const bodyAt = begin + HEADER_LENGTH;
    if (end <= bodyAt || byteAt(bytes, begin) !== Frontend.Query) return false;
    if (int32At(bytes, begin + TAG_LENGTH) !== end - begin - TAG_LENGTH) return false;
    if (this.isInside || this.whole !== null || this.isMidBatch || this.beginIsDeferred) return false;
    const { server, plane } = this;
    if (server === null ? this.checkoutError !== null || plane.isShuttingDown : !server.queue.isEmpty)
      return false;
    return localQueryIn(bytes, bodyAt, end, plane.checkQuery) === LocalQuery.No;
  }

  private plainQuery(bytes: Uint8Array, begin: number, end: number): number {
    if (this.server === null && (this.isWaiting || !this.pool.acquire(this))) {
      this.socket.pause(true);
      return begin;
    }
    this.waitsForAnswers = false;
    this.queries++;
    this.owes(Owed.Query);
    this.server?.send(bytes, begin, end);
    return end;
  }

  /** Any messages, or parts of them. */
  private read(bytes: Uint8Array, begin: number, end: number): number {
    const { framer } = this;
    this.isInside = true;
    const readUpTo = this.readMessages(framer, bytes, begin, end);
    this.isInside = framer.isInside;
    return readUpTo;
  }

  private readMessages(framer: Framer, bytes: Uint8Array, begin: number, end: number): number {
    this.waitsForAnswers = false;
    if (this.whole !== null && framer.remaining === 0) {
      const step = this.wholeMessage(this.whole);
      if (step === Step.Later) this.askForAnswers();
      if (step !== Step.Done) return step === Step.Later ? begin : end;
    }
    let at = begin;
    this.runFrom = begin;
    while (at < end || framer.hasHeader) {
      if (this.server?.isInCopyIn === true) {
        at = framer.skipRows(bytes, at, end, Frontend.CopyData, Frontend.CopyData);
        if (at === end) break;
      }
      const frame = framer.next(bytes, at, end);
      if (frame === Frame.Starved) {
        this.flushRun(bytes, at);
        this.runFrom = end;
        break;
      }
      if (frame === Frame.Violation) return this.tooLong(end);
      const step = frame === Frame.Message ? this.messageBegins(bytes) : this.messageGoesOn(bytes);
      if (step === Step.Ended) return end;
      if (step === Step.Later) {
        this.askForAnswers();
        return this.whole === null ? framer.rewind() : framer.bodyEnd;
      }
      at = framer.bodyEnd;
    }
    this.flushRun(bytes, end);
    const { server } = this;
    if (server !== null) {
      if (server.socket.isCongested) this.socket.pause(false);
      if (this.releaseIsDue && server.queue.isEmpty) this.answersCame(server);
    }
    return end;
  }

  // ── from the pool and the server ───────────────────────────────────────────────────────────────────────────────

  /** The pool had a server at once. */
  gotServer(server: ServerSession): void {
    this.server = server;
    this.nameChanges?.clear(); // they were another server's to answer
    this.transactionSince = ticksAt(this.plane.reactor.nowMs);
    if (!this.beginIsDeferred) return;
    this.beginIsDeferred = false;
    server.begins();
    server.queue.push(Owed.SwallowedQuery);
    server.status = TransactionStatus.InTransaction; // or it is lost
    server.send(BEGIN, 0, BEGIN.length);
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

  /** All that the server owed has been relayed: it is given back unless the client still needs it. */
  answersCame(server: ServerSession): void {
    if (this.isMidBatch || server.queue.skipsToSync || server.status !== TransactionStatus.Idle) return;
    this.releaseIsDue = this.isMidMessage;
    if (this.releaseIsDue) return;
    this.countTransaction();
    const ends = this.plane.isShuttingDown;
    if (this.pool.settings.mode === PoolMode.Session && !ends) return;
    this.server = null;
    server.checkIn();
    if (ends) this.fail(new ShuttingDown());
    else this.socket.resume(); // what it was paused for, this server does not tell it any more
  }

  /** The server has answered with an error at `from` and skips what stands before `to`. */
  answersSkipped(from: number, to: number): void {
    if (this.names !== null) this.nameChanges?.undo(from, to, this.names);
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
    if (this.server?.isMidRelay !== true) this.sendError(error);
    this.socket.closeAfterSend();
    this.end(error.message);
  }

  snapshot(): ClientSnapshot {
    const { settings } = this.pool;
    return {
      id: this.id,
      database: settings.database,
      user: settings.user,
      applicationName: this.applicationName,
      address: peerText(this.socket.peerAddress()),
      state: this.isActive ? 'active' : this.isWaiting ? 'waiting' : 'idle',
      wait: this.socket.unsent > 0 ? 'write' : this.isActive ? 'read' : 'idle',
      transactions: this.transactions,
      queries: this.queries,
      errors: this.errors,
      ageMs: this.plane.reactor.nowMs - this.connectedMs,
    };
  }

  /** Part of a message has gone to the server and the rest has not. */
  private get isMidMessage(): boolean {
    return this.isInside && this.framer.remaining > 0 && this.rest === Rest.ToServer;
  }

  get isActive(): boolean {
    return this.server !== null;
  }

  // ── messages ───────────────────────────────────────────────────────────────────────────────────────────────────

  private messageBegins(bytes: Uint8Array): Step {
    const { framer } = this;
    const isSplit = framer.headerAt === SPLIT;
    if (isSplit) this.runFrom = framer.bodyAt;
    if (framer.remaining > 0 && this.wantsWhole(bytes)) {
      this.flushRun(bytes, isSplit ? framer.bodyAt : framer.headerAt);
      return this.beginGathering(bytes);
    }
    this.rest = Rest.ToServer;
    const step = this.message(bytes, framer.bodyAt, framer.bodyEnd);
    if (step === Step.Later) this.flushRun(bytes, isSplit ? framer.bodyAt : framer.headerAt);
    return step;
  }

  private messageGoesOn(bytes: Uint8Array): Step {
    if (this.rest === Rest.ToServer) return Step.Done; // the run goes on
    if (this.rest === Rest.Gathered) return this.gather(bytes);
    this.runFrom = this.framer.bodyEnd;
    return Step.Done;
  }

  /** Whether a message that is here in part must be here as a whole first: to be read, or so that nobody can occupy
   *  a server with half a message. */
  private wantsWhole(bytes: Uint8Array): boolean {
    const { framer } = this;
    switch (framer.tag) {
      case Frontend.Parse:
      case Frontend.Describe:
      case Frontend.Close:
        return true;
      case Frontend.Bind:
        if (statementNameEnd(bytes, framer.bodyAt, framer.bodyEnd) < 0) return true;
        return this.server === null && framer.bodyLength <= GATHERED_BEFORE_CHECKOUT_MAX;
      case Frontend.Query:
        if (framer.bodyLength <= LOCAL_QUERY_MAX) return true; // may be answered here
        return this.server === null && framer.bodyLength <= GATHERED_BEFORE_CHECKOUT_MAX;
      case Frontend.FunctionCall:
      case Frontend.Execute:
        return this.server === null && framer.bodyLength <= GATHERED_BEFORE_CHECKOUT_MAX;
      default:
        return false;
    }
  }

  private beginGathering(bytes: Uint8Array): Step {
    const { framer } = this;
    if (framer.bodyLength > GATHERED_MAX) return this.ended(new MessageTooLarge());
    this.whole = Buffer.allocUnsafe(HEADER_LENGTH + framer.bodyLength);
    framer.writeHeader(this.whole, 0, framer.bodyLength);
    this.wholeFilled = HEADER_LENGTH;
    this.rest = Rest.Gathered;
    return this.gather(bytes);
  }

  private gather(bytes: Uint8Array): Step {
    const { framer, whole } = this;
    if (whole === null) throw new Bug('nothing is being gathered');
    whole.set(bytes.subarray(framer.bodyAt, framer.bodyEnd), this.wholeFilled);
    this.wholeFilled += framer.bodyEnd - framer.bodyAt;
    this.runFrom = framer.bodyEnd;
    return framer.remaining > 0 ? Step.Done : this.wholeMessage(whole);
  }

  private wholeMessage(whole: Buffer): Step {
    const { runFrom } = this;
    const step = this.message(whole, HEADER_LENGTH, whole.length);
    this.runFrom = runFrom;
    if (step !== Step.Later) this.whole = null;
    return step;
  }

  /** One message of which body[bodyAt, bodyEnd) is here. */
  private message(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    switch (this.framer.tag) {
      case Frontend.Query:
        return this.onQuery(bytes, bodyAt, bodyEnd);
      case Frontend.Parse:
        return this.onParse(bytes, bodyAt, bodyEnd);
      case Frontend.Bind:
        return this.onBind(bytes, bodyAt, bodyEnd);
      case Frontend.Describe:
        return this.onDescribe(bytes, bodyAt, bodyEnd);
      case Frontend.Execute:
        return this.onExtended(bytes, Owed.ExecuteResult);
      case Frontend.Close:
        return this.onClose(bytes, bodyAt, bodyEnd);
      case Frontend.Sync:
        return this.onSync(bytes);
      case Frontend.Flush:
        return this.onFlush(bytes);
      case Frontend.FunctionCall:
        return this.onCycle(bytes, Owed.FunctionCall);
      case Frontend.CopyData:
      case Frontend.CopyDone:
      case Frontend.CopyFail:
        return this.onCopy(bytes);
      case Frontend.Terminate:
        this.socket.closeAfterSend();
        this.end('the client said Terminate');
        return Step.Ended;
      default:
        return this.ended(new ProtocolViolation(`invalid frontend message type ${this.framer.tag}`));
    }
  }

  private onQuery(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    if (this.framer.remaining === 0 && !this.isMidBatch) {
      const local = localQueryIn(bytes, bodyAt, bodyEnd, this.plane.checkQuery);
      if (local !== LocalQuery.No) {
        const { server } = this;
        const isFree = server === null || (server.queue.isEmpty && !server.queue.skipsToSync);
        if (isFree && this.answerHere(local, bytes, bodyAt, bodyEnd)) return this.drop(bytes);
        // PostgreSQL does not know the client's names: it is answered here once its turn has come.
        const isOwing = server !== null && !server.queue.isEmpty && !server.isInCopyIn;
        if (isOwing && isDeallocate(local) && this.mapsStatements) return this.waitForAnswers();
      }
    }
    return this.onCycle(bytes, Owed.Query);
  }

  /** Query or FunctionCall: the server owes everything up to ReadyForQuery. */
  private onCycle(bytes: Uint8Array, owed: Owed.Query | Owed.FunctionCall): Step {
    const { server } = this;
    if (server === null || server.isFull()) {
      if (this.checkoutError !== null) return this.refuse(bytes, this.checkoutError);
      const step = this.getServer();
      if (step !== Step.Done) return step;
    }
    this.queries++;
    this.isMidBatch = false;
    this.owes(owed);
    return this.relay(bytes);
  }

  private onParse(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    const nameEnd = zeroAt(bytes, bodyAt, bodyEnd);
    if (nameEnd < 0) return this.ended(new ProtocolViolation('invalid string in Parse'));
    if (!this.mapsStatements) {
      const step = this.onExtended(bytes, Owed.ParseComplete);
      if (step === Step.Done && nameEnd > bodyAt) this.server?.soil(ServerDirt.Prepare);
      return step;
    }
    const step = this.beginExtended(bytes);
    const { server } = this;
    if (step !== Step.Done || server === null || this.skipsToSync) return step;
    const { queue } = server;
    if (queue.skipsToSync) return this.drop(bytes);
    const before = this.statementNamed(bytes, bodyAt, nameEnd);
    // Many drivers parse the same text again and again, unnamed.
    const isSame = before?.hasContent(bytes, nameEnd + 1, bodyEnd) === true;
    const statement = isSame ? before : this.pool.statements.find(bytes, nameEnd + 1, bodyEnd);
    if (queue.isInDoubt(statement)) return this.waitForAnswers();
    if (!isSame || !server.knows(statement) || this.nameChanges?.isAny(queue.answered) === true) {
      this.nameIsChanged(server, bytes, bodyAt, nameEnd, before);
    }
    if (!isSame) {
      this.names ??= new StatementNames(this.plane.settings.clientPreparedStatementsCacheSize);
      this.names.set(bytes, bodyAt, nameEnd, statement);
    }
    this.flushBefore(bytes);
    server.begins();
    server.parse(statement);
    return Step.Done;
  }

  private onBind(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    const portalEnd = zeroAt(bytes, bodyAt, bodyEnd);
    const nameEnd = portalEnd < 0 ? -1 : zeroAt(bytes, portalEnd + 1, bodyEnd);
    if (nameEnd < 0) return this.ended(new ProtocolViolation('invalid string in Bind'));
    if (this.isInDoubt(bytes, portalEnd + 1, nameEnd)) return this.waitForAnswers();
    // What the pooler does not know may still be a statement of SQL's PREPARE; else PostgreSQL says what is wrong.
    const statement = this.statementNamed(bytes, portalEnd + 1, nameEnd);
    if (statement === null) return this.onExtended(bytes, Owed.BindComplete);
    const step = this.beginExtended(bytes);
    const { server, framer } = this;
    if (step !== Step.Done || server === null || this.skipsToSync) return step;
    if (server.queue.isInDoubt(statement)) return this.waitForAnswers();
    this.flushBefore(bytes);
    server.begins();
    server.prepare(statement);
    server.queue.push(Owed.BindComplete);
    // The same message with another name in it: what lies behind the name goes out from where it is.
    const { name } = statement;
    const start = this.plane.scratch(HEADER_LENGTH + (portalEnd + 1 - bodyAt) + name.length);
    framer.writeHeader(start, 0, framer.bodyLength - (nameEnd + 1 - (portalEnd + 1)) + name.length);
    let to = HEADER_LENGTH;
    for (let i = bodyAt; i <= portalEnd; i++) start[to++] = byteAt(bytes, i);
    for (let i = 0; i < name.length; i++) start[to++] = byteAt(name, i);
    server.send(start, 0, to);
    if (bytes === this.whole) server.send(bytes, nameEnd + 1, bodyEnd);
    else this.runFrom = nameEnd + 1;
    return Step.Done;
  }

  private onDescribe(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    if (bodyEnd - bodyAt < 2) return this.ended(new ProtocolViolation('Describe is too short'));
    if (byteAt(bytes, bodyAt) !== STATEMENT_KIND) return this.onExtended(bytes, Owed.PortalDescription);
    const nameEnd = zeroAt(bytes, bodyAt + 1, bodyEnd);
    if (nameEnd < 0) return this.ended(new ProtocolViolation('invalid string in Describe'));
    if (this.isInDoubt(bytes, bodyAt + 1, nameEnd)) return this.waitForAnswers();
    const statement = this.statementNamed(bytes, bodyAt + 1, nameEnd);
    if (statement === null) return this.onExtended(bytes, Owed.StatementDescription);
    const step = this.beginExtended(bytes);
    const { server, framer } = this;
    if (step !== Step.Done || server === null || this.skipsToSync) return step;
    if (server.queue.isInDoubt(statement)) return this.waitForAnswers();
    this.flushBefore(bytes);
    server.begins();
    server.prepare(statement);
    server.queue.push(Owed.StatementDescription);
    const { name } = statement;
    const message = this.plane.scratch(HEADER_LENGTH + 1 + name.length);
    framer.writeHeader(message, 0, 1 + name.length);
    message[HEADER_LENGTH] = STATEMENT_KIND;
    message.set(name, HEADER_LENGTH + 1);
    server.send(message, 0, HEADER_LENGTH + 1 + name.length);
    return Step.Done;
  }

  private onClose(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    if (bodyEnd - bodyAt < 2) return this.ended(new ProtocolViolation('Close is too short'));
    if (byteAt(bytes, bodyAt) !== STATEMENT_KIND || !this.mapsStatements) {
      return this.onExtended(bytes, Owed.CloseComplete);
    }
    const nameEnd = zeroAt(bytes, bodyAt + 1, bodyEnd);
    if (nameEnd < 0) return this.ended(new ProtocolViolation('invalid string in Close'));
    const { server } = this;
    if (this.skipsToSync || server?.queue.skipsToSync === true) return this.drop(bytes);
    if (server === null) {
      this.names?.delete(bytes, bodyAt + 1, nameEnd);
      this.sendToClient(CLOSE_COMPLETE);
      return this.drop(bytes);
    }
    if (this.isInDoubt(bytes, bodyAt + 1, nameEnd)) return this.waitForAnswers();
    // Others share the statement on the server, so only the client's name goes. Unknown names may be SQL's.
    const before = this.names?.get(bytes, bodyAt + 1, nameEnd) ?? null;
    if (before === null) return this.onExtended(bytes, Owed.CloseComplete);
    const step = this.beginExtended(bytes);
    if (step !== Step.Done) return step;
    this.nameIsChanged(server, bytes, bodyAt + 1, nameEnd, before);
    this.names?.delete(bytes, bodyAt + 1, nameEnd);
    this.flushBefore(bytes);
    server.answerLocally(Owed.SyntheticCloseComplete);
    return Step.Done;
  }

  /** A message of a batch that goes on as it is. */
  private onExtended(bytes: Uint8Array, owed: Owed): Step {
    const step = this.beginExtended(bytes);
    if (step !== Step.Done || this.skipsToSync) return step;
    this.owes(owed);
    return this.relay(bytes);
  }

  /** Gets a server for a message of a batch; with skipsToSync set afterwards the message has been dropped. */
  private beginExtended(bytes: Uint8Array): Step {
    if (this.skipsToSync) return this.drop(bytes);
    const { server } = this;
    if (server === null || server.isFull()) {
      if (this.checkoutError !== null) {
        if (this.beginIsDeferred) return this.ended(this.checkoutError);
        this.sendError(this.checkoutError);
        this.checkoutError = null;
        this.skipsToSync = true;
        return this.drop(bytes);
      }
      const step = this.getServer();
      if (step !== Step.Done) return step;
    }
    this.isMidBatch = true;
    return Step.Done;
  }

  private onSync(bytes: Uint8Array): Step {
    const { server } = this;
    if (server === null) {
      this.skipsToSync = false;
      this.sendToClient(this.beginIsDeferred ? READY_FOR_QUERY_IN_TRANSACTION : READY_FOR_QUERY_IDLE);
      return this.drop(bytes);
    }
    // Between COPY data PostgreSQL ignores it, but answers it once the data were wrong. Nobody could tell which.
    if (server.isInCopyIn) return this.drop(bytes);
    if (server.isFull() || server.mayBeInCopyIn) return this.waitForAnswers();
    this.queries++;
    this.isMidBatch = false;
    this.owes(Owed.Sync);
    return this.relay(bytes);
  }

  private onFlush(bytes: Uint8Array): Step {
    const { server } = this;
    if (server === null) return this.drop(bytes);
    server.sendSynthetics();
    return this.relay(bytes);
  }

  private onCopy(bytes: Uint8Array): Step {
    const { server } = this;
    // After an error in COPY a client may still be sending: PostgreSQL ignores it, so it need not get there.
    if (server === null || !server.takesCopyData) return this.drop(bytes);
    if (this.framer.tag === Frontend.CopyData) server.copyDataGoesOut();
    else {
      if (server.isFull()) return this.waitForAnswers();
      server.copyInEnds();
    }
    return this.relay(bytes);
  }

  // ── servers ────────────────────────────────────────────────────────────────────────────────────────────────────

  private getServer(): Step {
    const { server } = this;
    if (server !== null) return this.waitForAnswers();
    if (this.isWaiting) {
      this.socket.pause(true);
      return Step.Later;
    }
    if (this.plane.isShuttingDown) return this.ended(new ShuttingDown());
    if (this.pool.acquire(this)) return Step.Done;
    this.socket.pause(true);
    return Step.Later;
  }

  /** The server owes as many answers as there is room for. */
  private waitForAnswers(): Step {
    this.waitsForAnswers = true;
    this.socket.pause(false);
    return Step.Later;
  }

  /** Behind all that was sent before: PostgreSQL may hold its answers back until a Flush or Sync comes. */
  private askForAnswers(): void {
    const { server } = this;
    if (!this.waitsForAnswers || !this.isMidBatch || server === null) return;
    server.send(FLUSH, 0, FLUSH.length);
  }

  private owes(owed: Owed): void {
    const { server } = this;
    if (server === null) throw new Bug('a message is relayed without a server');
    server.begins();
    server.queue.push(owed);
  }

  /** No server for a Query or FunctionCall: the client stays and may try again. */
  private refuse(bytes: Uint8Array, error: ClientFacingError): Step {
    if (this.beginIsDeferred) return this.ended(error);
    this.checkoutError = null;
    this.sendError(error);
    this.sendToClient(READY_FOR_QUERY_IDLE);
    return this.drop(bytes);
  }

  // ── bytes to the server ────────────────────────────────────────────────────────────────────────────────────────

  /** The current message goes on as it is, in the run or from where it was gathered. */
  private relay(bytes: Uint8Array): Step {
    const { framer, server } = this;
    if (bytes === this.whole) server?.send(bytes, 0, bytes.length);
    else if (framer.headerAt === SPLIT) {
      const header = this.plane.scratch(HEADER_LENGTH);
      framer.writeHeader(header, 0, framer.bodyLength);
      server?.send(header, 0, HEADER_LENGTH);
    }
    return Step.Done;
  }

  /** The current message does not go to the server. */
  private drop(bytes: Uint8Array): Step {
    this.flushBefore(bytes);
    if (bytes !== this.whole) this.rest = Rest.Dropped;
    return Step.Done;
  }

  /** Sends the run before the current message, which itself is not part of it. */
  private flushBefore(bytes: Uint8Array): void {
    const { framer } = this;
    if (bytes === this.whole) return;
    if (framer.headerAt !== SPLIT) this.flushRun(bytes, framer.headerAt);
    this.runFrom = framer.bodyEnd;
  }

  private flushRun(bytes: Uint8Array, to: number): void {
    if (this.runFrom < to) this.server?.send(bytes, this.runFrom, to);
    this.runFrom = to;
  }

  // ── answers of our own ─────────────────────────────────────────────────────────────────────────────────────────

  private get mapsStatements(): boolean {
    return this.plane.settings.preparedStatements && this.pool.settings.mode === PoolMode.Transaction;
  }

  private statementNamed(bytes: Uint8Array, begin: number, end: number): Statement | null {
    if (this.names === null) return null;
    const statement = this.names.get(bytes, begin, end);
    return statement === null ? null : this.pool.statements.used(statement);
  }

  /** Whether it depends on an earlier batch, which is not answered yet, what the client's name stands for. */
  private isInDoubt(bytes: Uint8Array, begin: number, end: number): boolean {
    const { server, nameChanges } = this;
    if (nameChanges === null || server === null) return false;
    const { answered, batchPlace } = server.queue;
    return nameChanges.isInDoubt(bytes, begin, end, answered, batchPlace);
  }

  /** By the message whose answer will be owed next. */
  private nameIsChanged(
    { queue }: ServerSession,
    bytes: Uint8Array,
    begin: number,
    end: number,
    before: Statement | null,
  ): void {
    this.nameChanges ??= new NameChanges();
    this.nameChanges.add(queue.nextPlace, queue.answered, bytes, begin, end, before);
  }

  /** Answers a simple query that needs no server; false when it needs one after all. */
  private answerHere(local: LocalQuery, bytes: Uint8Array, bodyAt: number, bodyEnd: number): boolean {
    const { server } = this;
    const isInTransaction = this.beginIsDeferred || server?.status === TransactionStatus.InTransaction;
    switch (local) {
      case LocalQuery.Check:
        if (server !== null || this.beginIsDeferred) return false;
        this.sendToClient(EMPTY_QUERY_RESPONSE);
        break;
      case LocalQuery.Begin:
      case LocalQuery.StartTransaction:
        if (server !== null || this.beginIsDeferred || this.pool.settings.mode === PoolMode.Session)
          return false;
        if (this.plane.isShuttingDown) return false;
        this.beginIsDeferred = true;
        this.sendToClient(
          local === LocalQuery.Begin ? COMMAND_COMPLETE_BEGIN : COMMAND_COMPLETE_START_TRANSACTION,
        );
        this.sendToClient(READY_FOR_QUERY_IN_TRANSACTION);
        return true;
      case LocalQuery.DeallocateAll:
        if (this.mapsStatements && server?.status !== TransactionStatus.Failed) this.names?.clear();
        if (server !== null || !this.mapsStatements) return false; // SQL's own statements may be there
        this.sendToClient(COMMAND_COMPLETE_DEALLOCATE_ALL);
        break;
      case LocalQuery.Deallocate: {
        if (!this.mapsStatements || server?.status === TransactionStatus.Failed) return false;
        const name = deallocatedName(bytes, bodyAt, bodyEnd);
        if (this.names?.delete(name, 0, name.length) !== true && server !== null) return false;
        this.sendToClient(COMMAND_COMPLETE_DEALLOCATE);
        break;
      }
      default:
        return false;
    }
    this.sendToClient(isInTransaction ? READY_FOR_QUERY_IN_TRANSACTION : READY_FOR_QUERY_IDLE);
    return true;
  }

  private sendToClient(message: Uint8Array): void {
    this.socket.send(message, 0, message.length);
    this.pool.counters.add(Counter.Sent, message.length);
  }

  private sendError(error: ClientFacingError): void {
    this.errors++;
    this.pool.counters.add(Counter.Errors, 1);
    this.sendToClient(errorResponse(error));
  }

  private countTransaction(): void {
    const { counters } = this.pool;
    this.transactions++;
    if (this.server !== null) this.server.transactions++;
    counters.add(Counter.Transactions, 1);
    counters.add(Counter.TransactionTime, usSince(this.transactionSince, this.plane.reactor.nowMs));
    this.transactionSince = ticksAt(this.plane.reactor.nowMs);
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  private ended(error: ClientFacingError): Step {
    this.fail(error);
    return Step.Ended;
  }

  private tooLong(end: number): number {
    const { framer } = this;
    this.fail(
      framer.bodyLength < 0 ? new ProtocolViolation('invalid message length') : new MessageTooLarge(),
    );
    return end;
  }

  private end(why: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.whole = null;
    this.pool.leave(this);
    this.pool.clients--;
    const { server } = this;
    this.server = null;
    if (server !== null) server.leave(this.isMidBatch || this.isMidMessage);
    this.plane.clientEnded(this, why);
  }
}

function isDeallocate(local: LocalQuery): boolean {
  return local === LocalQuery.Deallocate || local === LocalQuery.DeallocateAll;
}

/** Where the name of the statement in a Bind ends; -1 when its end is not among these bytes. */
function statementNameEnd(bytes: Uint8Array, bodyAt: number, bodyEnd: number): number {
  const portalEnd = zeroAt(bytes, bodyAt, bodyEnd);
  return portalEnd < 0 ? -1 : zeroAt(bytes, portalEnd + 1, bodyEnd);
}
