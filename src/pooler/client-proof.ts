/** Passwords that clients send in the clear and that the control plane checks: tokens, and those that PAM is asked about.
 *  What is asked, what is answered, and who waits for it. Not for: checking (control/authentication). */
import type { Reactor } from '../reactor/reactor.js';
import {
  AuthenticationFailed,
  AuthServiceUnavailable,
  JwtInvalid,
  JwtMalformed,
  JwtUserMismatch,
  TalosTokenInvalid,
} from '../wire/authentication-errors.js';
import type { ClientFacingError } from '../wire/client-facing-error.js';
import type { ToControl } from './thread-messages.js';

/** The user whose token says who he is. */
export const TALOS_USER = 'talos';

export type ProofMethod = 'talos' | 'pam' | 'jwt';

export interface ClientProof {
  readonly method: ProofMethod;
  readonly database: string;
  readonly user: string;
  /** '' for a unix socket. */
  readonly address: string;
  /** Nobody on the network could read it. */
  readonly isPrivate: boolean;
  /** The password or token. */
  readonly secret: Uint8Array;
}

export type ProofVerdict = ProofAccepted | ProofRefused;

interface ProofAccepted {
  readonly isAccepted: true;
  /** Whose pool it is. */
  readonly user: string;
  /** '': the client's own. */
  readonly applicationName: string;
}

export interface ProofRefused {
  readonly isAccepted: false;
  readonly refusal: 'password' | 'unavailable' | 'jwt_malformed' | 'jwt_invalid' | 'jwt_user' | 'talos';
  /** For the log; nothing of the secret. */
  readonly why: string;
  /** What the client may know: the user that a token names, or what a token lacks. */
  readonly told: string;
}

/** What the client is told. */
export function refusalError({ refusal, told }: ProofRefused, user: string): ClientFacingError {
  switch (refusal) {
    case 'password':
      return new AuthenticationFailed();
    case 'unavailable':
      return new AuthServiceUnavailable();
    case 'jwt_malformed':
      return new JwtMalformed();
    case 'jwt_invalid':
      return new JwtInvalid();
    case 'jwt_user':
      return new JwtUserMismatch(told, user);
    case 'talos':
      return new TalosTokenInvalid(told);
  }
}

/** Who has asked and waits. */
interface Prover {
  proofChecked(verdict: ProofVerdict): void;
  /** It is not to wait any more. */
  noVerdict(error: ClientFacingError): void;
}

/** The questions of one worker that are open. */
export class OpenProofs {
  private readonly reactor: Reactor;
  private readonly post: (message: ToControl) => void;
  private readonly provers = new Map<number, Prover>();
  private lastRequest = 0;

  constructor(reactor: Reactor, post: (message: ToControl) => void) {
    this.reactor = reactor;
    this.post = post;
  }

  /** Returns the question's number, by which it can be left. */
  ask(proof: ClientProof, prover: Prover): number {
    // Not counted from 1: the answer to a worker that has died meanwhile must not fit a question of its successor.
    if (this.lastRequest === 0) this.lastRequest = Buffer.from(this.reactor.random(6)).readUIntBE(0, 6);
    const request = ++this.lastRequest;
    this.provers.set(request, prover);
    this.post({ type: 'checkProof', request, proof });
    return request;
  }

  answered(request: number, verdict: ProofVerdict): void {
    const prover = this.provers.get(request);
    this.provers.delete(request);
    prover?.proofChecked(verdict);
  }

  /** Nobody is waited for: PAM may take its time. */
  giveUp(error: ClientFacingError): void {
    for (const each of [...this.provers.values()]) each.noVerdict(error);
  }

  /** The answer is not wanted any more. Does nothing when it has come. */
  leave(request: number): void {
    if (this.provers.delete(request)) this.post({ type: 'forgetProof', request });
  }
}
