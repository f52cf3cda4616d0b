/** What each message of a client means: which go to its server, as they are or changed, and which are answered without
 *  one. Not for: getting and giving back the server (served-client.ts), finding the messages (client-stream.ts), logging
 *  in (client-login.ts), the console (admin-session.ts), what servers answer (server-answers.ts). PostgreSQL manual,
 *  "Message Flow". */
import type { Socket } from '../reactor/reactor.js';
import { byteAt, int32At, putInt32, zeroAt } from '../wire/bytes.js';
import { type ClientFacingError, ProtocolViolation } from '../wire/client-facing-error.js';
import {
  CLOSE_COMPLETE,
  COMMAND_COMPLETE_BEGIN,
  COMMAND_COMPLETE_DEALLOCATE,
  COMMAND_COMPLETE_DEALLOCATE_ALL,
  COMMAND_COMPLETE_START_TRANSACTION,
  EMPTY_QUERY_RESPONSE,
  READY_FOR_QUERY_IDLE,
  READY_FOR_QUERY_IN_TRANSACTION,
} from '../wire/ready-made.js';
import {
  Frontend,
  HEADER_LENGTH,
  LENGTH_LENGTH,
  STATEMENT_KIND,
  TAG_LENGTH,
  TransactionStatus,
} from '../wire/tags.js';
import { Owed } from './answer-queue.js';
import { Step } from './client-stream.js';
import { ServerDirt } from './command-tag.js';
import { Counter } from './counters.js';
import type { DataPlane } from './data-plane.js';
import type { ClientRecord, TravellingClient } from './hand-over.js';
import { GATHERED_BEFORE_CHECKOUT_MAX } from './limits.js';
import type { PlainBatch } from './plain-batch.js';
import type { Pool } from './pool.js';
import { Side } from './protocol-trace.js';
import { ServedClient } from './served-client.js';
import type { ServerSession } from './server-session.js';
import { PoolMode } from './settings.js';
import {
  deallocatedName,
  discardsAll,
  SPECIAL_QUERY_MAX,
  SpecialQuery,
  specialQueryIn,
} from './simple-query.js';
import type { Statement } from './statements.js';
import { TrackedParameters } from './tracked-parameters.js';

export class ClientSession extends ServedClient {
  /** One that another worker had. */
  static takenOver(plane: DataPlane, pool: Pool, socket: Socket, record: ClientRecord): ClientSession {
    const parameters = record.parameters === null ? null : new TrackedParameters();
    if (record.parameters !== null) parameters?.setAll(record.parameters);
    const client = new ClientSession(plane, pool, socket, record.seed, record, parameters);
    client.mode = record.mode;
    client.connectedMs = record.connectedMs;
    client.queries = record.queries;
    client.transactions = record.transactions;
    client.errors = record.errors;
    for (const { name, content } of record.statements) {
      client.ownStatements().setAt(name, pool.statements.find(content, 0, content.length));
    }
    return client;
  }

  /** One that another process had. */
  static arrived(plane: DataPlane, pool: Pool, socket: Socket, record: TravellingClient): ClientSession {
    const client = ClientSession.takenOver(plane, pool, socket, { ...record, pool: pool.index });
    pool.clientComes();
    client.beginIsDeferred = record.beginIsDeferred;
    return client;
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    const { trace } = this.plane;
    if (trace === null) return this.receive(bytes, begin, end);
    trace.begins(this, Side.Client);
    const read = this.receive(bytes, begin, end);
    trace.read(this, bytes, begin, read);
    return read;
  }

  private receive(bytes: Uint8Array, begin: number, end: number): number {
    const read = this.isAtEase ? this.readFirst(bytes, begin, end) : this.readAny(bytes, begin, end);
    this.pool.counters.add(Counter.Received, read - begin);
    return read;
  }

  /** Whether nothing is going on, and nothing stands in the way of what comes next. */
  private get isAtEase(): boolean {
    if (this.isInside || this.whole !== null || this.isMidBatch) return false;
    if (this.beginIsDeferred || this.skipsToSync) return false;
    const { server, plane } = this;
    return server === null ? this.checkoutError === null && !plane.isShuttingDown : server.queue.isEmpty;
  }

