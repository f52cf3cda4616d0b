/** What a server sends, as messages: finds them where they lie, has those that must be seen whole gathered, and passes
 *  runs of bytes on to the client in one piece. Not for: what a message means (server-answers.ts). PostgreSQL manual,
 *  "Message Flow". */
import { SystemError } from '../reactor/libc.js';
import type { DetachedSocket, Socket } from '../reactor/reactor.js';
import { Bug } from '../reactor/words.js';
import { Frame, Framer, SPLIT } from '../wire/framer.js';
import { Backend, HEADER_LENGTH } from '../wire/tags.js';
import { AnswerQueue } from './answer-queue.js';
import { isWhole, Meaning, meaningOf } from './backend-meaning.js';
import { Counter, Gauge } from './counters.js';
import { SERVER_MESSAGE_MAX, WHOLE_MESSAGE_MAX } from './limits.js';
import type { Pool } from './pool.js';
import type { ServedClient } from './served-client.js';
import { Attempts, type Caller } from './server-tls.js';

/** Gauge counts them in this order. */
export const enum ServerState {
  /** Connecting and logging in; counted against pool_size. */
  Login,
  /** In the pool: outside a transaction, nothing owed. */
  Idle,
  /** Linked to one client. */
  Active,
  /** Nobody's until what is owed has come: left by its client, or being reset. */
  Cleaning,
  /** Nobody's until it has answered that it is alive. */
  Checking,
  /** On its way to another worker. */
  Leaving,
  Closed,
}

/** What becomes of a message's bytes. */
export const enum Fate {
  Relay,
  Swallow,
  /** Relayed, and then something of ours follows or the client may be parted from the server. */
  RelayAndAct,
  SwallowAndAct,
  /** The server is closed: nothing more is read. */
  Stop,
  /** It is no PostgreSQL: what came before this message is passed on, and then the server is closed. */
  Broken,
}

export abstract class ServerStream implements Caller {
  // What each query touches comes first, as in ClientStream.
  socket: Socket;
  readonly pool: Pool;
  client: ServedClient | null = null;
  readonly queue: AnswerQueue;
  protected readonly framer: Framer;
  state = ServerState.Login;
  /** Whether the framer may be in the middle of a message. */
  protected isInside = false;
  /** Whether the rest of the current message goes to the client. */
  private relaysBody = false;
  /** `act` is due when the current message has been passed to its end. */
  protected actsAtEnd = false;
  /** A message that must be seen whole and is not here yet. */
  private whole: Buffer | null = null;
  private wholeFilled = 0;
  private readonly attempts: Attempts;

  /** Begins to connect, unless there is a connection that another worker had. */
  protected constructor(pool: Pool, detached: DetachedSocket | null) {
    this.pool = pool;
    this.queue = new AnswerQueue();
    this.framer = new Framer(SERVER_MESSAGE_MAX);
    this.attempts = new Attempts(pool);
    this.socket = detached === null ? this.attempts.dial(this) : pool.plane.reactor.attach(detached, this);
    pool.counters.change(Gauge.ServersLogin, 1);
  }

  /** The state changes here and nowhere else: what is counted of the pool's servers follows it. */
  protected moveTo(next: ServerState): void {
    const { counters } = this.pool;
    counters.change(Gauge.ServersLogin + this.state, -1);
    if (next !== ServerState.Closed) counters.change(Gauge.ServersLogin + next, 1);
    this.state = next;
  }

  get isClosed(): boolean {
    return this.state === ServerState.Closed;
  }

  /** Connects again, with TLS when it was without and the other way round, if that is wanted; false when it is not. */
  triesOtherWay(hadTls: boolean): boolean {
    if (!this.attempts.hasAnother(hadTls)) return false;
    try {
      const socket = this.attempts.dial(this);
      this.socket.close();
      this.socket = socket;
      this.framer.reset();
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return false; // what has failed before is told
    }
  }

  abstract dialFailed(why: string): void;
  abstract onConnected(): void;
  abstract onWritable(): void;
  abstract onClosed(errno: number): void;
  abstract onBytes(bytes: Uint8Array, begin: number, end: number): number;

  /** What becomes of a message of which body[bodyAt, bodyEnd) is here. */
  protected abstract decide(
    tag: number,
    meaning: Meaning,
    bytes: Uint8Array,
    bodyAt: number,
    bodyEnd: number,
  ): Fate;
  /** What follows a message whose fate asks for it. */
  protected abstract act(): void;
  /** The message breaks the protocol. Returns Fate.Broken. */
  protected abstract violated(what: string): Fate;
  /** All that came before the message that broke the protocol has been passed on. */
  protected abstract isBroken(): void;

  protected readMessages(bytes: Uint8Array, begin: number, end: number): void {
    const { framer } = this;
    this.isInside = true;
    this.readFrames(framer, bytes, begin, end);
    this.isInside = framer.isInside;
  }

