/** A client of the admin console: what it asks goes to the control plane, which answers in whole messages. */
import type { Receiver, Socket } from '../reactor/reactor.js';
import { peerText } from '../reactor/socket-address.js';
import { textBetween } from '../wire/bytes.js';
import {
  type ClientFacingError,
  FeatureNotSupported,
  ProtocolViolation,
} from '../wire/client-facing-error.js';
import { errorResponse } from '../wire/error-response.js';
import { Frame, Framer } from '../wire/framer.js';
import { READY_FOR_QUERY_IDLE } from '../wire/ready-made.js';
import { Frontend } from '../wire/tags.js';
import type { DataPlane } from './data-plane.js';
import { LOGIN_MESSAGE_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';

export class AdminSession implements Receiver {
  readonly id: number;
  readonly user: string;
  readonly connectedMs: number;
  readonly logFields: LogFields;
  private readonly plane: DataPlane;
  private readonly socket: Socket;
  private readonly framer = new Framer(LOGIN_MESSAGE_MAX);
  private kept: Buffer = Buffer.alloc(0);
  /** One question at a time: the control plane has one and has not answered. */
  private isAsking = false;
  private skipsToSync = false;
  private isClosed = false;

  constructor(plane: DataPlane, socket: Socket, id: number, user: string, database: string) {
    this.plane = plane;
    this.socket = socket;
    this.id = id;
    this.user = user;
    this.connectedMs = plane.reactor.nowMs;
    this.logFields = { client_id: id, user, database, address: peerText(socket.peerAddress()) };
  }

  onConnected(): void {
    // accepted, not connected
  }

  onWritable(): void {
    // answers are short
  }

  onClosed(_errno: number): void {
    this.end();
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    this.kept = Buffer.concat([this.kept, bytes.subarray(begin, end)]);
    if (this.kept.length > 2 * LOGIN_MESSAGE_MAX) this.fail(new ProtocolViolation('too much at once'));
    this.takeMessages();
    return end;
  }

  /** The control plane's answer, ReadyForQuery included. */
  answer(message: Uint8Array): void {
    if (this.isClosed) return;
    this.isAsking = false;
    this.send(message);
    this.takeMessages();
  }

  private takeMessages(): void {
    const { framer } = this;
    while (!this.isAsking && !this.isClosed) {
      const frame = framer.next(this.kept, 0, this.kept.length);
      if (frame === Frame.Violation) return this.fail(new ProtocolViolation('invalid message length'));
      if (frame === Frame.Starved || framer.remaining > 0) return framer.reset();
      const { bodyAt, bodyEnd, tag } = framer;
      const body = this.kept;
      this.kept = this.kept.subarray(bodyEnd);
      this.message(tag, body, bodyAt, bodyEnd);
    }
  }

  private message(tag: number, bytes: Uint8Array, bodyAt: number, bodyEnd: number): void {
    switch (tag) {
      case Frontend.Query:
        this.isAsking = true;
        return this.plane.post({
          type: 'adminQuery',
          client: this.id,
          sql: textBetween(bytes, bodyAt, Math.max(bodyAt, bodyEnd - 1)),
        });
      case Frontend.Sync:
        this.skipsToSync = false;
        return this.send(READY_FOR_QUERY_IDLE);
      case Frontend.Terminate:
        this.socket.closeAfterSend();
        return this.end();
      case Frontend.Flush:
        return;
      default:
        if (this.skipsToSync) return;
        this.skipsToSync = true;
        this.send(
          errorResponse(new FeatureNotSupported('the admin console speaks the simple query protocol only')),
        );
    }
  }

  private send(message: Uint8Array): void {
    this.socket.send(message, 0, message.length);
  }

  private fail(error: ClientFacingError): void {
    this.send(errorResponse(error));
    this.socket.closeAfterSend();
    this.end();
  }

  private end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.plane.adminEnded(this);
  }
}
