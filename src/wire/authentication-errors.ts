/** What a client is told when it cannot prove who it is. No text says whether it was the name or the secret that
 *  was wrong, nor anything of a secret. Who may come at all, before any proof: client-facing-error.ts. */
import { ClientFacingError } from './client-facing-error.js';
import { SQLSTATE } from './sqlstate.js';

const ASK_THE_ADMINISTRATOR = 'Please contact your database administrator.';

/** Wrong password: MD5, SCRAM, PAM. */
export class AuthenticationFailed extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor() {
    super('Authentication failed. Please check your username and password.');
  }
}

/** Wrong user or password of the admin console, or of a user whom auth_query looks up. */
export class PasswordAuthenticationFailed extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor(user: string) {
    super(`password authentication failed for user "${user}"`);
  }
}

/** So many logins from this address have failed, and so many wait for their turn, that this one is not looked at. */
export class TooManyFailedLogins extends ClientFacingError {
  readonly sqlstate = SQLSTATE.too_many_connections;
  constructor() {
    super('too many failed logins from this address, try again later');
  }
}

/** A SCRAM message of the client breaks RFC 5802. `what` contains nothing of the message. */
export class ScramProtocolError extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor(what: string) {
    super(`Authentication protocol error. ${what}`);
  }
}

/** The stored password has a form with which nobody can log in here. */
export class AuthMethodUnsupported extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor() {
    super(`Authentication method not supported. ${ASK_THE_ADMINISTRATOR}`);
  }
}

/** The stored password has a known form and is broken. The log says how. */
export class StoredSecretUnusable extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor() {
    super(`Server authentication configuration error. ${ASK_THE_ADMINISTRATOR}`);
  }
}

/** The client did not finish its login in time. PostgreSQL uses this code and text itself. */
export class LoginTimeout extends ClientFacingError {
  readonly sqlstate = SQLSTATE.query_canceled;
  constructor() {
    super('canceling authentication due to timeout');
  }
}

/** The password that should be a JSON Web Token is no text. */
export class JwtMalformed extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor() {
    super('Invalid JWT token format. Please provide a valid token.');
  }
}

/** The token's signature, algorithm or time of validity is not accepted. */
export class JwtInvalid extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor() {
    super('JWT token validation failed. Please provide a valid token.');
  }
}

/** A valid token, of somebody else. */
export class JwtUserMismatch extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor(tokenUser: string, user: string) {
    super(
      `JWT token username mismatch. Token contains username '${tokenUser}' but you're trying to connect as '${user}'.`,
    );
  }
}

/** A token of the user `talos` is not accepted. */
export class TalosTokenInvalid extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_password;
  constructor(why: string) {
    super(`Invalid Talos token: ${why}`);
  }
}

/** auth_query is configured for this database and cannot be asked yet. */
export class AuthQueryNotReady extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_catalog_name;
  constructor(database: string) {
    super(`Auth query service temporarily unavailable for database: ${database}. Please try again later.`);
  }
}

/** auth_query was asked and failed. */
export class AuthServiceUnavailable extends ClientFacingError {
  readonly sqlstate = SQLSTATE.system_error;
  constructor() {
    super('Authentication service unavailable. Please try again later.');
  }
}
