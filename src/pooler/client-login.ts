/** A client that has connected and not yet logged in: startup packets, access rules, the password exchange, the
 *  greeting. Afterwards a ClientSession or an AdminSession takes its place. PostgreSQL manual, "Start-up". */
import type { DetachedSocket, PeerAddress, Receiver, Socket } from '../reactor/reactor.js';
import { peerText } from '../reactor/socket-address.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import type { TlsSocket } from '../reactor/tls-socket.js';
import {
  AuthenticationFailed,
  AuthMethodUnsupported,
  AuthQueryNotReady,
  AuthServiceUnavailable,
  LoginTimeout,
  PasswordAuthenticationFailed,
  ScramProtocolError,
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
} from '../wire/message-builder.js';
import { readPasswordMessage, readSaslInitialResponse } from '../wire/password-message.js';
import {
  ACCEPT_TLS,
  AUTHENTICATION_CLEARTEXT_PASSWORD,
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
import { type ProofMethod, type ProofVerdict, refusalError, TALOS_USER } from './client-proof.js';
import { ClientSession } from './client-session.js';
import { Connection } from './connection-counts.js';
import type { DataPlane } from './data-plane.js';
import { Departure, type Traveller } from './departure.js';
import type { Attempt } from './failed-logins.js';
import { GreetingMessages } from './greeting-messages.js';
import type { HandshakeWaiter } from './handshake-queue.js';
import { LOGIN_MESSAGE_MAX, LOGIN_TIMEOUT_MS, TOKEN_MESSAGE_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';
import { mockSecret } from './mock-secret.js';
import type { Pool } from './pool.js';
import type { ClientSecret } from './settings.js';
import type { UserAnswer } from './thread-messages.js';
import { spelledAs, TrackedParameters, trackedName } from './tracked-parameters.js';
import type { UserLookUp } from './user-lookups.js';

const enum LoginState {
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

const ADMIN_DATABASES = ['pgdoorman', 'pgbouncer'];
const ADMIN_PARAMETERS: readonly (readonly [string, string])[] = [
  ['client_encoding', 'UTF8'],
  ['DateStyle', 'ISO, MDY'],
  ['TimeZone', 'Etc/UTC'],
  ['server_encoding', 'UTF-8'],
  ['standard_conforming_strings', 'on'],
  ['integer_datetimes', 'on'],
];

/** The first byte of a TLS handshake, which a client may send without asking. No packet is so long as to begin so. */
const TLS_HANDSHAKE = 0x16;
const NO_BYTES = new Uint8Array(0);
const NOTHING_WANTED: ReadonlyMap<string, string> = new Map();

export class ClientLogin implements Receiver, TimerTarget, HandshakeWaiter, Traveller, Attempt {
  private readonly plane: DataPlane;
  private socket: Socket;
  private secured: TlsSocket | null = null;
  private readonly timer: Timer;
  /** One client too many: it may cancel, go to the console to see why, or be told so. */
  private readonly isTooMany: boolean;
  private state = LoginState.Startup;
  /** What has come of a packet that is not yet whole. */
  private kept: Buffer = Buffer.alloc(0);
  private framer = new Framer(LOGIN_MESSAGE_MAX);
  /** Asked for once: one that has gone has none any more. */
  private readonly peer: PeerAddress;
  /** … for the log. */
  private readonly address: string;
  private readonly connectedMs: number;
  private startup: StartupParameters | null = null;
  private pool: Pool | null = null;
  private secret: ClientSecret = { kind: 'none' };
  private salt: Uint8Array = NO_BYTES;
  private scram: ScramServerExchange | null = null;
  /** Of a user who is not listed. */
  private lookUp: UserLookUp | null = null;
  private answer: UserAnswer = { kind: 'none' };
  /** What was wrong under the first answer, and may be right under the second; empty until then. */
  private md5Response: Uint8Array = NO_BYTES;
  /** How what the client sends in the clear is checked. */
  private method: ProofMethod | null = null;
  private proofRequest = 0;
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
    this.peer = socket.peerAddress();
    this.address = peerText(this.peer);
    this.connectedMs = plane.reactor.nowMs;
    plane.reactor.setTimer(this.timer, LOGIN_TIMEOUT_MS);
  }

  /** The TLS handshake is done. */
  onConnected(): void {
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
      this.plane.log('warn', `TLS with a client failed: ${tlsFailure}`, this.logFields);
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
    this.takeAll();
    return end;
  }

  /** auth_query has answered. */
  userFound(answer: UserAnswer): void {
    if (this.state !== LoginState.LookUp) return;
    this.answer = answer;
    this.state = LoginState.LookedUp;
    this.takeAll();
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

  private takeAll(): void {
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
        if (this.plane.passage.isDeparting && !this.hasTls) return this.leaves();
        return this.kept[0] === TLS_HANDSHAKE && !this.hasTls ? this.beginDirectTls() : this.takePacket();
      case LoginState.LookedUp:
        this.goOnWith(this.answer);
        return true;
      case LoginState.LookUp:
      case LoginState.Proof:
      case LoginState.Parameters:
        if (this.kept.length > TOKEN_MESSAGE_MAX) throw new ProtocolViolation('too much before the login');
        return false;
      case LoginState.Handshake:
      case LoginState.Slowed:
      case LoginState.Ended:
        return false;
      default:
        return this.takeMessage();
    }
  }

  /** Another process goes on with it: it has been told nothing yet, or that there is no encryption. */
  private leaves(): boolean {
    new Departure(this, this.socket, this.kept);
    this.kept = Buffer.alloc(0);
    return false;
  }

  hasGone(detached: DetachedSocket, unread: Uint8Array): void {
    this.ends();
    this.plane.post({ type: 'loginGoes', detached, unread });
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
        this.plane.countKind(this.hasTls ? Connection.Tls : Connection.Plain);
        const startup = readStartupParameters(kept, 4, length);
        if (this.isTooMany && !ADMIN_DATABASES.includes(startup.database)) throw new TooManyClients();
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
      if (this.peer.isUnix) throw new TlsOnUnixSocket();
    }
    // Whoever insists on TLS goes away now; the others go on in the clear. An error would not be read before that.
    this.send(REFUSE_ENCRYPTION);
    return true;
  }

  // ── TLS ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private get hasTls(): boolean {
    return this.socket.isTls;
  }

  private get offersTls(): boolean {
    return this.plane.clientTls.context !== null && !this.askedForTls && !this.peer.isUnix;
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

  // ── who is it? ─────────────────────────────────────────────────────────────────────────────────────────────────

  private begin(startup: StartupParameters): void {
    this.startup = startup;
    const { plane } = this;
    if (plane.clientTls.isRequired && !this.hasTls) throw new TlsRequired();
    if (plane.isShuttingDown && !plane.passage.isDeparting) throw new ShuttingDown();
    if (needsNegotiation(startup)) this.send(negotiateProtocolVersion(startup));
    const { user, database } = startup;
    if (isReplication(startup.others.get('replication'))) {
      throw new FeatureNotSupported('replication is not pooled: connect to PostgreSQL itself for it');
    }
    this.judgement = plane.access.judge(this.peer, this.hasTls, database, user);
    if (this.verdict === Verdict.Reject) throw this.notPermitted(startup);
    // Also where a rule trusts: nobody but the token knows whose pool it is to be.
    if (user === TALOS_USER && plane.settings.hasTalosKeys) return this.askInTheClear('talos');
    if (ADMIN_DATABASES.includes(database)) {
      this.isAdmin = true;
      const { username, secret } = plane.settings.admin;
      const mock = mockSecret(secret, user, plane.start.mockKey); // for all names, as it takes time
      if (user !== username && this.verdict === Verdict.Trust) throw new PasswordAuthenticationFailed(user);
      this.secret = user === username ? secret : mock;
    } else {
      this.pool = plane.findPool(database, user);
      if (this.pool === null) {
        this.state = LoginState.LookUp;
        this.lookUp = plane.lookUps.begin(this, database, user);
        return;
      }
      this.secret = this.pool.credentials.clientSecret;
    }
    if (this.verdict === Verdict.Trust) this.authenticated();
    else this.askForProof(startup);
  }

  /** A user who is not listed. */
  private goOnWith(answer: UserAnswer): void {
    const { startup } = this;
    if (startup === null) throw new MalformedStartup('there was none');
    const { database, user } = startup;
    switch (answer.kind) {
      case 'none':
        throw new NoSuchPool(database, user);
      case 'notReady':
        throw new AuthQueryNotReady(database);
      case 'failed':
        throw new AuthServiceUnavailable();
      case 'stranger':
        if (this.verdict === Verdict.Trust) throw new PasswordAuthenticationFailed(user);
        break;
      case 'user':
        this.pool = this.plane.poolAt(answer.pool);
        if (this.pool === null) throw new NoSuchPool(database, user); // it went meanwhile
    }
    this.secret = answer.secret;
    if (this.verdict === Verdict.Trust) this.authenticated();
    else if (this.md5Response.length > 0) this.checkMd5(this.md5Response);
    else this.askForProof(startup);
  }

  private askForProof(startup: StartupParameters): void {
    const { secret } = this;
    switch (secret.kind) {
      case 'md5':
        if (this.verdict === Verdict.Scram) throw this.notPermitted(startup);
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
      case 'pam':
      case 'jwt':
        return this.askInTheClear(secret.kind);
      case 'none':
        this.plane.log(
          'warn',
          'user without a password in the configuration, and no rule of pg_hba trusts it',
          this.logFields,
        );
        throw new AuthenticationFailed();
      case 'unusable':
        this.plane.log('warn', `user cannot log in: ${secret.why}`, this.logFields);
        throw new AuthMethodUnsupported();
    }
  }

  private askInTheClear(method: ProofMethod): void {
    this.method = method;
    this.framer = new Framer(TOKEN_MESSAGE_MAX);
    this.state = LoginState.Cleartext;
    this.send(AUTHENTICATION_CLEARTEXT_PASSWORD);
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
      case LoginState.Cleartext:
        return this.askForVerdict(readPasswordMessage(bytes, bodyAt, bodyEnd));
      default:
        throw new ProtocolViolation('a password that nobody asked for');
    }
  }

  /** Who has failed before waits. */
  private takeTurn(): void {
    this.state = LoginState.Slowed;
    this.pause();
    const { host } = this.peer;
    if (!this.plane.failedLogins.enter(host, this)) throw new TooManyFailedLogins();
  }

  judge(): void {
    try {
      this.checkProof();
    } catch (error) {
      if (!(error instanceof ClientFacingError)) throw error;
      if (this.isAdmin) this.adminFailed(error);
      else this.refuse(error);
    }
  }

  /** Throws AuthenticationFailed and other errors of authentication. */
  private checkProof(): void {
    const { proof, scram } = this;
    if (scram === null) return this.checkMd5(readPasswordMessage(proof, 0, proof.length));
    this.send(authenticationSaslFinal(scram.clientFinal(proof)));
    this.proved(scram.clientKey);
  }

  private checkMd5(response: Uint8Array): void {
    const { secret, lookUp } = this;
    if (secret.kind === 'md5' && isMd5Response(secret.hash, this.salt, response)) return this.proved(null);
    if (lookUp === null || this.md5Response.length > 0 || response.length === 0) {
      throw new AuthenticationFailed();
    }
    // The password may be a new one, that auth_query has not been asked for yet.
    this.md5Response = response;
    this.state = LoginState.LookUp;
    lookUp.ask(true);
  }

  /** The client has its secret; `clientKey` is what SCRAM has told of it. */
  private proved(clientKey: Uint8Array | null): void {
    this.pool?.credentials.learn(this.secret, clientKey);
    this.authenticated();
  }

  private askForVerdict(secret: Uint8Array): void {
    const { method, startup, plane } = this;
    if (method === null || startup === null) throw new ProtocolViolation('a password that nobody asked for');
    if (plane.isShuttingDown) throw new ShuttingDown();
    const { user, database } = startup;
    const { isUnix, host } = this.peer;
    const isPrivate = isUnix || this.hasTls;
    this.state = LoginState.Proof;
    const proof = { method, database, user, address: isUnix ? '' : host, isPrivate, secret };
    this.proofRequest = plane.proofs.ask(proof, this);
  }

  /** The control plane's answer. */
  proofChecked(verdict: ProofVerdict): void {
    const { startup, method, plane } = this;
    if (this.state !== LoginState.Proof || startup === null) return;
    if (!verdict.isAccepted) {
      return this.refuse(refusalError(verdict, startup.user), `${method}: ${verdict.why}`);
    }
    if (method === 'talos') {
      const { user } = verdict;
      this.startup = {
        ...startup,
        user,
        applicationName: verdict.applicationName || startup.applicationName,
      };
      this.pool = plane.findPool(startup.database, user);
      if (this.pool === null) return this.refuse(new NoSuchPool(startup.database, user));
    }
    this.authenticated();
  }

  noVerdict(error: ClientFacingError): void {
    this.refuse(error);
  }

  private adminFailed(error: ClientFacingError): void {
    const { plane, startup } = this;
    const { host } = this.peer;
    plane.peers.postToAll({ type: 'loginFailed', address: host });
    const times = plane.failedLogins.failed(host);
    const isWrong = error instanceof AuthenticationFailed;
    this.refuse(
      isWrong ? new PasswordAuthenticationFailed(startup?.user ?? '') : error,
      `failed logins to the console from there: ${times}`,
    );
  }

  // ── welcome ────────────────────────────────────────────────────────────────────────────────────────────────────

  private authenticated(): void {
    const { pool, startup } = this;
    if (startup === null) throw new MalformedStartup('there was none');
    if (pool === null) {
      if (this.lookUp !== null) return this.refuse(new PasswordAuthenticationFailed(startup.user));
      return this.welcomeAdmin();
    }
    if (pool.isClosing) return this.refuse(new NoSuchPool(startup.database, startup.user)); // meanwhile
    if (this.lookUp !== null) this.lookUp.outcome = 'success';
    this.state = LoginState.Parameters;
    if (pool.greeting.isKnown) return this.greet();
    this.pause();
    pool.greeting.want(this);
  }

  private greet(): void {
    const { pool, startup, plane, socket } = this;
    if (pool === null || startup === null) return;
    const { user, applicationName } = startup;
    const wanted = new Map<string, string>();
    for (const [name, value] of startup.others) {
      const own = trackedName(name);
      if (own !== undefined) wanted.set(own, spelledAs(own, value, pool.greeting.parameters.get(own)));
    }
    const seed = plane.newKeySeed(startup.minorVersion);
    const tracked = plane.settings.syncServerParameters ? new TrackedParameters() : null;
    for (const [name, value] of [...pool.greeting.parameters, ...wanted]) tracked?.set(name, value);
    tracked?.set('application_name', applicationName);
    const who = { user, applicationName, address: this.address };
    const session = new ClientSession(plane, pool, socket, seed, who, tracked);
    pool.clientComes();
    this.sendGreeting(pool.greeting.messages.of(applicationName, wanted), seed);
    const { secured, method } = this;
    plane.clientBegins(session, {
      ...(secured !== null && { tls: secured.version }),
      ...(method !== null && { method }),
      ...this.ruleField,
    });
    this.handOver(session);
  }

  private welcomeAdmin(): void {
    const { plane, socket, startup } = this;
    const seed = plane.newKeySeed(startup?.minorVersion ?? 0);
    const { user = '', database = '' } = startup ?? {};
    const session = new AdminSession(plane, socket, seed, user, database);
    const parameters = new Map([...ADMIN_PARAMETERS, ['server_version', plane.start.version]]);
    this.sendGreeting(new GreetingMessages(parameters).of('pg_doorman', NOTHING_WANTED), seed);
    plane.adminBegins(session, this.ruleField);
    this.handOver(session);
  }

  private sendGreeting(parameters: Uint8Array, seed: KeySeed): void {
    this.send(
      Buffer.concat([
        AUTHENTICATION_OK,
        parameters,
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

  /** `why`: more than the client is told, for the log. */
  private refuse(reason: ClientFacingError, why = ''): void {
    if (this.state === LoginState.Ended) return;
    const error = this.lookUp === null ? reason : this.refusalOf(this.lookUp, reason);
    this.plane.countRefused();
    const { message, sqlstate } = error;
    this.plane.log(
      'warn',
      `login refused: ${message}${why && ` (${why})`}`,
      { ...this.logFields, ...this.ruleField, sqlstate },
      sqlstate,
    );
    // In the middle of a handshake it would not be understood.
    if (this.state !== LoginState.Handshake) this.send(errorResponse(error, 'FATAL'));
    this.ends();
    this.socket.closeAfterSend();
  }

  /** Whether it was the name or the password of a user who is not listed: they are told the same. */
  private refusalOf(lookUp: UserLookUp, reason: ClientFacingError): ClientFacingError {
    const isWrong = reason instanceof AuthenticationFailed || reason instanceof PasswordAuthenticationFailed;
    if (isWrong || reason instanceof ScramProtocolError) lookUp.outcome = 'wrongPassword';
    return isWrong ? new PasswordAuthenticationFailed(this.startup?.user ?? '') : reason;
  }

  private ends(becomesSession = false): void {
    if (this.state === LoginState.Ended) return;
    this.state = LoginState.Ended;
    this.kept = Buffer.alloc(0);
    this.pool?.greeting.leave(this);
    this.lookUp?.over();
    this.plane.proofs.leave(this.proofRequest);
    this.plane.clientTls.handshakes.leave(this);
    this.plane.failedLogins.leave(this);
    this.plane.reactor.clearTimer(this.timer);
    this.plane.loginEnded(!becomesSession);
  }

  private notPermitted(startup: StartupParameters): NotPermittedByHba {
    const { isUnix, host } = this.peer;
    const from = isUnix ? 'a unix socket' : host;
    return new NotPermittedByHba(from, startup.user, startup.database, this.hasTls);
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

  /** Which rule of hba or pg_hba has decided. */
  private get ruleField(): LogFields {
    const rule = this.judgement?.by ?? '';
    return rule === '' ? {} : { rule };
  }

  private get verdict(): Verdict {
    return this.judgement?.verdict ?? Verdict.Reject;
  }

  private get logFields(): LogFields {
    const { startup, address } = this;
    const duration_ms = Math.round(this.plane.reactor.nowMs - this.connectedMs);
    return startup === null
      ? { address, duration_ms }
      : { user: startup.user, database: startup.database, address, duration_ms };
  }
}

/** The parameter replication: `database` or a boolean. PostgreSQL manual, "Streaming Replication Protocol". */
function isReplication(value: string | undefined): boolean {
  return value !== undefined && !/^(f(a(l(s(e)?)?)?)?|no?|off?|0)$/i.test(value);
}
