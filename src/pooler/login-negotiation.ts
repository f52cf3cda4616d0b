/** What a client may ask for before it says who it is: encryption, a cancel. PostgreSQL manual, "Start-up", "Canceling
 *  Requests in Progress", "SSL Session Encryption". */
import type { DetachedSocket, Socket } from '../reactor/reactor.js';
import type { TlsSocket } from '../reactor/tls-socket.js';
import { byteAt, int32At } from '../wire/bytes.js';
import {
  DataBehindSslRequest,
  DirectTlsWithoutAlpn,
  MalformedStartup,
  ProtocolViolation,
  TlsOnUnixSocket,
  TooManyClients,
  UnsupportedProtocol,
} from '../wire/client-facing-error.js';
import { ACCEPT_TLS, REFUSE_ENCRYPTION } from '../wire/ready-made.js';
import { NO_END_POINT } from '../wire/scram-verifier.js';
import {
  classifyStartup,
  readCancelRequest,
  StartupPacket,
  type StartupParameters,
} from '../wire/startup.js';
import { isAdminDatabase } from './admin-session.js';
import { sendCancel } from './cancel.js';
import { Connection } from './connection-counts.js';
import type { DataPlane } from './data-plane.js';
import { Departure, type Traveller } from './departure.js';
import type { ProvenLogin } from './hand-over.js';
import type { HandshakeWaiter } from './handshake-queue.js';
import { LoginState, LoginStream } from './login-stream.js';

/** The first byte of a TLS handshake, which a client may send without asking. No packet is so long as to begin so. */
const TLS_HANDSHAKE = 0x16;
const CODE_AT = 4;

export abstract class LoginNegotiation extends LoginStream implements HandshakeWaiter, Traveller {
  /** null: the connection is not encrypted. */
  protected secured: TlsSocket | null = null;
  /** What SCRAM can be bound to. */
  protected endPoint: Uint8Array = NO_END_POINT;
  /** One client too many: it may cancel, go to the console to see why, or be told so. */
  private readonly isTooMany: boolean;
  private askedForTls = false;
  /** TLS began without an SSLRequest: sslnegotiation=direct. */
  private isDirect = false;

  protected constructor(plane: DataPlane, socket: Socket, isTooMany: boolean) {
    super(plane, socket);
    this.isTooMany = isTooMany;
  }

  /** The client has said who it is. */
  protected abstract begin(startup: StartupParameters): void;

  /** The TLS handshake is done. */
  onConnected(): void {
    this.state = LoginState.Startup;
    if (this.isDirect && this.secured?.hasProtocol !== true) this.refuse(new DirectTlsWithoutAlpn());
  }

  onClosed(_errno: number): void {
    const { tlsFailure } = this.socket;
    if (tlsFailure !== '') {
      this.plane.countRefused();
      this.plane.log('warn', `TLS with a client failed: ${tlsFailure}`, this.logFields);
    }
    this.ends();
  }

  protected takePacket(): boolean {
    const { bytes, at, end } = this;
    if (!this.hasTls) {
      if (this.plane.passage.isDeparting) return this.leaves();
      if (at < end && byteAt(bytes, at) === TLS_HANDSHAKE) return this.beginDirectTls();
    }
    const packet = classifyStartup(bytes, at, end);
    switch (packet) {
      case StartupPacket.Incomplete:
        return false;
      case StartupPacket.SslRequest:
      case StartupPacket.GssEncRequest:
        this.at += int32At(bytes, at);
        return packet === StartupPacket.SslRequest && this.offersTls
          ? this.acceptTls()
          : this.refuseEncryption(packet);
      case StartupPacket.CancelRequest: {
        const key = readCancelRequest(bytes, at);
        this.ends();
        sendCancel(this.plane, key, this.socket);
        return false;
      }
      case StartupPacket.Startup: {
        const length = int32At(bytes, at);
        this.plane.countKind(this.hasTls ? Connection.Tls : Connection.Plain);
        const startup = this.plane.startups.read(bytes, at + CODE_AT, at + length);
        if (this.isTooMany && !isAdminDatabase(startup.database)) throw new TooManyClients();
        this.at += length;
        this.begin(startup);
        return true;
      }
      case StartupPacket.UnsupportedMajor: {
        const version = int32At(bytes, at + CODE_AT);
        throw new UnsupportedProtocol(version >>> 16, version & 0xffff);
      }
      default:
        throw new MalformedStartup('its length is impossible');
    }
  }

  /** What the other process must know when all but the greeting is done; null before that. */
  protected abstract get proven(): ProvenLogin | null;

  /** Another process goes on with it: it has been told nothing yet, or that there is no encryption, or is to be greeted. */
  protected leaves(): boolean {
    new Departure(this, this.socket, this.takeUnread());
    return false;
  }

  hasGone(detached: DetachedSocket, unread: Uint8Array): void {
    const { proven } = this;
    this.ends();
    this.plane.post({ type: 'loginGoes', detached, unread, proven });
  }

  private refuseEncryption(packet: StartupPacket): boolean {
    if (this.askedForTls && packet === StartupPacket.SslRequest)
      throw new ProtocolViolation('a second SSLRequest');
    if (packet === StartupPacket.SslRequest) {
      this.askedForTls = true;
      if (this.peer.isUnix) throw new TlsOnUnixSocket();
    }
    // Whoever insists on TLS goes away now; the others go on in the clear. An error would not be read before that.
    this.send(REFUSE_ENCRYPTION);
    return true;
  }

  // ── TLS ────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected get hasTls(): boolean {
    return this.socket.isTls;
  }

  private get offersTls(): boolean {
    return this.plane.clientTls.context !== null && !this.askedForTls && !this.peer.isUnix;
  }

  private acceptTls(): boolean {
    this.askedForTls = true;
    if (this.at < this.end) throw new DataBehindSslRequest();
    this.send(ACCEPT_TLS);
    return this.awaitHandshake();
  }

  private beginDirectTls(): boolean {
    if (!this.offersTls) {
      this.plane.countRefused();
      this.plane.log('warn', 'a client began TLS, which is not offered', this.logFields);
      this.ends();
      this.socket.close(); // it would not understand an answer
      return false;
    }
    this.askedForTls = true;
    this.isDirect = true;
    return this.awaitHandshake();
  }

  private awaitHandshake(): boolean {
    this.state = LoginState.Handshake;
    this.pause();
    this.plane.clientTls.handshakes.enter(this);
    return false;
  }

  beginHandshake(): void {
    const { plane, socket } = this;
    const { context } = plane.clientTls;
    if (context === null) {
      this.ends(); // a RELOAD has taken TLS away
      return socket.close();
    }
    this.endPoint = context.endPoint;
    this.secured = plane.reactor.secure(socket, context.engine(), this);
    this.socket = this.secured;
  }

  protected letGo(): void {
    if (this.askedForTls) this.plane.clientTls.handshakes.leave(this);
  }
}
