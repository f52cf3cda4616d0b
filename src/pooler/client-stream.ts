/** What a client sends, as messages: finds them where they lie, has those that must be whole gathered, and passes runs
 *  of bytes that need no change on to its server in one piece. Not for: what a message means (client-session.ts).
 *  PostgreSQL manual, "Message Flow". */
import type { Socket } from '../reactor/reactor.js';
import { Bug } from '../reactor/words.js';
import {
  type ClientFacingError,
  MessageTooLarge,
  OutOfMemory,
  ProtocolViolation,
} from '../wire/client-facing-error.js';
import { Frame, Framer, SPLIT } from '../wire/framer.js';
import { Frontend, HEADER_LENGTH, LENGTH_LENGTH } from '../wire/tags.js';
import type { DataPlane } from './data-plane.js';
import { CLIENT_MESSAGE_MAX, SMALL_MESSAGE_MAX } from './limits.js';
import type { Pool } from './pool.js';
import type { ServerSession } from './server-session.js';

export const enum Step {
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

/** Where it is in what it reads. Apart from the session, since a query that comes alone has no use for it. */
class Reading {
  /** Within one call of readMessages. */
  bytes: Uint8Array | null = null;
  /** Bytes from here on are the server's and not yet sent; within one call of readMessages. */
  runFrom = 0;
  rest = Rest.ToServer;
  /** So much of the message that is being gathered is there. */
  wholeFilled = 0;
}

export abstract class ClientStream {
  // What each query touches comes first: with thousands of clients every cache line of a session is a cold one.
  readonly socket: Socket;
  readonly pool: Pool;
  readonly plane: DataPlane;
  server: ServerSession | null = null;
  protected readonly framer: Framer;
  /** Whether the framer may be in the middle of a message: seldom, so that it is seldom looked at. */
  protected isInside = false;
  /** A message that is to be seen whole: being gathered, or ready and waiting for a server. */
  protected whole: Buffer | null = null;
  protected readonly reading = new Reading();

  protected constructor(plane: DataPlane, pool: Pool, socket: Socket) {
    this.socket = socket;
    this.pool = pool;
    this.plane = plane;
    this.framer = new Framer(CLIENT_MESSAGE_MAX);
  }

  /** One message of which body[bodyAt, bodyEnd) is here. */
  protected abstract message(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Step;
  /** Whether the current message, which is here in part, must be here as a whole first. */
  protected abstract wantsWhole(bytes: Uint8Array): boolean;
  /** The current message has to wait; what stands before it has been passed on. */
  protected abstract isPutOff(): void;
  protected abstract fail(error: ClientFacingError): void;

  /** Any messages, or parts of them. Returns how far it has read. */
  protected readMessages(bytes: Uint8Array, begin: number, end: number): number {
    const { framer } = this;
    this.isInside = true;
    this.reading.bytes = bytes;
    const readUpTo = this.readFrames(framer, bytes, begin, end);
    this.reading.bytes = null;
    this.isInside = framer.isInside;
    return readUpTo;
  }

  private readFrames(framer: Framer, bytes: Uint8Array, begin: number, end: number): number {
    if (this.whole !== null && framer.remaining === 0) {
      const step = this.wholeMessage(this.whole);
      if (step === Step.Later) this.isPutOff();
      if (step !== Step.Done) return step === Step.Later ? begin : end;
    }
    let at = begin;
    this.reading.runFrom = begin;
    while (at < end || framer.hasHeader) {
      if (this.server?.isInCopyIn === true) {
        at = framer.skipRows(bytes, at, end, Frontend.CopyData, Frontend.CopyData);
        if (at === end) break;
      }
      const frame = framer.next(bytes, at, end);
      if (frame === Frame.Starved) {
        this.flushRun(bytes, at);
        return end;
      }
      if (frame === Frame.Violation || isTooLong(framer)) {
        this.flushRun(bytes, at);
        const isLarge = frame === Frame.Violation && framer.bodyLength > 0;
        this.fail(isLarge ? new MessageTooLarge() : new ProtocolViolation('invalid message length'));
        return end;
      }
      const step = frame === Frame.Message ? this.messageBegins(bytes) : this.messageGoesOn(bytes);
      if (step === Step.Ended) return end;
      if (step === Step.Later) {
        this.isPutOff();
        return this.whole === null ? framer.rewind() : framer.bodyEnd;
      }
      at = framer.bodyEnd;
    }
    this.flushRun(bytes, end);
    return end;
  }

  /** Part of a message has gone to the server and the rest has not. */
  get isMidMessage(): boolean {
    return this.isInside && this.framer.remaining > 0 && this.reading.rest === Rest.ToServer;
  }

  /** … a message of more than so many bytes, which is not COPY data. */
  isMidLargeMessage(limit: number): boolean {
    const { framer } = this;
    return this.isMidMessage && framer.bodyLength > limit && framer.tag !== Frontend.CopyData;
  }

  private messageBegins(bytes: Uint8Array): Step {
    const { framer } = this;
    const isSplit = framer.headerAt === SPLIT;
    if (isSplit) this.reading.runFrom = framer.bodyAt;
    if (framer.remaining > 0 && this.wantsWhole(bytes)) {
      this.flushRun(bytes, isSplit ? framer.bodyAt : framer.headerAt);
      return this.beginGathering(bytes);
    }
    this.reading.rest = Rest.ToServer;
    const step = this.message(bytes, framer.bodyAt, framer.bodyEnd);
    if (step === Step.Later) this.flushRun(bytes, isSplit ? framer.bodyAt : framer.headerAt);
    return step;
  }

  private messageGoesOn(bytes: Uint8Array): Step {
    if (this.reading.rest === Rest.ToServer) return Step.Done; // the run goes on
    if (this.reading.rest === Rest.Gathered) return this.gather(bytes);
    this.reading.runFrom = this.framer.bodyEnd;
    return Step.Done;
  }

  // ── messages that must be whole ────────────────────────────────────────────────────────────────────────────────

  private beginGathering(bytes: Uint8Array): Step {
    const { framer } = this;
    if (!this.plane.memory.take(framer.bodyLength)) return this.ended(new OutOfMemory());
    this.whole = Buffer.allocUnsafe(HEADER_LENGTH + framer.bodyLength);
    framer.writeHeader(this.whole, 0, framer.bodyLength);
    this.reading.wholeFilled = HEADER_LENGTH;
    this.reading.rest = Rest.Gathered;
    return this.gather(bytes);
  }

  private gather(bytes: Uint8Array): Step {
    const { framer, whole } = this;
    if (whole === null) throw new Bug('nothing is being gathered');
    whole.set(bytes.subarray(framer.bodyAt, framer.bodyEnd), this.reading.wholeFilled);
    this.reading.wholeFilled += framer.bodyEnd - framer.bodyAt;
    this.reading.runFrom = framer.bodyEnd;
    return framer.remaining > 0 ? Step.Done : this.wholeMessage(whole);
  }

  private wholeMessage(whole: Buffer): Step {
    const { runFrom } = this.reading;
    const step = this.message(whole, HEADER_LENGTH, whole.length);
    this.reading.runFrom = runFrom;
    if (step !== Step.Later) this.forgetWhole();
    return step;
  }

  /** Takes what it has of a message that was put off and is not the socket's any more: the beginning of what is to be
   *  read next. */
  takePutOff(): Uint8Array {
    const bytes = this.putOff();
    if (this.whole !== null) this.forgetWhole();
    else if (this.framer.hasHeader) this.framer.reset();
    return bytes;
  }

  private putOff(): Uint8Array {
    const { framer, whole } = this;
    if (whole !== null) return whole;
    const header = new Uint8Array(framer.hasHeader ? HEADER_LENGTH : 0);
    if (framer.hasHeader) framer.writeHeader(header, 0, framer.bodyLength);
    return header;
  }

  /** How the message begins that was put off, wherever it lies; with its header. */
  protected putOffBeginning(lengthMax: number): Uint8Array {
    const first = this.putOff().subarray(0, lengthMax);
    return this.whole !== null ? first : Buffer.concat([first, this.socket.kept(lengthMax - first.length)]);
  }

  protected forgetWhole(): void {
    if (this.whole === null) return;
    this.plane.memory.giveBack(this.whole.length - HEADER_LENGTH);
    this.whole = null;
  }

  // ── bytes to the server ────────────────────────────────────────────────────────────────────────────────────────

  /** The current message goes on as it is, in the run or from where it was gathered. */
  protected relay(bytes: Uint8Array): Step {
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
  protected drop(bytes: Uint8Array): Step {
    this.flushBefore(bytes);
    if (bytes !== this.whole) this.reading.rest = Rest.Dropped;
    return Step.Done;
  }

  /** Sends the run before the current message, which itself is not part of it. */
  protected flushBefore(bytes: Uint8Array): void {
    if (bytes === this.whole) return;
    this.flushRunBefore(bytes);
    this.reading.runFrom = this.framer.bodyEnd;
  }

  /** Sends the run before the current message, which is the beginning of the next. */
  protected flushRunBefore(bytes: Uint8Array): void {
    const { framer } = this;
    if (bytes !== this.whole && framer.headerAt !== SPLIT) this.flushRun(bytes, framer.headerAt);
  }

  private flushRun(bytes: Uint8Array, to: number): void {
    if (this.reading.runFrom < to) this.server?.send(bytes, this.reading.runFrom, to);
    this.reading.runFrom = to;
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** With the current message; what stands before it goes to the server, which has been told to expect it. */
  protected ended(error: ClientFacingError): Step {
    // Before one that was gathered nothing is left.
    if (this.reading.bytes !== null && this.whole === null)
      this.flushRun(this.reading.bytes, this.framer.headerAt);
    this.fail(error);
    return Step.Ended;
  }
}

/** Whether it is of a kind that is always short, and is not. */
function isTooLong({ bodyLength, tag }: Framer): boolean {
  if (bodyLength <= SMALL_MESSAGE_MAX - LENGTH_LENGTH) return false;
  switch (tag) {
    case Frontend.Describe:
    case Frontend.Close:
    case Frontend.Execute:
    case Frontend.Sync:
    case Frontend.Flush:
    case Frontend.CopyDone:
    case Frontend.CopyFail:
    case Frontend.Terminate:
      return true;
    default:
      return false;
  }
}
