/** Everything that the pooler itself has to tell a client in an ErrorResponse: one class per situation, each with
 *  its SQLSTATE and severity. The texts are those that clients and scripts of PgDoorman 3.3.1 know. Does not build
 *  the message (error-response.ts), and says nothing that only the operator may know: that goes to the log. */
import type { ErrorFields, Severity } from './error-fields.js';
import { SQLSTATE } from './sqlstate.js';

const ASK_THE_ADMINISTRATOR = 'Please contact your database administrator.';

/** An error that a client is told of. `detail` and `hint` are '' when there is nothing more to say. */
export abstract class ClientFacingError extends Error {
  abstract readonly sqlstate: string;
  /** What it means for a client that is logged in. During a login everything is FATAL: see errorResponse. */
  readonly severity: Severity = 'FATAL';
  readonly detail: string;
  readonly hint: string;

  constructor(message: string, more: { readonly detail?: string; readonly hint?: string } = {}) {
    super(message);
    this.name = new.target.name;
    this.detail = more.detail ?? '';
    this.hint = more.hint ?? '';
  }
}

// The pool and its servers

/** `max_connections` is reached. */
export class TooManyClients extends ClientFacingError {
  readonly sqlstate = SQLSTATE.too_many_connections;
  constructor() {
    super('sorry, too many clients already');
  }
}

function noServerFromThePool(why: string): string {
  return `Could not get a database connection from the pool. All servers may be busy or down. Error details: ${why}. Please try again later.`;
}

/** No server connection became free within `query_wait_timeout`. The client loses nothing and stays connected. */
export class PoolExhausted extends ClientFacingError {
  readonly sqlstate = SQLSTATE.too_many_connections;
  override readonly severity = 'ERROR';
  constructor() {
    super(
      noServerFromThePool('Timeout occurred while waiting free connection from pool (query_wait_timeout)'),
      { hint: 'SHOW POOLS in the admin console tells who waits, SHOW CLIENTS who is at work.' },
    );
  }
}

/** Its client has cancelled what waited for a server: no server has heard of it. */
export class QueryCancelled extends ClientFacingError {
  readonly sqlstate = SQLSTATE.query_canceled;
  override readonly severity = 'ERROR';
  constructor() {
    super('canceling statement due to user request');
  }
}

/** A server cannot be reached, or does not behave like PostgreSQL. Drivers know 08006 as worth another attempt. */
export class ServerUnavailable extends ClientFacingError {
  readonly sqlstate = SQLSTATE.connection_failure;
  override readonly severity = 'ERROR';
  constructor(reason: string) {
    super(`Server unavailable: ${reason}`);
  }
}

/** PostgreSQL refused the pooler's login: what it said is passed on with its own SQLSTATE. */
export class ServerLoginRejected extends ClientFacingError {
  readonly sqlstate: string;
  override readonly severity = 'ERROR';
  constructor(
    sqlstate: string,
    message: string,
    more: { readonly detail?: string; readonly hint?: string } = {},
  ) {
    super(message === '' ? 'the server rejected the login' : message, more);
    this.sqlstate = isSqlstate(sqlstate) ? sqlstate : SQLSTATE.connection_failure;
  }
}

/** PostgreSQL refused what a session of the client begins with (a BEGIN that was put off, its parameters): what it
 *  said is passed on. */
export class SessionRefused extends ClientFacingError {
  readonly sqlstate: string;
  constructor({ sqlstate, message, detail, hint }: ErrorFields) {
    super(message, { detail, hint });
    this.sqlstate = isSqlstate(sqlstate) ? sqlstate : SQLSTATE.connection_failure;
  }
}

/** No descriptor, or another thing of this machine, is left for a server connection. */
export class LocalResourceExhausted extends ClientFacingError {
  readonly sqlstate = SQLSTATE.insufficient_resources;
  override readonly severity = 'ERROR';
  constructor(what: string) {
    super(`Connection pooler local resource exhausted: ${what}. Please try again later.`);
  }
}

/** The server closed its connection while the client used it, and said nothing that could be passed on. */
export class ServerDied extends ClientFacingError {
  readonly sqlstate = SQLSTATE.connection_failure;
  constructor(during: 'query' | 'idle in transaction' = 'query') {
    super(
      during === 'query'
        ? 'server closed the connection unexpectedly'
        : 'server closed the connection unexpectedly while client was idle in transaction',
    );
  }
}

/** A large row did not pass within `proxy_copy_data_timeout`. */
export class ProxyTimeout extends ClientFacingError {
  readonly sqlstate = SQLSTATE.connection_failure;
  constructor() {
    super('Proxy operation timed out. Please try again later.');
  }
}

// The end of the process

/** The process goes away: told to a client at its next message, or when its transaction ends. */
export class ShuttingDown extends ClientFacingError {
  readonly sqlstate = SQLSTATE.pooler_shutdown;
  constructor() {
    super('pooler is shut down now');
  }
}

