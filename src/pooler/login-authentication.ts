/** A client proves that it is who it says: by MD5, by SCRAM, or by a password or token in the clear, which the control
 *  plane checks. Not for: who is to prove what (client-login.ts). PostgreSQL manual, "Start-up", "SASL Authentication". */
import { hmacSha256, sha256 } from '../reactor/sha256.js';
import {
  AuthenticationFailed,
  AuthMethodUnsupported,
  TooManyFailedLogins,
} from '../wire/authentication-errors.js';
import { copyOf } from '../wire/bytes.js';
import { ClientFacingError, ProtocolViolation, ShuttingDown } from '../wire/client-facing-error.js';
import { isMd5Response } from '../wire/md5.js';
import {
  AUTHENTICATION_HEADER_LENGTH,
  authenticationMd5,
  putAuthentication,
} from '../wire/message-builder.js';
import { readPasswordMessage, readSaslInitialResponse } from '../wire/password-message.js';
import {
  AUTHENTICATION_CLEARTEXT_PASSWORD,
  AUTHENTICATION_SASL,
  AUTHENTICATION_SASL_BINDING,
} from '../wire/ready-made.js';
import { type ScramHash, ScramServerExchange } from '../wire/scram-server.js';
import { scramNonceBytes } from '../wire/scram-verifier.js';
import { Authentication } from '../wire/tags.js';
import { type ProofMethod, type ProofVerdict, refusalError } from './client-proof.js';
import type { Attempt } from './failed-logins.js';
import { TOKEN_MESSAGE_MAX } from './limits.js';
import { LoginNegotiation } from './login-negotiation.js';
import { LoginState } from './login-stream.js';
import type { ClientSecret } from './settings.js';

const NO_BYTES = new Uint8Array(0);
const SCRAM_HASH: ScramHash = { hmac: hmacSha256, sha256 };

export abstract class LoginAuthentication extends LoginNegotiation implements Attempt {
  protected secret: ClientSecret = { kind: 'none' };
  /** How what the client sends in the clear is checked. */
  protected method: ProofMethod | null = null;
  private salt: Uint8Array = NO_BYTES;
  private scram: ScramServerExchange | null = null;
  private proofRequest = 0;
  /** What the client has sent to prove who it is, and nobody has looked at yet. */
  private proof: Uint8Array = NO_BYTES;

  /** Whether it is the console that it wants: guesses are slowed down. */
  protected abstract get isAdmin(): boolean;
  /** The client has its secret; `clientKey` is what SCRAM has told of it. */
  protected abstract proved(clientKey: Uint8Array | null): void;
  /** It is not by this hash that the response to the salt was made. Throws AuthenticationFailed, unless there is to be
   *  another hash. */
  protected abstract md5Failed(response: Uint8Array): void;
  /** The control plane has accepted what the client has sent in the clear. */
  protected abstract acceptedAs(user: string, applicationName: string): void;
  protected abstract adminFailed(error: ClientFacingError): void;
  /** What the control plane is to know beside the password. */
  protected abstract get claim(): { readonly database: string; readonly user: string };

  /** By whatever form its stored password has. */
  protected askForProof(): void {
    const { secret } = this;
    switch (secret.kind) {
      case 'md5':
        this.salt = this.plane.reactor.random(4);
        this.state = LoginState.Md5Response;
        return this.send(authenticationMd5(this.salt));
      case 'scram':
        this.scram = new ScramServerExchange(secret, this.newNonce(), SCRAM_HASH, this.endPoint);
        this.state = LoginState.SaslInitialResponse;
        return this.send(this.scram.mayBind ? AUTHENTICATION_SASL_BINDING : AUTHENTICATION_SASL);
      case 'pam':
      case 'jwt':
        return this.askInTheClear(secret.kind);
      case 'none':
        this.warn('user without a password in the configuration, and no rule of pg_hba trusts it');
        throw new AuthenticationFailed();
      case 'unusable':
        this.warn(`user cannot log in: ${secret.why}`);
        throw new AuthMethodUnsupported();
    }
  }

