/** A client that has connected and not yet logged in, as bytes: packets and messages are read where they lie, and copied
 *  only when they come in parts. Also the end of a login, whatever it ends by. Not for: what a packet means
 *  (login-negotiation.ts), what proves who somebody is (login-authentication.ts). */
import type { PeerAddress, Receiver, Socket } from '../reactor/reactor.js';
import { peerText } from '../reactor/socket-address.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { LoginTimeout } from '../wire/authentication-errors.js';
import { byteAt, copyOf, int32At } from '../wire/bytes.js';
import { ClientFacingError, ProtocolViolation } from '../wire/client-facing-error.js';
import { errorResponse } from '../wire/error-response.js';
import { Frontend, HEADER_LENGTH, LENGTH_LENGTH, TAG_LENGTH } from '../wire/tags.js';
import type { DataPlane } from './data-plane.js';
import { LOGIN_MESSAGE_MAX, LOGIN_TIMEOUT_MS, TOKEN_MESSAGE_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';

export const enum LoginState {
  Startup,
  /** Waits for its turn to begin the TLS handshake, or for its end: nothing can be said to the client. */
  Handshake,
  /** Nobody of this name is listed: the control plane is asked who it is. */
  LookUp,
  /** … and has answered. */
  LookedUp,
  Md5Response,
  SaslInitialResponse,
  SaslResponse,
  /** A password or token in the clear. */
  Cleartext,
  /** The control plane is asked about it. */
  Proof,
  /** The proof is here, and is judged when it is its turn. */
  Slowed,
  /** Who it is is known; its pool has still to learn what its servers say of themselves. */
  Parameters,
  Ended,
}

const NO_BYTES = new Uint8Array(0);

export abstract class LoginStream implements Receiver, TimerTarget {
  protected readonly plane: DataPlane;
  protected socket: Socket;
  protected state = LoginState.Startup;
  /** Asked for once: one that has gone has none any more. */
  protected readonly peer: PeerAddress;
  /** … for the log. */
  protected readonly address: string;
  /** Longest message that is read. Bytes. */
  protected messageMax = LOGIN_MESSAGE_MAX;
  /** What has come and is not read yet stands in bytes[at, end): lent within a call of onBytes, and else a copy. */
  protected bytes: Uint8Array = NO_BYTES;
  protected at = 0;
  protected end = 0;
  private readonly timer: Timer;
  private readonly connectedMs: number;

  protected constructor(plane: DataPlane, socket: Socket) {
    this.plane = plane;
    this.socket = socket;
    this.timer = new Timer(this);
    this.peer = socket.peerAddress();
    this.address = peerText(this.peer);
    this.connectedMs = plane.reactor.nowMs;
    plane.reactor.setTimer(this.timer, LOGIN_TIMEOUT_MS);
  }

  abstract onConnected(): void;
  abstract onClosed(errno: number): void;
  /** The next packet of the startup phase. Returns whether to go on with what follows it. */
  protected abstract takePacket(): boolean;
  /** The control plane has said who the client is. */
  protected abstract lookedUp(): void;
  /** The body of a message that proves something. */
  protected abstract onPassword(bytes: Uint8Array, bodyAt: number, bodyEnd: number): void;
  /** Nothing waits for the login or is asked on its behalf any more. */
  protected abstract letGo(): void;

  onWritable(): void {
    // nothing is held back for it
  }

  onTimer(): void {
    this.refuse(new LoginTimeout());
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    if (this.hasEnded) return end; // it has brought a cancel
    if (this.at === this.end) this.reads(bytes, begin, end);
    else {
      const both = new Uint8Array(this.end - this.at + end - begin);
      both.set(this.bytes.subarray(this.at, this.end));
      both.set(bytes.subarray(begin, end), this.end - this.at);
      this.reads(both, 0, both.length);
    }
    this.takeAll();
    if (this.bytes === bytes) this.keep();
    return end;
  }

  private reads(bytes: Uint8Array, begin: number, end: number): void {
    this.bytes = bytes;
    this.at = begin;
    this.end = end;
  }

  /** The bytes are not lent any longer. */
  private keep(): void {
    const unread = this.takeUnread();
    this.reads(unread, 0, unread.length);
  }

  /** What is not read yet, copied; it is not to be read here any more. */
  protected takeUnread(): Uint8Array {
    const { bytes, at, end } = this;
    this.reads(NO_BYTES, 0, 0);
    return at === end ? NO_BYTES : copyOf(bytes, at, end);
  }

  protected get hasEnded(): boolean {
    return this.state === LoginState.Ended;
  }

  /** Deals with all that has come. */
  protected takeAll(): void {
    try {
      while (this.takeOne()) if (this.hasEnded) break;
    } catch (error) {
      if (!(error instanceof ClientFacingError)) throw error;
      this.refuse(error);
    }
  }

  /** Deals with the next packet or message; false when it is not whole, or has to wait. */
  private takeOne(): boolean {
    switch (this.state) {
      case LoginState.Startup:
        return this.takePacket();
      case LoginState.LookedUp:
        this.lookedUp();
        return true;
      case LoginState.LookUp:
      case LoginState.Proof:
      case LoginState.Parameters:
        if (this.end - this.at > TOKEN_MESSAGE_MAX) throw new ProtocolViolation('too much before the login');
        return false;
      case LoginState.Handshake:
      case LoginState.Slowed:
      case LoginState.Ended:
        return false;
      default:
        return this.takeMessage();
    }
  }

  private takeMessage(): boolean {
    const { bytes, at, end } = this;
    // Before it is whole: with another tag its length may mean nothing.
    if (at < end && byteAt(bytes, at) !== Frontend.Password)
      throw new ProtocolViolation('expected a password');
    if (end - at < HEADER_LENGTH) return false;
    const length = int32At(bytes, at + TAG_LENGTH);
    if (length < LENGTH_LENGTH || length - LENGTH_LENGTH > this.messageMax) {
      throw new ProtocolViolation('a login message of this length');
    }
    const bodyEnd = at + TAG_LENGTH + length;
    if (bodyEnd > end) return false;
    this.at = bodyEnd; // first: the session that may follow takes what is left
    this.onPassword(bytes, at + HEADER_LENGTH, bodyEnd);
    return true;
  }

  protected send(message: Uint8Array): void {
    this.socket.send(message, 0, message.length);
  }

  /** What the client sends until `resume` must not pile up; what it has sent already goes back to wait with it. */
  protected pause(): void {
    this.giveBack();
    this.socket.pause(true);
  }

  /** Who reads next gets what is not read yet. */
  protected giveBack(): void {
    const { bytes, at, end } = this;
    this.reads(NO_BYTES, 0, 0);
    if (at < end) this.socket.unread(bytes, at, end);
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The client is told why. `why`: more than it is told, for the log. */
  protected refuse(error: ClientFacingError, why = ''): void {
    if (this.hasEnded) return;
    this.plane.countRefused();
    const { message, sqlstate } = error;
    const text = `login refused: ${message}${why && ` (${why})`}`;
    this.plane.log('warn', text, { ...this.logFields, ...this.ruleField, sqlstate }, sqlstate);
    // In the middle of a handshake it would not be understood.
    if (this.state !== LoginState.Handshake) this.send(errorResponse(error, 'FATAL'));
    this.ends();
    this.socket.closeAfterSend();
  }

  protected ends(becomesSession = false): void {
    if (this.hasEnded) return;
    this.state = LoginState.Ended;
    this.takeUnread();
    this.letGo();
    this.plane.reactor.clearTimer(this.timer);
    this.plane.loginEnded(!becomesSession);
  }

  protected get logFields(): LogFields {
    const duration_ms = Math.round(this.plane.reactor.nowMs - this.connectedMs);
    return { address: this.address, duration_ms };
  }

  /** Which rule of hba or pg_hba has decided. */
  protected abstract get ruleField(): LogFields;
}