/** KILL or KILL_CLIENT of the console. The text is PostgreSQL's. */
export class TerminatedByAdmin extends ClientFacingError {
  readonly sqlstate = SQLSTATE.admin_shutdown;
  constructor() {
    super('terminating connection due to administrator command');
  }
}

/** The thread that served the client has come to an unforeseen end. */
export class WorkerFailed extends ClientFacingError {
  readonly sqlstate = SQLSTATE.crash_shutdown;
  constructor() {
    super('a worker of the pooler has failed', { hint: 'Connect again: another serves.' });
  }
}

// What a client sends

/** A message breaks the protocol; `what` names how, in words that contain nothing of its content. */
export class ProtocolViolation extends ClientFacingError {
  readonly sqlstate = SQLSTATE.protocol_violation;
  constructor(what: string) {
    super(`protocol violation: ${what}`);
  }
}

/** Something of PostgreSQL that the pooler itself does not have. */
export class FeatureNotSupported extends ClientFacingError {
  readonly sqlstate = SQLSTATE.feature_not_supported;
  override readonly severity = 'ERROR';
}

/** Bind, Describe or Close names a statement that this client has not prepared; '' is the unnamed one. */
export class UnknownStatement extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_sql_statement_name;
  override readonly severity = 'ERROR';
  constructor(name: string) {
    super(
      name === ''
        ? 'unnamed prepared statement does not exist'
        : `prepared statement "${name}" does not exist`,
    );
  }
}

/** One message is longer than any may be. */
export class MessageTooLarge extends ClientFacingError {
  readonly sqlstate = SQLSTATE.out_of_memory;
  constructor() {
    super('Message exceeds maximum allowed size. Please reduce the size of your query or data.');
  }
}

/** All clients' unfinished messages together are over `max_memory_usage`. */
export class OutOfMemory extends ClientFacingError {
  readonly sqlstate = SQLSTATE.out_of_memory;
  constructor() {
    super('Server is temporarily out of memory. Please try again later or reduce the size of your query.');
  }
}

// Before the login

/** The startup packet can be framed but not understood. */
export class MalformedStartup extends ClientFacingError {
  readonly sqlstate = SQLSTATE.protocol_violation;
  constructor(what: string) {
    super(`invalid startup packet: ${what}`);
  }
}

/** A major version of the protocol other than 3. */
export class UnsupportedProtocol extends ClientFacingError {
  readonly sqlstate = SQLSTATE.protocol_violation;
  constructor(major: number, minor: number) {
    super(`unsupported frontend protocol ${major}.${minor}: only protocol 3 is spoken here`);
  }
}

/** `tls_mode` demands TLS and the client came without. */
export class TlsRequired extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_authorization_specification;
  constructor() {
    super('Connection without SSL is not allowed by tls_mode.');
  }
}

/** Bytes in the clear behind an SSLRequest, before the answer to it: taken as if they had been encrypted they would be
 *  somebody else's in between (CVE-2021-23222 and its like). The text is PostgreSQL's. */
export class DataBehindSslRequest extends ClientFacingError {
  readonly sqlstate = SQLSTATE.protocol_violation;
  constructor() {
    super('received unencrypted data after SSL request', {
      detail:
        'This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.',
    });
  }
}

/** A handshake without SSLRequest whose client did not ask for the protocol by ALPN. */
export class DirectTlsWithoutAlpn extends ClientFacingError {
  readonly sqlstate = SQLSTATE.protocol_violation;
  constructor() {
    super('received direct SSL connection request without ALPN protocol negotiation extension');
  }
}

/** An SSLRequest on a unix socket. */
export class TlsOnUnixSocket extends ClientFacingError {
  readonly sqlstate = SQLSTATE.protocol_violation;
  constructor() {
    super('TLS is not supported on Unix socket connections');
  }
}

/** No pool has this database and user. */
export class NoSuchPool extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_catalog_name;
  constructor(database: string, user: string) {
    super(`No pool configured for database: ${database}, user: ${user}`, {
      hint: 'Please check your connection parameters.',
    });
  }
}

/** The pool has been taken out of the configuration while the client was connected. */
export class PoolRemoved extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_catalog_name;
  constructor(database: string, user: string) {
    super(`The pool for database: ${database}, user: ${user} was removed from the configuration`);
  }
}

/** hba or pg_hba does not let this client in, or not by the method of its stored password. */
export class NotPermittedByHba extends ClientFacingError {
  readonly sqlstate = SQLSTATE.invalid_authorization_specification;
  constructor(address: string, user: string, database: string, tls: boolean) {
    super(
      `Connection from ${address} to ${user}@${database} (TLS: ${tls}) is not permitted by HBA configuration. ${ASK_THE_ADMINISTRATOR}`,
    );
  }
}

function isSqlstate(text: string): boolean {
  return /^[0-9A-Z]{5}$/.test(text);
}
