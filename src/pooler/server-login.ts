/** How the pooler logs in to PostgreSQL: StartupMessage, the password exchange that the server asks for, and what it
 *  says of itself until the first ReadyForQuery. PostgreSQL manual, "Start-up", "SASL Authentication". */

import { errnoName } from '../reactor/libc.js';
import { copyOf, int32At, textBetween, zeroAt } from '../wire/bytes.js';
import { ServerLoginRejected, ServerUnavailable } from '../wire/client-facing-error.js';
import { readErrorResponse } from '../wire/error-response.js';
import { md5PasswordHash, md5Response } from '../wire/md5.js';
import { passwordMessage, saslInitialResponse, saslResponse } from '../wire/message-builder.js';
import { ScramClientExchange } from '../wire/scram-client.js';
import { SCRAM_SHA_256_PLUS, type ScramKeys, scramNonce } from '../wire/scram-verifier.js';
import { SQLSTATE } from '../wire/sqlstate.js';
import { startupMessage } from '../wire/startup.js';
import { Authentication, Backend } from '../wire/tags.js';
import type { ServerSession } from './server-session.js';

export class ServerLogin {
  /** What the server says of its parameters: all of it is known when the login has succeeded. */
  readonly parameters = new Map<string, string>();
  private readonly server: ServerSession;
  private scram: ScramClientExchange | null = null;
  private hasFailed = false;
  /** The server has begun to authenticate. */
  private wasAsked = false;

  constructor(server: ServerSession) {
    this.server = server;
  }

  begin(): void {
    const { settings } = this.server.pool;
    this.send(
      startupMessage(
        new Map([
          ['user', settings.serverUser],
          ['database', settings.serverDatabase],
          ['application_name', settings.applicationName],
        ]),
      ),
    );
  }

  /** False when the login has failed and the server is closed. */
  onMessage(tag: number, bytes: Uint8Array, bodyAt: number, bodyEnd: number): boolean {
    const { server } = this;
    switch (tag) {
      case Backend.Authentication:
        return this.onAuthentication(bytes, bodyAt, bodyEnd);
      case Backend.ParameterStatus:
        server.parameterChanged(bytes, bodyAt, bodyEnd, false);
        return true;
      case Backend.BackendKeyData:
        if (bodyEnd - bodyAt < 8) return this.fail('sent a cancel key that is too short');
        server.processId = int32At(bytes, bodyAt);
        server.cancelKey = copyOf(bytes, bodyAt + 4, bodyEnd);
        return true;
      case Backend.ReadyForQuery:
        if (!this.isProved()) return this.failUnproved();
        server.loggedIn(this);
        return true;
      case Backend.ErrorResponse: {
        const fields = readErrorResponse(bytes, bodyAt, bodyEnd);
        // Before it was asked for a password: its pg_hba wants TLS, or wants none.
        const isUnwelcome =
          fields.sqlstate === SQLSTATE.invalid_authorization_specification && !this.wasAsked;
        if (isUnwelcome && server.triesOtherWay(server.socket.isTls)) return false;
        return this.failWith(new ServerLoginRejected(fields.sqlstate, fields.message));
      }
      case Backend.NoticeResponse:
        server.pool.log(
          'info',
          `PostgreSQL says at login: ${readErrorResponse(bytes, bodyAt, bodyEnd).message}`,
          server.logFields,
        );
        return true;
      case Backend.NegotiateProtocolVersion:
        return true; // we ask for 3.0 and no options: nothing to give up
      default:
        return this.fail(`sent message ${String.fromCharCode(tag)} during login`);
    }
  }

  timedOut(): void {
    const { pool } = this.server;
    const error = new ServerUnavailable(
      `no login within connect_timeout (${pool.settings.connectTimeoutMs} ms) at ${pool.addressText}`,
    );
    this.failAs('connect_timeout', error);
  }

