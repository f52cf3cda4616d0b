/** Users who are not listed: a worker asks the control plane who they are (auth_query), and tells it how their logins
 *  end. Not for: what is done with the answer, see client-login.ts. */
import type { DataPlane } from './data-plane.js';
import type { LoginOutcome, UserAnswer } from './thread-messages.js';

/** A login that waits for an answer. */
interface Asker {
  userFound(answer: UserAnswer): void;
}

export class UserLookUps {
  private readonly plane: DataPlane;
  private readonly underway = new Map<number, UserLookUp>();
  private lastRequest = 0;

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  /** Asks who the user is. */
  begin(asker: Asker, database: string, user: string): UserLookUp {
    const lookUp = new UserLookUp(this.plane, this, asker, ++this.lastRequest, database, user);
    this.underway.set(lookUp.request, lookUp);
    lookUp.ask(false);
    return lookUp;
  }

  answered(request: number, answer: UserAnswer): void {
    this.underway.get(request)?.asker.userFound(answer);
  }

  /** Nobody waits for it any more. */
  forget(lookUp: UserLookUp): void {
    this.underway.delete(lookUp.request);
  }
}

/** One login's questions. */
export class UserLookUp {
  readonly asker: Asker;
  readonly request: number;
  /** How the login will have ended, as far as it is known. */
  outcome: LoginOutcome = 'other';
  private readonly plane: DataPlane;
  private readonly all: UserLookUps;
  private readonly database: string;
  private readonly user: string;

  constructor(
    plane: DataPlane,
    all: UserLookUps,
    asker: Asker,
    request: number,
    database: string,
    user: string,
  ) {
    this.plane = plane;
    this.all = all;
    this.asker = asker;
    this.request = request;
    this.database = database;
    this.user = user;
  }

  /** `isRefetch`: the password that the first answer gave is not the client's. */
  ask(isRefetch: boolean): void {
    const { request, database, user } = this;
    this.plane.post({ type: 'findUser', request, database, user, isRefetch });
  }

  /** The client is in, or has gone. */
  over(): void {
    this.all.forget(this);
    this.plane.post({ type: 'loginOver', request: this.request, outcome: this.outcome });
  }
}
