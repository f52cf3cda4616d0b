/** The manual's page of errors, docs/errors.md: each class of errors that clients are told, with what it means and what
 *  to do. A test sees to it that none is missing. */
import * as authentication from '../src/wire/authentication-errors.js';
import * as facing from '../src/wire/client-facing-error.js';
import { SQLSTATE } from '../src/wire/sqlstate.js';

interface Explained {
  readonly error: facing.ClientFacingError;
  /** When a client is told so. */
  readonly meaning: string;
  readonly remedy: string;
}

const ELLIPSIS = '…';

export const GROUPS: Readonly<Record<string, readonly Explained[]>> = {
  'The pool and its servers': [
    {
      error: new facing.PoolExhausted(),
      meaning:
        'No server became free within `query_wait_timeout`. Nothing was sent, and the client stays connected.',
      remedy:
        '`SHOW WAITS` names who waits and who holds the servers, with what statement. Shorten those transactions, then raise `pool_size`.',
    },
    {
      error: new facing.ServerUnavailable(ELLIPSIS),
      meaning:
        'PostgreSQL cannot be reached, did not answer within `connect_timeout`, or does not behave like PostgreSQL. The text says which, and the address.',
      remedy:
        'Try again. On the side of the operator: `server_host`, `server_port`, TLS, and whether it runs. A login that fails again and again is in the log as `cannot open a server`.',
    },
    {
      error: new facing.ServerLoginRejected('28P01', ELLIPSIS),
      meaning:
        'PostgreSQL has refused the login of the pooler. SQLSTATE and text are those of PostgreSQL: 28P01, 28000, 3D000, 53300 and so on.',
      remedy:
        'The password or hash in the file is not the one that PostgreSQL has, its `pg_hba.conf` refuses the pooler, `server_database` does not exist, or its `max_connections` is reached.',
    },
    {
      error: new facing.SessionRefused({
        severity: 'ERROR',
        sqlstate: '22023',
        message: ELLIPSIS,
        detail: '',
        hint: '',
      }),
      meaning:
        'PostgreSQL has refused what a session begins with: a BEGIN that was put off, or the parameters of `sync_server_parameters`. SQLSTATE and text are those of PostgreSQL.',
      remedy: 'Correct the parameter that the text names, as `TimeZone` in the connection string.',
    },
    {
      error: new facing.ServerDied(),
      meaning: 'The server closed its connection in the middle of a query, without a word.',
      remedy:
        'PostgreSQL was killed, has crashed, or the network has lost it: see its log. What the query did is not known; look before repeating it.',
    },
    {
      error: new facing.ServerDied('idle in transaction'),
      meaning: 'The same between two statements of a transaction.',
      remedy: 'The transaction is rolled back. Begin it again on a new connection.',
    },
    {
      error: new facing.ProxyTimeout(),
      meaning:
        'A message that had begun came to a stop on its way, for `proxy_copy_data_timeout`. One that is merely slow is not meant.',
      remedy: 'A client that has stopped reading or sending, or a broken network. Connect again.',
    },
    {
      error: new facing.LocalResourceExhausted(ELLIPSIS),
      meaning: 'The process has no descriptor left for a server, or the machine no port or memory.',
      remedy: 'Raise `LimitNOFILE=` or `ulimit -n`: one for each client and each server.',
    },
    {
      error: new facing.QueryCancelled(),
      meaning: 'The client has cancelled what waited for a server. No server has heard of it.',
      remedy: 'Nothing. The text is the one that PostgreSQL has for a query that runs.',
    },
  ],
  'The end of connections': [
    {
      error: new facing.ShuttingDown(),
      meaning:
        'The process goes away, or its clients go to the next one and this one cannot (TLS). Told at the end of a transaction, or at the next message.',
      remedy: 'Connect again. Before anything of a request has been sent nothing of it was done: repeat it.',
    },
    {
      error: new facing.TerminatedByAdmin(),
      meaning: 'KILL or KILL_CLIENT of the console. What was going on is cancelled.',
      remedy: 'Ask whoever gave it.',
    },
    {
      error: new facing.PoolRemoved('DATABASE', 'USER'),
      meaning: 'RELOAD has taken database or user out of the configuration.',
      remedy: 'Put it back, or have the client connect elsewhere.',
    },
    {
      error: new facing.WorkerFailed(),
      meaning: 'The thread that served the client has come to an unforeseen end. Others go on.',
      remedy: 'Connect again. The log says why: please report it.',
    },
  ],
  'What a client sends': [
    {
      error: new facing.UnknownStatement('NAME'),
      meaning:
        'Bind, Describe or Close of a prepared statement that this client has not prepared, or has closed by `DEALLOCATE` or `DISCARD ALL`.',
      remedy:
        'Prepare it on the same connection. Behind a pool of the driver it is mostly a connection that was changed for another.',
    },
    {
      error: new facing.UnknownStatement(''),
      meaning: 'The same for the unnamed statement.',
      remedy: 'A Parse without a name must come first.',
    },
    {
      error: new facing.ProtocolViolation(ELLIPSIS),
      meaning: 'A message breaks the protocol; the text says how. Only this connection is lost.',
      remedy:
        'A bug of the driver, or something that is no PostgreSQL client: `--log-level debug` shows the messages.',
    },
    {
      error: new facing.MessageTooLarge(),
      meaning: 'A message of more than 256 MB.',
      remedy: 'Send less at once, or use COPY.',
    },
    {
      error: new facing.OutOfMemory(),
      meaning: 'What all clients have sent by halves is more than `max_memory_usage`.',
      remedy: 'Try again. Raise `max_memory_usage` when many clients send large parameters at the same time.',
    },
    {
      error: new facing.FeatureNotSupported('replication is not pooled: connect to PostgreSQL itself for it'),
      meaning: 'A replication connection.',
      remedy: 'Connect to PostgreSQL itself.',
    },
  ],
  'Before the login': [
    {
      error: new facing.TooManyClients(),
      meaning: '`max_connections` is reached.',
      remedy:
        'Raise it, and the limit of descriptors with it; or look for who opens so many: `SHOW CLIENTS`.',
    },
    {
      error: new facing.NoSuchPool('DATABASE', 'USER'),
      meaning: 'No pool has this database and this user, and there is no `auth_query` for the database.',
      remedy:
        'Correct the connection string, or add the user to the database in the configuration and RELOAD.',
    },
    {
      error: new facing.NotPermittedByHba('ADDRESS', 'USER', 'DATABASE', false),
      meaning:
        'A rule `reject`, no rule at all, or a rule that does not allow the method of this user. The log names the rule.',
      remedy:
        'Add or move a line in `pg_hba`: the first that fits decides. `scram-sha-256` does not let users with an MD5 hash in.',
    },
    {
      error: new facing.TlsRequired(),
      meaning: '`tls_mode` is `require` or `verify-full`, and the client came without TLS.',
      remedy: '`sslmode=require` or better on the side of the client.',
    },
    {
      error: new facing.TlsOnUnixSocket(),
      meaning: 'An SSLRequest on a unix socket.',
      remedy: '`sslmode=disable` there, which is what libpq does by itself.',
    },
    {
      error: new facing.DataBehindSslRequest(),
      meaning: 'Bytes in the clear came behind the request for TLS.',
      remedy: 'A broken client, or somebody in between.',
    },
    {
      error: new facing.DirectTlsWithoutAlpn(),
      meaning: 'TLS without SSLRequest, and without the name of the protocol (ALPN).',
      remedy: 'With `sslnegotiation=direct` libpq 17 says it. Something else than PostgreSQL may be talking.',
    },
    {
      error: new facing.UnsupportedProtocol(2, 0),
      meaning: 'A protocol other than 3.',
      remedy: 'A client of before 2003, or none of PostgreSQL.',
    },
    {
      error: new facing.MalformedStartup(ELLIPSIS),
      meaning: 'The first packet cannot be understood.',
      remedy: 'A broken client, or none of PostgreSQL.',
    },
  ],
  'Who it is': [
    {
      error: new authentication.AuthenticationFailed(),
      meaning: 'Wrong password: MD5, SCRAM or PAM.',
      remedy: 'The password, or its hash in the configuration, which must be that of `pg_authid`.',
    },
    {
      error: new authentication.PasswordAuthenticationFailed('USER'),
      meaning:
        'Wrong user or password of the console, or of a user whom `auth_query` looks up; also one who does not exist or whose password has expired.',
      remedy: 'As above. After a change of a password see [auth_query](tutorials/auth-query.md).',
    },
    {
      error: new authentication.TooManyFailedLogins(),
      meaning: 'So many logins to the console have failed from this address that ten wait for their turn.',
      remedy:
        'Wait; ten quiet minutes later all is forgotten. The log has the address: [Security](security.md).',
    },
    {
      error: new authentication.LoginTimeout(),
      meaning: 'The login was not finished within a minute.',
      remedy: 'A client that has stopped, or a network that loses packets.',
    },
    {
      error: new authentication.ScramProtocolError(ELLIPSIS),
      meaning: 'A SCRAM message breaks RFC 5802.',
      remedy: 'A bug of the driver.',
    },
    {
      error: new authentication.AuthMethodUnsupported(),
      meaning: 'The stored password has a form by which nobody can log in.',
      remedy: '`md5…`, `SCRAM-SHA-256$…`, a plain password, or `jwt-pkey-fpath:…`.',
    },
    {
      error: new authentication.StoredSecretUnusable(),
      meaning: 'The stored password has a known form and is broken. The log says how.',
      remedy: 'Copy it from `pg_authid` again, as a whole.',
    },
    {
      error: new authentication.JwtMalformed(),
      meaning: 'The token is no text.',
      remedy: 'The password must be the token: [Authentication](authentication.md#tokens).',
    },
    {
      error: new authentication.JwtInvalid(),
      meaning: 'Signature, algorithm or time of the token are not accepted. The log says which.',
      remedy: 'A new token; the right key in `jwt-pkey-fpath`; clocks that agree.',
    },
    {
      error: new authentication.JwtUserMismatch('TOKEN_USER', 'USER'),
      meaning: 'A valid token of somebody else.',
      remedy: 'Connect as the user in `preferred_username`.',
    },
    {
      error: new authentication.TalosTokenInvalid(ELLIPSIS),
      meaning: 'A token of the user `talos` is not accepted, or has no role in this database.',
      remedy: '[Authentication](authentication.md#talos).',
    },
    {
      error: new authentication.AuthQueryNotReady('DATABASE'),
      meaning: '`auth_query` cannot be asked yet: PostgreSQL has not been reached since the start.',
      remedy: 'Try again; see the log.',
    },
    {
      error: new authentication.AuthServiceUnavailable(),
      meaning: '`auth_query` or PAM was asked and has failed, or did not answer in time.',
      remedy: 'The log says why.',
    },
  ],
};

