/** A client that has connected and not yet logged in: startup packets, access rules, the password exchange, the
 *  greeting. Afterwards a ClientSession or an AdminSession takes its place. PostgreSQL manual, "Start-up". */
import type { Receiver, Socket } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import type { TlsSocket } from '../reactor/tls-socket.js';
import {
  AuthenticationFailed,
  AuthMethodUnsupported,
  LoginTimeout,
  PasswordAuthenticationFailed,
  TooManyFailedLogins,
} from '../wire/authentication-errors.js';
import { copyOf, int32At } from '../wire/bytes.js';
import {
  ClientFacingError,
  DataBehindSslRequest,
  DirectTlsWithoutAlpn,
  FeatureNotSupported,
  MalformedStartup,
  NoSuchPool,
  NotPermittedByHba,
  ProtocolViolation,
  ShuttingDown,
  TlsOnUnixSocket,
  TlsRequired,
  TooManyClients,
  UnsupportedProtocol,
} from '../wire/client-facing-error.js';
import { errorResponse } from '../wire/error-response.js';
import { Frame, Framer } from '../wire/framer.js';
import { isMd5Response } from '../wire/md5.js';
import {
  authenticationMd5,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  backendKeyData,
  parameterStatus,
} from '../wire/message-builder.js';
import { readPasswordMessage, readSaslInitialResponse } from '../wire/password-message.js';
import {
  ACCEPT_TLS,
  AUTHENTICATION_OK,
  READY_FOR_QUERY_IDLE,
  REFUSE_ENCRYPTION,
} from '../wire/ready-made.js';
import { ScramServerExchange } from '../wire/scram-server.js';
import { NO_END_POINT, scramNonce } from '../wire/scram-verifier.js';
import {
  classifyStartup,
  needsNegotiation,
  negotiateProtocolVersion,
  readCancelRequest,
  readStartupParameters,
  StartupPacket,
  type StartupParameters,
} from '../wire/startup.js';
import { Frontend } from '../wire/tags.js';
import { type Judgement, Verdict } from './access.js';
import { AdminSession } from './admin-session.js';
import { cancelSecret, type KeySeed, sendCancel } from './cancel.js';
import { ClientSession } from './client-session.js';
import type { DataPlane } from './data-plane.js';
import type { Attempt } from './failed-logins.js';
import type { HandshakeWaiter } from './handshake-queue.js';
import { LOGIN_MESSAGE_MAX, LOGIN_TIMEOUT_MS } from './limits.js';
import { mockSecret } from './mock-secret.js';
import type { Pool } from './pool.js';
import type { ClientSecret } from './settings.js';
import { spelledAs, TrackedParameters, trackedName } from './tracked-parameters.js';

const enum LoginState {
  Startup,
  /** Waits for its turn to begin the TLS handshake, or for its end: nothing can be said to the client. */
  Handshake,
  Md5Response,
  SaslInitialResponse,
  SaslResponse,
  /** The proof is here, and is judged when it is its turn. */
  Slowed,
  /** Who it is is known; its pool has still to learn what its servers say of themselves. */
  Parameters,
  Ended,
}

const ADMIN_DATABASES = ['pgdoorman', 'pgbouncer'];
const ADMIN_PARAMETERS: readonly (readonly [string, string])[] = [
  ['client_encoding', 'UTF8'],
  ['DateStyle', 'ISO, MDY'],
  ['TimeZone', 'Etc/UTC'],
  ['server_encoding', 'UTF-8'],
  ['standard_conforming_strings', 'on'],
  ['integer_datetimes', 'on'],
  ['application_name', 'pg_doorman'],
];

/** The first byte of a TLS handshake, which a client may send without asking. No packet is so long as to begin so. */
const TLS_HANDSHAKE = 0x16;