  /** Most that comes then is a Query or a batch as a whole: it need not go the general way. */
  private readFirst(bytes: Uint8Array, begin: number, end: number): number {
    const bodyAt = begin + HEADER_LENGTH;
    if (end <= bodyAt) return this.readAny(bytes, begin, end);
    const bodyEnd = begin + TAG_LENGTH + int32At(bytes, begin + TAG_LENGTH);
    switch (byteAt(bytes, begin)) {
      case Frontend.Query:
        if (bodyEnd !== end) break;
        if (specialQueryIn(bytes, bodyAt, end, this.plane.checkQuery) !== SpecialQuery.No) break;
        return this.plainQuery(bytes, begin, end);
      case Frontend.Parse:
      case Frontend.Bind:
        if (bodyEnd < bodyAt || bodyEnd >= end) break;
        return this.batch(bytes, begin, end);
      default:
    }
    return this.readAny(bytes, begin, end);
  }

  private plainQuery(bytes: Uint8Array, begin: number, end: number): number {
    if (this.server === null && this.getServer() !== Step.Done) return begin;
    this.waitsForAnswers = false;
    this.queries++;
    this.owes(Owed.Query);
    const { server } = this;
    server?.beginning.keepText(bytes, begin + HEADER_LENGTH, end);
    server?.send(bytes, begin, end);
    return end;
  }

  /** The beginning of a batch, at least: its first message is here and needs a server. */
  private batch(bytes: Uint8Array, begin: number, end: number): number {
    if (this.server === null && this.getServer() !== Step.Done) return begin;
    const { server, plane } = this;
    const { plainBatch } = plane;
    if (server !== null && plainBatch.read(bytes, begin, end)) {
      const statement = this.preparedFor(plainBatch, bytes, server);
      if (statement !== null) return this.runs(statement, plainBatch, bytes, end, server);
    }
    return this.readAny(bytes, begin, end);
  }

  /** The statement that the batch runs, when the server has it and nothing else is to be seen to; else null. */
  private preparedFor(batch: PlainBatch, bytes: Uint8Array, server: ServerSession): Statement | null {
    if (server.status === TransactionStatus.Failed || server.queue.skipsToSync) return null;
    const statement = this.statementNamed(bytes, batch.nameAt, batch.nameEnd);
    if (statement === null || statement.special !== SpecialQuery.No) return null;
    if (batch.hasParse) {
      if (!this.mapsStatements || !this.pool.statements.isCurrent(statement)) return null;
      if (!statement.hasContent(bytes, batch.contentAt, batch.contentEnd)) return null;
    }
    return server.statements.has(statement) ? statement : null;
  }

  private runs(
    statement: Statement,
    batch: PlainBatch,
    bytes: Uint8Array,
    end: number,
    server: ServerSession,
  ): number {
    this.waitsForAnswers = false;
    this.queries++;
    server.begins();
    server.statements.run(statement, batch.hasParse ? 2 : 1);
    server.queue.pushBatch(batch.owed, batch.owedCount);
    server.beginning.keepStatement(statement);
    this.sendBind(statement, bytes, batch.bodyAt, batch.nameAt, batch.nameEnd, batch.bodyEnd - batch.bodyAt);
    server.send(bytes, batch.nameEnd + 1, end);
    if (server.socket.isCongested) this.socket.pause(false);
    return end;
  }

  private readAny(bytes: Uint8Array, begin: number, end: number): number {
    this.waitsForAnswers = false;
    const readUpTo = this.readMessages(bytes, begin, end);
    const { server } = this;
    if (server !== null) {
      if (server.socket.isCongested) this.socket.pause(false);
      if (this.releaseIsDue && server.queue.isEmpty) this.answersCame(server);
      else if (this.isInside) server.watchLargeMessage();
    }
    return readUpTo;
  }