  /** The connection ended before the login did. */
  wasLost(errno: number): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    const { tlsFailure } = this.server.socket;
    const why =
      tlsFailure !== ''
        ? `TLS failed (${tlsFailure})`
        : errno === 0
          ? 'the server closed the connection during login'
          : errnoName(errno);
    this.server.pool.openFailed(new ServerUnavailable(`${why} at ${this.server.pool.addressText}`));
  }

  /** The keys for a plain password have been derived by the control plane. */
  onScramKeys(keys: ScramKeys): void {
    if (this.server.isClosed || this.scram === null) return;
    try {
      this.send(saslResponse(this.scram.clientFinal(keys)));
    } catch (error) {
      this.fail(messageOf(error));
    }
  }

  private onAuthentication(bytes: Uint8Array, bodyAt: number, bodyEnd: number): boolean {
    if (bodyEnd - bodyAt < 4) return this.fail('sent an Authentication message that is too short');
    const contentAt = bodyAt + 4;
    this.wasAsked = true;
    try {
      switch (int32At(bytes, bodyAt)) {
        case Authentication.Ok:
          return this.isProved() || this.failUnproved();
        case Authentication.CleartextPassword:
          return this.sendCleartext();
        case Authentication.Md5Password:
          if (bodyEnd - contentAt < 4) return this.fail('sent a salt that is too short');
          return this.sendMd5(copyOf(bytes, contentAt, contentAt + 4));
        case Authentication.Sasl:
          return this.beginScram(bytes, contentAt, bodyEnd);
        case Authentication.SaslContinue:
          return this.continueScram(copyOf(bytes, contentAt, bodyEnd));
        case Authentication.SaslFinal:
          if (this.scram === null) return this.fail('ended a SASL exchange that had not begun');
          this.scram.serverFinal(copyOf(bytes, contentAt, bodyEnd));
          return true;
        default:
          return this.fail(
            `asks for authentication method ${int32At(bytes, bodyAt)}, which is not supported`,
          );
      }
    } catch (error) {
      return this.fail(messageOf(error));
    }
  }

  /** A server that has begun SCRAM has to prove that it knows the user, or it is somebody else. */
  private isProved(): boolean {
    return this.scram?.isOver !== false;
  }

  private failUnproved(): boolean {
    return this.fail('lets us in without the proof that SCRAM demands of it');
  }

  private sendCleartext(): boolean {
    const { serverSecret } = this.server.pool.credentials;
    if (serverSecret.kind !== 'plain') return this.fail('asks for a cleartext password; set server_password');
    this.send(passwordMessage(Buffer.from(`${serverSecret.password}\0`)));
    return true;
  }

  private sendMd5(salt: Uint8Array): boolean {
    const { credentials, settings } = this.server.pool;
    const { serverSecret } = credentials;
    const { serverUser } = settings;
    if (serverSecret.kind !== 'plain' && serverSecret.kind !== 'md5') {
      return this.fail(
        'asks for an MD5 password; set password to its hash, or server_username and server_password',
      );
    }
    const hash =
      serverSecret.kind === 'md5' ? serverSecret.hash : md5PasswordHash(serverUser, serverSecret.password);
    this.send(passwordMessage(Buffer.from(`${md5Response(hash, salt)}\0`)));
    return true;
  }

  private beginScram(bytes: Uint8Array, at: number, end: number): boolean {
    const offered = mechanisms(bytes, at, end);
    const { pool, socket } = this.server;
    const nonce = scramNonce((length) => pool.plane.reactor.random(length));
    const scram = new ScramClientExchange(nonce, socket.peerEndPoint, offered.includes(SCRAM_SHA_256_PLUS));
    if (!offered.includes(scram.mechanism)) return this.fail('offers no SASL mechanism that we can use');
    this.scram = scram;
    this.send(saslInitialResponse(scram.mechanism, scram.clientFirst()));
    return true;
  }

  private continueScram(message: Uint8Array): boolean {
    const { scram } = this;
    if (scram === null) return this.fail('went on with a SASL exchange that had not begun');
    const { salt, iterations } = scram.serverFirst(message);
    const { pool } = this.server;
    const { serverSecret, clientSecret } = pool.credentials;
    if (serverSecret.kind === 'plain') {
      pool.plane.deriveScramKeys(serverSecret.password, salt, iterations, this);
      return true;
    }
    if (serverSecret.kind !== 'scram-passthrough' || clientSecret.kind !== 'scram') {
      return this.fail(
        'asks for a SCRAM password; set password to its verifier, or server_username and server_password',
      );
    }
    if (pool.credentials.clientKey === null) {
      return this.fail('asks for a SCRAM password, which is known once a client has logged in with it');
    }
    if (iterations !== clientSecret.iterations || !Buffer.from(salt).equals(clientSecret.salt)) {
      return this.fail(
        "has another SCRAM verifier for this user than the pool's password: salt or iterations differ",
      );
    }
    this.onScramKeys({ clientKey: pool.credentials.clientKey, serverKey: clientSecret.serverKey });
    return !this.hasFailed;
  }

  private send(message: Uint8Array): void {
    this.server.send(message, 0, message.length);
  }

  /** It cannot be used: `what` follows its address. Returns false. */
  fail(what: string): boolean {
    return this.failWith(new ServerUnavailable(`${this.server.pool.addressText} ${what}`));
  }

  private failWith(error: ServerUnavailable | ServerLoginRejected): boolean {
    return this.failAs('login_failed', error);
  }

  private failAs(
    reason: 'login_failed' | 'connect_timeout',
    error: ServerUnavailable | ServerLoginRejected,
  ): boolean {
    if (this.hasFailed) return false;
    this.hasFailed = true;
    this.server.pool.openFailed(error);
    this.server.close(reason);
    return false;
  }
}

/** The names in AuthenticationSASL: strings, and an empty one at the end. */
function mechanisms(bytes: Uint8Array, at: number, end: number): string[] {
  const names: string[] = [];
  for (let from = at; from < end; ) {
    const zero = zeroAt(bytes, from, end);
    if (zero <= from) break;
    names.push(textBetween(bytes, from, zero));
    from = zero + 1;
  }
  return names;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