export class ClientLogin implements Receiver, TimerTarget, HandshakeWaiter, Attempt {
  private readonly plane: DataPlane;
  private socket: Socket;
  private secured: TlsSocket | null = null;
  private readonly timer: Timer;
  /** One client too many: it may cancel or be told so. */
  private readonly isTooMany: boolean;
  private state = LoginState.Startup;
  /** What has come of a packet that is not yet whole. */
  private kept: Buffer = Buffer.alloc(0);
  private readonly framer = new Framer(LOGIN_MESSAGE_MAX);
  private startup: StartupParameters | null = null;
  private pool: Pool | null = null;
  private secret: ClientSecret = { kind: 'none' };
  private salt: Uint8Array = new Uint8Array(0);
  private scram: ScramServerExchange | null = null;
  /** What the client has sent last to prove who it is. */
  private proof: Uint8Array = new Uint8Array(0);
  private isAdmin = false;
  private judgement: Judgement | null = null;
  /** What SCRAM can be bound to. */
  private endPoint: Uint8Array = NO_END_POINT;
  private askedForTls = false;
  /** TLS began without an SSLRequest: sslnegotiation=direct. */
  private isDirect = false;

  constructor(plane: DataPlane, socket: Socket, isTooMany: boolean) {
    this.plane = plane;
    this.socket = socket;
    this.isTooMany = isTooMany;
    this.timer = new Timer(this);
    plane.reactor.setTimer(this.timer, LOGIN_TIMEOUT_MS);
  }

  /** The TLS handshake is done. */
  onConnected(): void {
    this.plane.countTls();
    this.state = LoginState.Startup;
    if (this.isDirect && this.secured?.hasProtocol !== true) this.refuse(new DirectTlsWithoutAlpn());
  }

  onWritable(): void {
    // nothing is held back for it
  }

  onClosed(_errno: number): void {
    const { tlsFailure } = this.socket;
    if (tlsFailure !== '') {
      this.plane.countRefused();
      this.plane.log('warn', `TLS with ${this.peer()} failed: ${tlsFailure}`);
    }
    this.ends();
  }

  onTimer(): void {
    this.refuse(new LoginTimeout());
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    if (this.hasEnded) return end; // it has brought a cancel
    // Logins are few and short: their bytes are copied into one piece, and read from there.
    this.kept = Buffer.concat([this.kept, bytes.subarray(begin, end)]);
    try {
      while (this.takeOne()) if (this.hasEnded) break;
    } catch (error) {
      if (!(error instanceof ClientFacingError)) throw error;
      this.refuse(error);
    }
    return end;
  }

  /** The pool knows what its servers say of themselves. */
  parametersCame(): void {
    if (this.state === LoginState.Parameters) this.greet();
  }

  /** No server of the pool could be asked. */
  noParameters(error: ClientFacingError): void {
    this.refuse(error);
  }

  private get hasEnded(): boolean {
    return this.state === LoginState.Ended;
  }

  // ── packets and messages ───────────────────────────────────────────────────────────────────────────────────────

  /** Deals with the next packet or message; false when it is not whole, or has to wait. */
  private takeOne(): boolean {
    switch (this.state) {
      case LoginState.Startup:
        return this.kept[0] === TLS_HANDSHAKE && !this.hasTls ? this.beginDirectTls() : this.takePacket();
      case LoginState.Handshake:
      case LoginState.Slowed:
      case LoginState.Parameters:
      case LoginState.Ended:
        return false;
      default:
        return this.takeMessage();
    }
  }

  private takePacket(): boolean {
    const { kept } = this;
    const packet = classifyStartup(kept, 0, kept.length);
    switch (packet) {
      case StartupPacket.Incomplete:
        return false;
      case StartupPacket.SslRequest:
      case StartupPacket.GssEncRequest:
        this.consume(int32At(kept, 0));
        return packet === StartupPacket.SslRequest && this.offersTls
          ? this.acceptTls()
          : this.refuseEncryption(packet);
      case StartupPacket.CancelRequest:
        this.ends();
        sendCancel(this.plane, readCancelRequest(kept, 0), this.socket);
        return false;
      case StartupPacket.Startup: {
        const length = int32At(kept, 0);
        if (this.isTooMany) throw new TooManyClients();
        const startup = readStartupParameters(kept, 4, length);
        this.consume(length);
        this.begin(startup);
        return true;
      }
      case StartupPacket.UnsupportedMajor: {
        const version = int32At(kept, 4);
        throw new UnsupportedProtocol(version >>> 16, version & 0xffff);
      }
      default:
        throw new MalformedStartup('its length is impossible');
    }
  }