export function errorsPage(): string {
  const parts = Object.entries(GROUPS).flatMap(([title, explained]) => [
    `## ${title}`,
    ...explained.map(section),
  ]);
  return `${[ABOUT, ...parts].join('\n\n')}\n`;
}

const ABOUT = `<!-- Made by scripts/errors-page.ts of the classes in src/wire: change that, then npm run docs:reference. -->

# Errors that clients see

What the pooler itself tells a client, by situation. All else comes from PostgreSQL, unchanged. During a login every error is FATAL, whatever stands here. Refused logins are in the log, with who and why; errors in pools are counted by SQLSTATE in \`pg_doorman_pools_errors_total\`. Errors of console commands are in [The admin console](admin-console.md#errors).

Worth another attempt: 08006 and 58006 on a new connection, 53300 after a while on the same.`;

function section({ error, meaning, remedy }: Explained): string {
  const { severity, sqlstate, message, hint } = error;
  const isPassedOn = error instanceof facing.ServerLoginRejected || error instanceof facing.SessionRefused;
  const code = isPassedOn ? 'of PostgreSQL' : `${sqlstate} ${nameOf(sqlstate)}`;
  return [
    `### ${isPassedOn ? `${sentence(error.name)}: what PostgreSQL said` : message.replaceAll('<', '&lt;')}`,
    `*${severity}, ${code}.* ${meaning}`,
    ...(hint === '' ? [] : [`Hint: ${hint}`]),
    `**What to do:** ${remedy}`,
  ].join('\n\n');
}

function nameOf(sqlstate: string): string {
  return Object.entries(SQLSTATE).find(([, code]) => code === sqlstate)?.[0] ?? '';
}

/** `ServerLoginRejected` as words. */
function sentence(name: string): string {
  return name.replace(/(?<=.)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