  // ── messages ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** To be read, or so that nobody can occupy a server with half a message. */
  protected wantsWhole(bytes: Uint8Array): boolean {
    const { framer } = this;
    const comesFirst = this.server === null && framer.bodyLength <= GATHERED_BEFORE_CHECKOUT_MAX;
    switch (framer.tag) {
      case Frontend.Parse:
      case Frontend.Describe:
      case Frontend.Close:
      case Frontend.Execute:
        return true;
      case Frontend.Bind:
        return comesFirst || statementNameEnd(bytes, framer.bodyAt, framer.bodyEnd) < 0;
      case Frontend.Query:
        return comesFirst || framer.bodyLength <= SPECIAL_QUERY_MAX; // which may be answered here
      case Frontend.FunctionCall:
        return comesFirst;
      default:
        return false;
    }
  }

  protected message(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
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
        return this.onExecute(bytes, bodyAt, bodyEnd);
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
        return this.onTerminate();
      default:
        return this.ended(new ProtocolViolation(`invalid frontend message type ${this.framer.tag}`));
    }
  }

  private onQuery(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    if (this.framer.remaining === 0 && !this.isMidBatch && !this.skipsToSync) {
      const special = specialQueryIn(bytes, bodyAt, bodyEnd, this.plane.checkQuery);
      if (special !== SpecialQuery.No) {
        const { server } = this;
        const owesNothing = server?.queue.isEmpty === true && !server.isMidRelay;
        const isFree = server === null || (owesNothing && !server.queue.skipsToSync);
        if (isFree && this.answerHere(special, bytes, bodyAt, bodyEnd)) return this.drop(bytes);
        // PostgreSQL does not know the client's names: it is answered here once its turn has come.
        const isOwing = server !== null && !owesNothing && !server.isInCopyIn;
        if (isOwing && special === SpecialQuery.Deallocate && this.mapsStatements)
          return this.waitForAnswers();
        if (discardsAll(special) && this.mapsStatements) return this.onCycle(bytes, Owed.Query, true);
      }
    }
    return this.onCycle(bytes, Owed.Query);
  }

  /** Query or FunctionCall: the server owes everything up to ReadyForQuery. */
  private onCycle(bytes: Uint8Array, owed: Owed.Query | Owed.FunctionCall, discards = false): Step {
    if (this.skipsToSync) return this.drop(bytes);
    const { server } = this;
    if (server === null || server.isFull()) {
      if (this.checkoutError !== null) return this.refuse(bytes, this.checkoutError);
      const step = this.getServer();
      if (step !== Step.Done) return step;
    }
    this.queries++;
    this.isMidBatch = false;
    if (discards) this.server?.statements.discardsBegin();
    if (owed === Owed.Query) this.server?.beginning.keepText(bytes, this.bodyAt(bytes), this.bodyEnd(bytes));
    this.owes(owed);
    return this.relay(bytes);
  }

  private onParse(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    const nameEnd = zeroAt(bytes, bodyAt, bodyEnd);
    if (nameEnd < 0) return this.ended(new ProtocolViolation('invalid string in Parse'));
    if (!this.mapsStatements) {
      const step = this.onExtended(bytes, Owed.ParseComplete);
      if (step === Step.Done && nameEnd > bodyAt) this.server?.soil(ServerDirt.Prepare);
      if (step === Step.Done) this.server?.beginning.keepText(bytes, nameEnd + 1, bodyEnd);
      return step;
    }
    const step = this.beginExtended(bytes);
    const { server } = this;
    if (step !== Step.Done || server === null || this.skipsToSync) return step;
    const { queue } = server;
    if (queue.skipsToSync) return this.drop(bytes);
    const statements = this.ownStatements();
    const before = this.statementNamed(bytes, bodyAt, nameEnd);
    // Many drivers parse the same text again and again, unnamed.
    const cache = this.pool.statements;
    const isSame =
      before !== null && cache.isCurrent(before) && before.hasContent(bytes, nameEnd + 1, bodyEnd);
    const statement = isSame ? before : cache.find(bytes, nameEnd + 1, bodyEnd);
    if (queue.isInDoubt(statement)) return this.waitForAnswers();
    const isKnown = server.statements.has(statement);
    if (before?.isOwn === true) server.statements.retire(before);
    this.flushBefore(bytes);
    server.begins();
    if (!isKnown) server.statements.makeRoom(); // first: it is not part of what may fail
    if (!isSame || !isKnown || statements.isChanging(queue)) {
      statements.change(queue, bytes, bodyAt, nameEnd, statement);
    }
    server.statements.parse(statement, isKnown);
    server.beginning.keepStatement(statement);
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
    server.statements.prepare(statement);
    server.queue.push(Owed.BindComplete);
    server.beginning.keepStatement(statement);
    this.sendBind(statement, bytes, bodyAt, portalEnd + 1, nameEnd, framer.bodyLength);
    if (bytes === this.whole) server.send(bytes, nameEnd + 1, bodyEnd);
    else this.reading.runFrom = nameEnd + 1;
    return Step.Done;
  }

  /** The same Bind with another name in it, up to that; what lies behind the name goes out from where it is. */
  private sendBind(
    statement: Statement,
    bytes: Uint8Array,
    bodyAt: number,
    nameAt: number,
    nameEnd: number,
    bodyLength: number,
  ): void {
    const { name } = statement;
    statement.uses++;
    this.statements?.bound(statement, bytes, bodyAt, nameAt - 1);
    const start = this.plane.scratch(HEADER_LENGTH + (nameAt - bodyAt) + name.length);
    start[0] = Frontend.Bind;
    putInt32(start, TAG_LENGTH, LENGTH_LENGTH + bodyLength - (nameEnd + 1 - nameAt) + name.length);
    let to = HEADER_LENGTH;
    for (let i = bodyAt; i < nameAt; i++) start[to++] = byteAt(bytes, i);
    for (let i = 0; i < name.length; i++) start[to++] = byteAt(name, i);
    this.server?.send(start, 0, to);
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
    server.statements.prepare(statement);
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
      this.statements?.forget(bytes, bodyAt + 1, nameEnd);
      this.sendToClient(CLOSE_COMPLETE);
      return this.drop(bytes);
    }
    if (this.isInDoubt(bytes, bodyAt + 1, nameEnd)) return this.waitForAnswers();
    // Others share the statement on the server, so only the client's name goes. Unknown names may be SQL's.
    if (this.statementNamed(bytes, bodyAt + 1, nameEnd) === null)
      return this.onExtended(bytes, Owed.CloseComplete);
    const step = this.beginExtended(bytes);
    if (step !== Step.Done) return step;
    this.statements?.change(server.queue, bytes, bodyAt + 1, nameEnd, null);
    this.flushBefore(bytes);
    server.answerLocally(Owed.SyntheticCloseComplete);
    return Step.Done;
  }

  private onExecute(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step {
    const portalEnd = zeroAt(bytes, bodyAt, bodyEnd);
    const dropping = this.statements?.droppingBy(bytes, bodyAt, portalEnd) ?? null;
    if (dropping === null) return this.onExtended(bytes, Owed.ExecuteResult);
    const step = this.beginExtended(bytes);
    const { server } = this;
    if (step !== Step.Done || server === null || this.skipsToSync) return step;
    if (server.queue.skipsToSync) return this.drop(bytes);
    if (dropping.special !== SpecialQuery.Deallocate) server.statements.discardsBegin();
    else this.deallocate(bytes, server, dropping.deallocates);
    this.owes(Owed.ExecuteResult);
    return this.relay(bytes);
  }

  /** Before a DEALLOCATE of a name that only the pooler knows the server gets an empty statement of this name to drop. */
  private deallocate(bytes: Uint8Array, server: ServerSession, name: Uint8Array): void {
    if (this.statementNamed(name, 0, name.length) === null) return;
    this.flushRunBefore(bytes);
    server.begins();
    server.statements.parseEmpty(name);
    this.statements?.change(server.queue, name, 0, name.length, null);
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
    if (server?.statements.isDiscarding === true) return this.waitForAnswers();
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

  private onTerminate(): Step {
    const { server } = this;
    // What was sent before is answered first, as PostgreSQL does it.
    if (server !== null && !server.queue.isEmpty && !this.isMidBatch && !server.isInCopyIn) {
      return this.waitForAnswers();
    }
    this.socket.closeAfterSend();
    this.end('the client said Terminate');
    return Step.Ended;
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
    if (server.isFull() || server.mayBeInCopyIn()) return this.waitForAnswers();
    this.queries++;
    this.isMidBatch = false;
    this.owes(Owed.Sync);
    return this.relay(bytes);
  }

  private onFlush(bytes: Uint8Array): Step {
    // To PostgreSQL that is an error, and it waits for a Sync: whoever got the server next would not be answered.
    if (this.framer.bodyLength > 0) return this.ended(new ProtocolViolation('Flush has no body'));
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

  /** No server for a Query or FunctionCall: the client stays and may try again. */
  private refuse(bytes: Uint8Array, error: ClientFacingError): Step {
    if (this.beginIsDeferred) return this.ended(error);
    this.checkoutError = null;
    this.sendError(error);
    this.sendToClient(READY_FOR_QUERY_IDLE);
    return this.drop(bytes);
  }

  // ── answers of our own ─────────────────────────────────────────────────────────────────────────────────────────

  private get mapsStatements(): boolean {
    return this.plane.settings.preparedStatements && this.mode === PoolMode.Transaction;
  }

  private statementNamed(bytes: Uint8Array, begin: number, end: number): Statement | null {
    const statement = this.statements?.get(bytes, begin, end) ?? null;
    return statement === null ? null : this.pool.statements.used(statement);
  }

  /** Whether it depends on an earlier batch, which is not answered yet, what the client's name stands for. */
  private isInDoubt(bytes: Uint8Array, begin: number, end: number): boolean {
    const { server, statements } = this;
    if (statements === null || server === null) return false;
    return statements.isInDoubt(server.queue, bytes, begin, end);
  }

  /** Answers a simple query that needs no server; false when it needs one after all. */
  private answerHere(special: SpecialQuery, bytes: Uint8Array, bodyAt: number, bodyEnd: number): boolean {
    const { server } = this;
    const isInTransaction = this.beginIsDeferred || server?.status === TransactionStatus.InTransaction;
    switch (special) {
      case SpecialQuery.Check:
        if (server !== null || this.beginIsDeferred) return false;
        this.sendToClient(EMPTY_QUERY_RESPONSE);
        break;
      case SpecialQuery.Begin:
      case SpecialQuery.StartTransaction:
        if (server !== null || this.beginIsDeferred || this.mode === PoolMode.Session) return false;
        if (this.plane.isShuttingDown) return false;
        this.beginIsDeferred = true;
        this.sendToClient(
          special === SpecialQuery.Begin ? COMMAND_COMPLETE_BEGIN : COMMAND_COMPLETE_START_TRANSACTION,
        );
        this.sendToClient(READY_FOR_QUERY_IN_TRANSACTION);
        return true;
      case SpecialQuery.DeallocateAll:
        if (server !== null || !this.mapsStatements) return false; // SQL's own statements may be there
        this.statements?.clear();
        this.sendToClient(COMMAND_COMPLETE_DEALLOCATE_ALL);
        break;
      case SpecialQuery.Deallocate: {
        if (!this.mapsStatements || server?.status === TransactionStatus.Failed) return false;
        const name = deallocatedName(bytes, bodyAt, bodyEnd);
        if (this.statements?.forget(name, 0, name.length) !== true) return false;
        this.sendToClient(COMMAND_COMPLETE_DEALLOCATE);
        break;
      }
      default:
        return false;
    }
    this.sendToClient(isInTransaction ? READY_FOR_QUERY_IN_TRANSACTION : READY_FOR_QUERY_IDLE);
    return true;
  }
}

/** Where the name of the statement in a Bind ends; -1 when its end is not among these bytes. */
function statementNameEnd(bytes: Uint8Array, bodyAt: number, bodyEnd: number): number {
  const portalEnd = zeroAt(bytes, bodyAt, bodyEnd);
  return portalEnd < 0 ? -1 : zeroAt(bytes, portalEnd + 1, bodyEnd);
}