  private newNonce(): Uint8Array {
    return scramNonceBytes((length) => this.plane.reactor.random(length));
  }

  private warn(text: string): void {
    this.plane.log('warn', text, this.logFields);
  }

  protected askInTheClear(method: ProofMethod): void {
    this.method = method;
    this.messageMax = TOKEN_MESSAGE_MAX;
    this.state = LoginState.Cleartext;
    this.send(AUTHENTICATION_CLEARTEXT_PASSWORD);
  }

  protected onPassword(bytes: Uint8Array, bodyAt: number, bodyEnd: number): void {
    switch (this.state) {
      case LoginState.SaslInitialResponse:
        return this.beginExchange(bytes, bodyAt, bodyEnd);
      case LoginState.Md5Response:
      case LoginState.SaslResponse:
        if (!this.isAdmin) return this.checkProof(bytes, bodyAt, bodyEnd);
        this.proof = copyOf(bytes, bodyAt, bodyEnd);
        return this.takeTurn();
      case LoginState.Cleartext:
        return this.askForVerdict(readPasswordMessage(bytes, bodyAt, bodyEnd));
      default:
        throw new ProtocolViolation('a password that nobody asked for');
    }
  }

  private beginExchange(bytes: Uint8Array, bodyAt: number, bodyEnd: number): void {
    const { scram } = this;
    const { mechanism, data } = readSaslInitialResponse(bytes, bodyAt, bodyEnd);
    if (scram === null || !scram.mechanisms.includes(mechanism)) {
      throw new ProtocolViolation('a SASL mechanism that was not offered');
    }
    this.state = LoginState.SaslResponse;
    this.sendSasl(Authentication.SaslContinue, scram.clientFirst(data, mechanism));
  }

  private sendSasl(request: Authentication.SaslContinue | Authentication.SaslFinal, data: Uint8Array): void {
    const length = AUTHENTICATION_HEADER_LENGTH + data.length;
    const message = this.plane.scratch(length);
    putAuthentication(message, request, data);
    this.socket.send(message, 0, length);
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
      this.checkProof(this.proof, 0, this.proof.length);
    } catch (error) {
      if (!(error instanceof ClientFacingError)) throw error;
      this.adminFailed(error);
    }
  }

  /** Throws AuthenticationFailed and other errors of authentication. */
  private checkProof(bytes: Uint8Array, begin: number, end: number): void {
    const { scram } = this;
    if (scram === null) return this.checkMd5(readPasswordMessage(bytes, begin, end));
    this.sendSasl(Authentication.SaslFinal, scram.clientFinal(bytes.subarray(begin, end)));
    this.proved(scram.clientKey);
  }

  protected checkMd5(response: Uint8Array): void {
    const { secret } = this;
    if (secret.kind === 'md5' && isMd5Response(secret.hash, this.salt, response)) this.proved(null);
    else this.md5Failed(response);
  }

  private askForVerdict(secret: Uint8Array): void {
    const { method, plane } = this;
    if (method === null) throw new ProtocolViolation('a password that nobody asked for');
    if (plane.isShuttingDown) throw new ShuttingDown();
    const { isUnix, host } = this.peer;
    const isPrivate = isUnix || this.hasTls;
    this.state = LoginState.Proof;
    const { database, user } = this.claim;
    const proof = { method, database, user, address: isUnix ? '' : host, isPrivate, secret };
    this.proofRequest = plane.proofs.ask(proof, this);
  }

  /** The control plane's answer. */
  proofChecked(verdict: ProofVerdict): void {
    if (this.state !== LoginState.Proof) return;
    if (verdict.isAccepted) return this.acceptedAs(verdict.user, verdict.applicationName);
    this.refuse(refusalError(verdict, this.claim.user), `${this.method}: ${verdict.why}`);
  }

  noVerdict(error: ClientFacingError): void {
    this.refuse(error);
  }

  protected override letGo(): void {
    super.letGo();
    if (this.proofRequest !== 0) this.plane.proofs.leave(this.proofRequest);
    if (this.isAdmin) this.plane.failedLogins.leave(this);
  }
}
