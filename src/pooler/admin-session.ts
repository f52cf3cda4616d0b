/** A client of the admin console: its messages go to the control plane, whole, and what that answers is sent. Not for:
 *  what they mean (control/admin). */
import type { Receiver, Socket } from '../reactor/reactor.js';
import { peerText } from '../reactor/socket-address.js';
import { type ClientFacingError, ProtocolViolation } from '../wire/client-facing-error.js';
import { errorResponse } from '../wire/error-response.js';
import { Frame, Framer } from '../wire/framer.js';
import { Frontend } from '../wire/tags.js';
import type { KeySeed } from './cancel.js';
import type { DataPlane } from './data-plane.js';
import { LOGIN_MESSAGE_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';

/** Messages that wait while others are being answered. Bytes. */
const WAITING_MAX = 4 * LOGIN_MESSAGE_MAX;

const DATABASES = ['pgdoorman', 'pgbouncer'];

/** Whether it is the console that a client wants, and no database. */
export function isAdminDatabase(name: string): boolean {
  return DATABASES.includes(name);
}

export class AdminSession implements Receiver {
  readonly keySeed: KeySeed;
  readonly user: string;
  readonly connectedMs: number;
  readonly logFields: LogFields;
  private readonly plane: DataPlane;
  private readonly socket: Socket;
  private readonly framer = new Framer(LOGIN_MESSAGE_MAX);
  private kept: Buffer = Buffer.alloc(0);
  /** The control plane has messages and has not answered. */
  private isAsking = false;
  private isClosed = false;
  /** What it is told when it has its answer. */
  private farewell: ClientFacingError | null = null;

  constructor(plane: DataPlane, socket: Socket, keySeed: KeySeed, user: string, database: string) {
    this.plane = plane;
    this.socket = socket;
    this.keySeed = keySeed;
    this.user = user;
    this.connectedMs = plane.reactor.nowMs;
    this.logFields = { client_id: this.id, user, database, address: peerText(socket.peerAddress()) };
  }

  get id(): number {
    return this.keySeed.id;
  }

  onConnected(): void {
    // accepted, not connected
  }

  onWritable(): void {
    this.askOn();
  }

  onClosed(_errno: number): void {
    this.end();
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    this.kept = Buffer.concat([this.kept, bytes.subarray(begin, end)]);
    if (this.kept.length > WAITING_MAX) this.fail(new ProtocolViolation('too much at once'));
    this.askOn();
    return end;
  }

  /** What the control plane answers to the messages that it has. */
  answer(messages: Uint8Array): void {
    if (this.isClosed) return;
    this.isAsking = false;
    this.send(messages);
    if (this.farewell !== null) return this.endAtOnce(this.farewell);
    this.askOn();
  }

  /** FATAL and the end, when nothing of it is unanswered. */
  endWith(error: ClientFacingError): void {
    this.farewell = error;
    if (!this.isAsking) this.endAtOnce(error);
  }

  /** … whatever it waits for. */
  endAtOnce(error: ClientFacingError): void {
    this.fail(error, 'FATAL');
  }

  /** A CancelRequest for it has come. */
  cancel(): void {
    this.plane.post({ type: 'adminCancel', client: this.id });
  }

  /** Sends the control plane all messages that are whole, unless it has some already, or the client does not read. */
  private askOn(): void {
    if (this.isAsking || this.isClosed || this.socket.isCongested) return;
    const end = this.wholeEnd();
    if (end > 0) {
      this.isAsking = true;
      this.plane.post({
        type: 'adminMessages',
        client: this.id,
        bytes: new Uint8Array(this.kept.subarray(0, end)),
      });
      this.kept = this.kept.subarray(end);
    } else if (this.kept[0] === Frontend.Terminate) {
      this.socket.closeAfterSend();
      this.end();
    }
  }

  /** Where the messages end that are whole; Terminate is not one of them. */
  private wholeEnd(): number {
    const { framer, kept } = this;
    for (let at = 0; ; at = framer.bodyEnd) {
      const frame = framer.next(kept, at, kept.length);
      if (frame === Frame.Violation) this.fail(new ProtocolViolation('invalid message length'));
      const isWhole = frame === Frame.Message && framer.remaining === 0;
      if (isWhole && framer.tag !== Frontend.Terminate) continue;
      framer.reset();
      return this.isClosed ? 0 : at;
    }
  }

  private send(message: Uint8Array): void {
    this.socket.send(message, 0, message.length);
  }

  private fail(error: ClientFacingError, severity = error.severity): void {
    if (this.isClosed) return;
    this.send(errorResponse(error, severity));
    this.socket.closeAfterSend();
    this.end();
  }

  private end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.kept = Buffer.alloc(0);
    this.plane.adminEnded(this);
  }
}