  private takeMessage(): boolean {
    const { framer, kept } = this;
    // Before it is whole: with another tag its length may mean nothing.
    if (kept.length > 0 && kept[0] !== Frontend.Password) throw new ProtocolViolation('expected a password');
    const frame = framer.next(kept, 0, kept.length);
    if (frame === Frame.Violation) throw new ProtocolViolation('a login message of this length');
    if (frame === Frame.Starved || framer.remaining > 0) {
      framer.reset();
      return false;
    }
    const { bodyAt, bodyEnd } = framer;
    this.consume(bodyEnd); // first: the session that may follow takes what is left
    this.onPassword(kept, bodyAt, bodyEnd);
    return true;
  }

  private refuseEncryption(packet: StartupPacket): boolean {
    if (this.askedForTls && packet === StartupPacket.SslRequest)
      throw new ProtocolViolation('a second SSLRequest');
    if (packet === StartupPacket.SslRequest) {
      this.askedForTls = true;
      if (this.socket.peerAddress().isUnix) throw new TlsOnUnixSocket();
    }
    this.send(REFUSE_ENCRYPTION);
    // Whoever insists on TLS goes away now; the others, and libpq's cancel, go on in the clear.
    if (this.isTooMany && packet === StartupPacket.SslRequest) throw new TooManyClients();
    return true;
  }

