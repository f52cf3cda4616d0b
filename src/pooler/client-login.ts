/** A client that logs in: who it is, whether the access rules let it, which pool is its, what it is greeted with.
 *  Afterwards a ClientSession or an AdminSession takes its place. Not for: what comes before its name
 *  (login-negotiation.ts), proving it (login-authentication.ts), finding messages (login-stream.ts). PostgreSQL manual,
 *  "Start-up". */
import type { Receiver, Socket } from '../reactor/reactor.js';
import {
  AuthenticationFailed,
  AuthQueryNotReady,
  AuthServiceUnavailable,
  PasswordAuthenticationFailed,
  ScramProtocolError,
} from '../wire/authentication-errors.js';
import {
  type ClientFacingError,
  FeatureNotSupported,
  MalformedStartup,
  NoSuchPool,
  NotPermittedByHba,
  ShuttingDown,
  TlsRequired,
} from '../wire/client-facing-error.js';
import { KEY_DATA_HEADER_LENGTH, putBackendKeyData } from '../wire/message-builder.js';
import { AUTHENTICATION_OK, READY_FOR_QUERY_IDLE } from '../wire/ready-made.js';
import { needsNegotiation, negotiateProtocolVersion, type StartupParameters } from '../wire/startup.js';
import { type Judgement, Verdict } from './access.js';
import { AdminSession, isAdminDatabase } from './admin-session.js';
import { cancelSecret, type KeySeed } from './cancel.js';
import { TALOS_USER } from './client-proof.js';
import { ClientSession } from './client-session.js';
import type { DataPlane } from './data-plane.js';
import { GreetingMessages } from './greeting-messages.js';
import type { ProvenLogin } from './hand-over.js';
import type { LogFields } from './log-fields.js';
import { LoginAuthentication } from './login-authentication.js';
import { LoginState } from './login-stream.js';
import { mockSecret } from './mock-secret.js';
import type { Pool } from './pool.js';
import type { UserAnswer } from './thread-messages.js';
import { TrackedParameters } from './tracked-parameters.js';
import type { UserLookUp } from './user-lookups.js';

const ADMIN_PARAMETERS: readonly (readonly [string, string])[] = [
  ['client_encoding', 'UTF8'],
  ['DateStyle', 'ISO, MDY'],
  ['TimeZone', 'Etc/UTC'],
  ['server_encoding', 'UTF-8'],
  ['standard_conforming_strings', 'on'],
  ['integer_datetimes', 'on'],
];
const NO_BYTES = new Uint8Array(0);
const NOTHING_WANTED: ReadonlyMap<string, string> = new Map();

export class ClientLogin extends LoginAuthentication {
  protected isAdmin = false;
  private startup: StartupParameters | null = null;
  private judgement: Judgement | null = null;
  private pool: Pool | null = null;
  /** Of a user who is not listed. */
  private lookUp: UserLookUp | null = null;
  private answer: UserAnswer = { kind: 'none' };
  /** What was wrong under the first answer, and may be right under the second; empty until then. */
  private md5Response: Uint8Array = NO_BYTES;

  constructor(plane: DataPlane, socket: Socket, isTooMany: boolean) {
    super(plane, socket, isTooMany);
  }

  // ── who is it? ─────────────────────────────────────────────────────────────────────────────────────────────────