  private readFrames(framer: Framer, bytes: Uint8Array, begin: number, end: number): void {
    let at = begin;
    let runFrom = begin; // bytes from here to `at` are the client's and not yet sent
    while (at < end) {
      if (this.client !== null && this.queue.headIsRelayed) {
        at = framer.skipRows(bytes, at, end, Backend.DataRow, Backend.CopyData);
        if (at === end) break;
      }
      const frame = framer.next(bytes, at, end);
      if (frame === Frame.Violation) {
        this.violated(`message ${String.fromCharCode(framer.tag)} with an impossible length`);
        return this.breakOff(bytes, runFrom, at);
      }
      if (frame === Frame.Starved) {
        this.relay(bytes, runFrom, at);
        return;
      }
      // A split header stands at the beginning of these bytes; it is sent from a copy.
      if (frame === Frame.Message && framer.headerAt === SPLIT) runFrom = framer.bodyAt;
      else if (frame === Frame.Message && framer.tag === Backend.ErrorResponse) {
        // It may part the client from the server; what stands before it is the client's all the same.
        this.relay(bytes, runFrom, framer.headerAt);
        runFrom = framer.headerAt;
      }
      const fate = frame === Frame.Message ? this.messageBegins(bytes) : this.messageGoesOn(bytes);
      if (fate === Fate.Broken) return this.breakOff(bytes, runFrom, at);
      at = framer.bodyEnd;
      if (fate === Fate.Stop) return;
      if (fate === Fate.Swallow || fate === Fate.SwallowAndAct) {
        const isHeaderHere = frame === Frame.Message && framer.headerAt !== SPLIT;
        this.relay(bytes, runFrom, isHeaderHere ? framer.headerAt : framer.bodyAt);
        runFrom = at;
      } else if (frame === Frame.Message && framer.headerAt === SPLIT) this.relayHeader();
      if (fate === Fate.Relay || fate === Fate.Swallow) continue;
      this.relay(bytes, runFrom, at);
      runFrom = at;
      this.act();
    }
    this.relay(bytes, runFrom, end);
  }

  /** Whether the client has got the beginning of a message whose rest is still to come: nothing else may be sent. */
  get isMidRelay(): boolean {
    return this.isInside && this.relaysBody && this.framer.remaining > 0;
  }

  /** … a message of more than so many bytes, which is not COPY data. */
  isMidLargeMessage(limit: number): boolean {
    const { framer } = this;
    return this.isMidRelay && framer.bodyLength > limit && framer.tag !== Backend.CopyData;
  }

  private messageBegins(bytes: Uint8Array): Fate {
    const { framer } = this;
    const meaning = meaningOf(framer.tag);
    if (meaning === Meaning.Violation) return this.violated(`unknown message 0x${framer.tag.toString(16)}`);
    const wantsWhole = isWhole(meaning) || this.state === ServerState.Login;
    if (framer.remaining > 0 && wantsWhole && framer.bodyLength <= WHOLE_MESSAGE_MAX) {
      this.whole = Buffer.allocUnsafe(HEADER_LENGTH + framer.bodyLength);
      framer.writeHeader(this.whole, 0, framer.bodyLength);
      this.wholeFilled = HEADER_LENGTH;
      this.relaysBody = false; // nothing of it is the client's yet
      this.actsAtEnd = false;
      return this.gather(bytes);
    }
    const fate = this.decide(framer.tag, meaning, bytes, framer.bodyAt, framer.bodyEnd);
    this.relaysBody = fate === Fate.Relay || fate === Fate.RelayAndAct;
    this.actsAtEnd = framer.remaining > 0 && (fate === Fate.RelayAndAct || fate === Fate.SwallowAndAct);
    if (!this.actsAtEnd) return fate;
    return this.relaysBody ? Fate.Relay : Fate.Swallow;
  }

  private messageGoesOn(bytes: Uint8Array): Fate {
    if (this.whole !== null) return this.gather(bytes);
    if (this.actsAtEnd && this.framer.remaining === 0) {
      this.actsAtEnd = false;
      return this.relaysBody ? Fate.RelayAndAct : Fate.SwallowAndAct;
    }
    return this.relaysBody ? Fate.Relay : Fate.Swallow;
  }

  /** Collects a message that is to be seen whole. Its bytes are passed on from the collection. */
  private gather(bytes: Uint8Array): Fate {
    const { framer, whole } = this;
    if (whole === null) throw new Bug('nothing is being gathered');
    whole.set(bytes.subarray(framer.bodyAt, framer.bodyEnd), this.wholeFilled);
    this.wholeFilled += framer.bodyEnd - framer.bodyAt;
    if (framer.remaining > 0) return Fate.Swallow;
    this.whole = null;
    // The run before this message was relayed when its beginning was swallowed: the collection may follow.
    const fate = this.decide(framer.tag, meaningOf(framer.tag), whole, HEADER_LENGTH, whole.length);
    if (fate === Fate.Stop || fate === Fate.Broken) return fate;
    if (fate === Fate.Relay || fate === Fate.RelayAndAct) this.relay(whole, 0, whole.length);
    return fate === Fate.RelayAndAct || fate === Fate.SwallowAndAct ? Fate.SwallowAndAct : Fate.Swallow;
  }

  protected relay(bytes: Uint8Array, from: number, to: number): void {
    const { client } = this;
    if (client === null || from >= to) return;
    client.socket.send(bytes, from, to);
    this.pool.counters.add(Counter.Sent, to - from);
    if (client.socket.isCongested) this.socket.pause(false);
  }

  private relayHeader(): void {
    const header = this.pool.plane.scratch(HEADER_LENGTH);
    this.framer.writeHeader(header, 0, this.framer.bodyLength);
    this.relay(header, 0, HEADER_LENGTH);
  }

  private breakOff(bytes: Uint8Array, from: number, to: number): void {
    this.relaysBody = false;
    this.relay(bytes, from, to);
    this.isBroken();
  }
}