  // ── TLS ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private get hasTls(): boolean {
    return this.socket.isTls;
  }

  private get offersTls(): boolean {
    return this.plane.clientTls.context !== null && !this.askedForTls && !this.socket.peerAddress().isUnix;
  }

  private acceptTls(): boolean {
    this.askedForTls = true;
    if (this.kept.length > 0) throw new DataBehindSslRequest();
    this.send(ACCEPT_TLS);
    return this.awaitHandshake();
  }

  private beginDirectTls(): boolean {
    if (!this.offersTls) {
      this.plane.countRefused();
      this.plane.log('warn', `${this.peer()} began TLS, which is not offered`);
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

  // ── who is it? ─────────────────────────────────────────────────────────────────────────────────────────────────

  private begin(startup: StartupParameters): void {
    this.startup = startup;
    const { plane } = this;
    if (plane.clientTls.isRequired && !this.hasTls) throw new TlsRequired();
    if (plane.isShuttingDown) throw new ShuttingDown();
    if (needsNegotiation(startup)) this.send(negotiateProtocolVersion(startup));
    const { user, database } = startup;
    if (isReplication(startup.others.get('replication'))) {
      throw new FeatureNotSupported('replication is not pooled: connect to PostgreSQL itself for it');
    }
    const peer = this.socket.peerAddress();
    this.judgement = plane.access.judge(peer, this.hasTls, database, user);
    const { verdict } = this.judgement;
    if (verdict === Verdict.Reject) throw this.notPermitted(startup);
    if (ADMIN_DATABASES.includes(database)) {
      this.isAdmin = true;
      const { username, secret } = plane.settings.admin;
      const mock = mockSecret(secret, user, plane.start.mockKey); // for all names, as it takes time
      if (user !== username && verdict === Verdict.Trust) throw new PasswordAuthenticationFailed(user);
      this.secret = user === username ? secret : mock;
    } else {
      this.pool = plane.findPool(database, user);
      if (this.pool === null) throw new NoSuchPool(database, user);
      this.secret = this.pool.settings.clientSecret;
    }
    if (verdict === Verdict.Trust) this.authenticated();
    else this.askForProof(startup, verdict);
  }

  private askForProof(startup: StartupParameters, verdict: Verdict): void {
    const { secret } = this;
    switch (secret.kind) {
      case 'md5':
        if (verdict === Verdict.Scram) throw this.notPermitted(startup);
        this.salt = this.plane.reactor.random(4);
        this.state = LoginState.Md5Response;
        return this.send(authenticationMd5(this.salt));
      case 'scram':
        this.scram = new ScramServerExchange(
          secret,
          scramNonce((length) => this.plane.reactor.random(length)),
          this.endPoint,
        );
        this.state = LoginState.SaslInitialResponse;
        return this.send(authenticationSasl(this.scram.mechanisms));
      case 'none':
        this.plane.log(
          'warn',
          `${this.who()} has no password in the configuration, and no rule of pg_hba trusts it`,
        );
        throw new AuthenticationFailed();
      case 'unusable':
        this.plane.log('warn', `${this.who()} cannot log in: ${secret.why}`);
        throw new AuthMethodUnsupported();
    }
  }

  private onPassword(bytes: Uint8Array, bodyAt: number, bodyEnd: number): void {
    const { scram } = this;
    switch (this.state) {
      case LoginState.SaslInitialResponse: {
        const { mechanism, data } = readSaslInitialResponse(bytes, bodyAt, bodyEnd);
        if (scram === null || !scram.mechanisms.includes(mechanism)) {
          throw new ProtocolViolation('a SASL mechanism that was not offered');
        }
        this.state = LoginState.SaslResponse;
        return this.send(authenticationSaslContinue(scram.clientFirst(data, mechanism)));
      }
      case LoginState.Md5Response:
      case LoginState.SaslResponse:
        this.proof = copyOf(bytes, bodyAt, bodyEnd);
        return this.isAdmin ? this.takeTurn() : this.judge();
      default:
        throw new ProtocolViolation('a password that nobody asked for');
    }
  }

  /** Who has failed before waits. */
  private takeTurn(): void {
    this.state = LoginState.Slowed;
    this.pause();
    const { host } = this.socket.peerAddress();
    if (!this.plane.failedLogins.enter(host, this)) throw new TooManyFailedLogins();
  }

  judge(): void {
    try {
      this.checkProof();
      this.authenticated();
    } catch (error) {
      if (!(error instanceof ClientFacingError)) throw error;
      if (this.isAdmin) this.adminFailed(error);
      else this.refuse(error);
    }
  }

  /** Throws AuthenticationFailed and other errors of authentication. */
  private checkProof(): void {
    const { proof, scram, secret } = this;
    if (scram !== null) {
      this.send(authenticationSaslFinal(scram.clientFinal(proof)));
      return this.pool?.learnClientKey(scram.clientKey);
    }
    const response = readPasswordMessage(proof, 0, proof.length);
    if (secret.kind !== 'md5' || !isMd5Response(secret.hash, this.salt, response)) {
      throw new AuthenticationFailed();
    }
  }

  private adminFailed(error: ClientFacingError): void {
    const { plane, startup } = this;
    const { host } = this.socket.peerAddress();
    plane.peers.postToAll({ type: 'loginFailed', address: host });
    const times = plane.failedLogins.failed(host);
    const isWrong = error instanceof AuthenticationFailed;
    this.refuse(
      isWrong ? new PasswordAuthenticationFailed(startup?.user ?? '') : error,
      `; failed logins to the console from there: ${times}`,
    );
  }

  // ── welcome ────────────────────────────────────────────────────────────────────────────────────────────────────

  private authenticated(): void {
    const { pool, startup } = this;
    if (startup === null) throw new MalformedStartup('there was none');
    if (pool === null) return this.welcomeAdmin();
    this.state = LoginState.Parameters;
    if (pool.knowsParameters) return this.greet();
    this.pause();
    pool.wantParameters(this);
  }

  private greet(): void {
    const { pool, startup, plane, socket } = this;
    if (pool === null || startup === null) return;
    const parameters = new Map([...pool.parameters, ['application_name', startup.applicationName]]);
    for (const [name, value] of startup.others) {
      const own = trackedName(name);
      if (own !== undefined) parameters.set(own, spelledAs(own, value, pool.parameters.get(own)));
    }
    const seed = plane.newKeySeed(startup.minorVersion);
    const tracked = plane.settings.syncServerParameters ? new TrackedParameters() : null;
    for (const [name, value] of parameters) tracked?.set(name, value);
    const session = new ClientSession(plane, pool, socket, seed, startup.applicationName, tracked);
    this.sendGreeting([...parameters], seed);
    const how = this.secured === null ? '' : ` over ${this.secured.version}`;
    plane.clientBegins(session, this.peer() + how, this.byRule());
    this.handOver(session);
  }

  private welcomeAdmin(): void {
    const { plane, socket, startup } = this;
    const seed = plane.newKeySeed(startup?.minorVersion ?? 0);
    const session = new AdminSession(plane, socket, seed.id, startup?.user ?? '');
    this.sendGreeting([...ADMIN_PARAMETERS, ['server_version', plane.start.version]], seed);
    plane.adminBegins(session, this.peer(), this.byRule());
    this.handOver(session);
  }

  private sendGreeting(parameters: readonly (readonly [string, string])[], seed: KeySeed): void {
    this.send(
      Buffer.concat([
        AUTHENTICATION_OK,
        ...parameters.map(([name, value]) => parameterStatus(name, value)),
        backendKeyData(seed.id, cancelSecret(this.plane, seed)),
        READY_FOR_QUERY_IDLE,
      ]),
    );
  }

  /** What the client has sent ahead is the session's. */
  private handOver(session: Receiver): void {
    const { socket } = this;
    this.pause();
    this.ends(true);
    socket.receiver = session;
    socket.resume();
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  private refuse(error: ClientFacingError, more = ''): void {
    if (this.state === LoginState.Ended) return;
    this.plane.countRefused();
    this.plane.log('warn', `login of ${this.who()} refused: ${error.message}${this.byRule()}${more}`);
    // In the middle of a handshake it would not be understood.
    if (this.state !== LoginState.Handshake) this.send(errorResponse(error, 'FATAL'));
    this.ends();
    this.socket.closeAfterSend();
  }

  private ends(becomesSession = false): void {
    if (this.state === LoginState.Ended) return;
    this.state = LoginState.Ended;
    this.kept = Buffer.alloc(0);
    this.pool?.leaveGreeters(this);
    this.plane.clientTls.handshakes.leave(this);
    this.plane.failedLogins.leave(this);
    this.plane.reactor.clearTimer(this.timer);
    this.plane.loginEnded(!becomesSession);
  }

  private notPermitted(startup: StartupParameters): NotPermittedByHba {
    return new NotPermittedByHba(this.peer(), startup.user, startup.database, this.hasTls);
  }

  /** What the client sends until `resume` must not pile up; what it has sent already goes back to wait with it. */
  private pause(): void {
    const { kept, socket } = this;
    this.kept = Buffer.alloc(0);
    if (kept.length > 0) socket.unread(kept, 0, kept.length);
    socket.pause(true);
  }

  private consume(length: number): void {
    this.kept = this.kept.subarray(length);
  }

  private send(message: Uint8Array): void {
    this.socket.send(message, 0, message.length);
  }

  private peer(): string {
    const { isUnix, host } = this.socket.peerAddress();
    return isUnix ? 'a unix socket' : host;
  }

  /** Which rule has decided. */
  private byRule(): string {
    const by = this.judgement?.by ?? '';
    return by === '' ? '' : ` (${by})`;
  }

  private who(): string {
    const { startup } = this;
    return startup === null ? this.peer() : `${startup.user}@${startup.database} from ${this.peer()}`;
  }
}

/** The parameter replication: `database` or a boolean. PostgreSQL manual, "Streaming Replication Protocol". */
function isReplication(value: string | undefined): boolean {
  return value !== undefined && !/^(f(a(l(s(e)?)?)?)?|no?|off?|0)$/i.test(value);
}