  protected begin(startup: StartupParameters): void {
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
    if (isAdminDatabase(database)) {
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
    else this.mustProve(startup);
  }

  /** auth_query has answered. */
  userFound(answer: UserAnswer): void {
    if (this.state !== LoginState.LookUp) return;
    this.answer = answer;
    this.state = LoginState.LookedUp;
    this.takeAll();
  }

  protected lookedUp(): void {
    const { startup, answer } = this;
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
    else this.mustProve(startup);
  }

  // ── proving it ─────────────────────────────────────────────────────────────────────────────────────────────────

  private mustProve(startup: StartupParameters): void {
    if (this.secret.kind === 'md5' && this.verdict === Verdict.Scram) throw this.notPermitted(startup);
    this.askForProof();
  }

  protected get claim(): { readonly database: string; readonly user: string } {
    const { database = '', user = '' } = this.startup ?? {};
    return { database, user };
  }

  protected md5Failed(response: Uint8Array): void {
    const { lookUp } = this;
    if (lookUp === null || this.md5Response.length > 0 || response.length === 0) {
      throw new AuthenticationFailed();
    }
    // The password may be a new one, that auth_query has not been asked for yet.
    this.md5Response = response;
    this.state = LoginState.LookUp;
    lookUp.ask(true);
  }

  protected proved(clientKey: Uint8Array | null): void {
    this.pool?.credentials.learn(this.secret, clientKey);
    this.authenticated();
  }

  protected acceptedAs(user: string, applicationName: string): void {
    const { startup, plane } = this;
    if (startup === null) return;
    if (this.method === 'talos') {
      this.startup = { ...startup, user, applicationName: applicationName || startup.applicationName };
      this.pool = plane.findPool(startup.database, user);
      if (this.pool === null) return this.refuse(new NoSuchPool(startup.database, user));
    }
    this.authenticated();
  }

  protected adminFailed(error: ClientFacingError): void {
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
    if (pool.isShutDown) return this.noParameters(new ShuttingDown());
    this.pause();
    pool.greeting.want(this);
  }

  /** The pool knows what its servers say of themselves. */
  parametersCame(): void {
    if (this.state === LoginState.Parameters) this.greet();
  }

  /** No server of the pool could be asked. */
  noParameters(error: ClientFacingError): void {
    if (this.plane.passage.isDeparting && !this.hasTls) this.leaves();
    else this.refuse(error);
  }

  protected get proven(): ProvenLogin | null {
    if (this.state !== LoginState.Parameters || this.startup === null) return null;
    const { user, database, applicationName, minorVersion, others } = this.startup;
    const { method, judgement } = this;
    const rule = judgement?.by ?? '';
    return { user, database, applicationName, minorVersion, others: [...others], method, rule };
  }

  /** It has proved who it is in another process. */
  goesOn({ others, method, rule, ...startup }: ProvenLogin): void {
    this.startup = { ...startup, others: new Map(others), unknownOptions: [] };
    this.method = method;
    this.judgement = { verdict: Verdict.Trust, by: rule };
    this.pool = this.plane.findPool(startup.database, startup.user);
    if (this.pool === null) this.refuse(new ShuttingDown(), 'the pool is gone since the upgrade');
    else this.authenticated();
  }

  private greet(): void {
    const { pool, startup, plane, socket } = this;
    if (pool === null || startup === null) return;
    const { user, applicationName } = startup;
    const { messages, tracked } = pool.greeting.of(startup);
    const seed = plane.newKeySeed(startup.minorVersion);
    const parameters = plane.settings.syncServerParameters ? new TrackedParameters() : null;
    parameters?.setAll(tracked);
    const who = { user, applicationName, address: this.address };
    const session = new ClientSession(plane, pool, socket, seed, who, parameters);
    pool.clientComes();
    this.sendGreeting(messages, seed);
    plane.clientBegins(session);
    if (plane.settings.logClientConnections) this.logConnected(session);
    this.handOver(session);
  }

  private logConnected({ logFields, applicationName }: ClientSession): void {
    const { secured, method } = this;
    this.plane.log('info', 'client connected', {
      ...logFields,
      application_name: applicationName,
      ...(secured !== null && { tls: secured.version }),
      ...(method !== null && { method }),
      ...this.ruleField,
    });
  }

  private welcomeAdmin(): void {
    const { plane, socket, startup } = this;
    const seed = plane.newKeySeed(startup?.minorVersion ?? 0);
    const { user, database } = this.claim;
    const session = new AdminSession(plane, socket, seed, user, database);
    const parameters = new Map([...ADMIN_PARAMETERS, ['server_version', plane.start.version]]);
    this.sendGreeting(new GreetingMessages(parameters).of('pg_doorman', NOTHING_WANTED), seed);
    plane.adminBegins(session, this.ruleField);
    this.handOver(session);
  }

  private sendGreeting(parameters: Uint8Array, seed: KeySeed): void {
    const secret = cancelSecret(this.plane, seed);
    const keyLength = KEY_DATA_HEADER_LENGTH + secret.length;
    const key = this.plane.scratch(keyLength);
    putBackendKeyData(key, seed.id, secret);
    this.send(AUTHENTICATION_OK);
    this.send(parameters);
    this.socket.send(key, 0, keyLength);
    this.send(READY_FOR_QUERY_IDLE);
  }

  /** What the client has sent ahead is the session's. */
  private handOver(session: Receiver): void {
    const { socket } = this;
    this.giveBack();
    this.ends(true);
    socket.receiver = session;
    socket.resume();
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  protected override refuse(error: ClientFacingError, why = ''): void {
    super.refuse(this.lookUp === null ? error : this.refusalOf(this.lookUp, error), why);
  }

  /** Whether it was the name or the password of a user who is not listed: they are told the same. */
  private refusalOf(lookUp: UserLookUp, reason: ClientFacingError): ClientFacingError {
    const isWrong = reason instanceof AuthenticationFailed || reason instanceof PasswordAuthenticationFailed;
    if (isWrong || reason instanceof ScramProtocolError) lookUp.outcome = 'wrongPassword';
    return isWrong ? new PasswordAuthenticationFailed(this.startup?.user ?? '') : reason;
  }

  protected override letGo(): void {
    super.letGo();
    this.pool?.greeting.leave(this);
    this.lookUp?.over();
  }

  private notPermitted(startup: StartupParameters): NotPermittedByHba {
    const { isUnix, host } = this.peer;
    const from = isUnix ? 'a unix socket' : host;
    return new NotPermittedByHba(from, startup.user, startup.database, this.hasTls);
  }

  private get verdict(): Verdict {
    return this.judgement?.verdict ?? Verdict.Reject;
  }

  protected get ruleField(): LogFields {
    const rule = this.judgement?.by ?? '';
    return rule === '' ? {} : { rule };
  }

  protected override get logFields(): LogFields {
    const { startup } = this;
    const fields = super.logFields;
    return startup === null ? fields : { user: startup.user, database: startup.database, ...fields };
  }
}

/** The parameter replication: `database` or a boolean. PostgreSQL manual, "Streaming Replication Protocol". */
function isReplication(value: string | undefined): boolean {
  return value !== undefined && !/^(f(a(l(s(e)?)?)?)?|no?|off?|0)$/i.test(value);
}
