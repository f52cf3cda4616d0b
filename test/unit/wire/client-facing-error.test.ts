/** What clients are told: SQLSTATE, severity and text of each situation, as scripts of PgDoorman 3.3.1 match them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as authentication from '../../../src/wire/authentication-errors.js';
import * as facing from '../../../src/wire/client-facing-error.js';
import { SQLSTATE } from '../../../src/wire/sqlstate.js';

const SITUATIONS: readonly [facing.ClientFacingError, 'ERROR' | 'FATAL', string, RegExp][] = [
  [new facing.FeatureNotSupported('not here'), 'ERROR', '0A000', /^not here$/],
  [new facing.TooManyClients(), 'FATAL', '53300', /^sorry, too many clients already$/],
  [
    new facing.PoolExhausted(),
    'ERROR',
    '53300',
    /^Could not get .*\(query_wait_timeout\)\. Please try again later\.$/,
  ],
  [
    new facing.SessionRefused({ severity: 'ERROR', sqlstate: '22023', message: 'no', detail: '', hint: '' }),
    'FATAL',
    '22023',
    /^no$/,
  ],
  [new facing.QueryCancelled(), 'ERROR', '57014', /^canceling statement due to user request$/],
  [new facing.PoolRemoved('db', 'al'), 'FATAL', '3D000', /database: db, user: al was removed from/],
  [new facing.ServerUnavailable('ECONNREFUSED'), 'ERROR', '08006', /^Server unavailable: ECONNREFUSED$/],
  [
    new facing.LocalResourceExhausted('EMFILE'),
    'ERROR',
    '53000',
    /^Connection pooler local resource exhausted: EMFILE\./,
  ],
  [new facing.ServerDied(), 'FATAL', '08006', /^server closed the connection unexpectedly$/],
  [
    new facing.ServerDied('idle in transaction'),
    'FATAL',
    '08006',
    /unexpectedly while client was idle in transaction$/,
  ],
  [new facing.ProxyTimeout(), 'FATAL', '08006', /^Proxy operation timed out\./],
  [new facing.ShuttingDown(), 'FATAL', '58006', /^pooler is shut down now$/],
  [new facing.TerminatedByAdmin(), 'FATAL', '57P01', /^terminating connection due to administrator command$/],
  [new facing.WorkerFailed(), 'FATAL', '57P02', /^a worker of the pooler has failed$/],
  [new facing.ProtocolViolation('tag 0'), 'FATAL', '08P01', /^protocol violation: tag 0$/],
  [new facing.UnknownStatement('s'), 'ERROR', '26000', /^prepared statement "s" does not exist$/],
  [new facing.UnknownStatement(''), 'ERROR', '26000', /^unnamed prepared statement does not exist$/],
  [new facing.MessageTooLarge(), 'FATAL', '53200', /^Message exceeds maximum allowed size\./],
  [new facing.OutOfMemory(), 'FATAL', '53200', /^Server is temporarily out of memory\./],
  [new facing.MalformedStartup('x'), 'FATAL', '08P01', /^invalid startup packet: x$/],
  [new facing.UnsupportedProtocol(2, 0), 'FATAL', '08P01', /^unsupported frontend protocol 2\.0/],
  [new facing.TlsRequired(), 'FATAL', '28000', /^Connection without SSL is not allowed by tls_mode\.$/],
  [new facing.TlsOnUnixSocket(), 'FATAL', '08P01', /^TLS is not supported on Unix socket connections$/],
  [new facing.DataBehindSslRequest(), 'FATAL', '08P01', /^received unencrypted data after SSL request$/],
  [
    new facing.DirectTlsWithoutAlpn(),
    'FATAL',
    '08P01',
    /^received direct SSL connection request without ALPN/,
  ],
  [new facing.NoSuchPool('d', 'u'), 'FATAL', '3D000', /^No pool configured for database: d, user: u$/],
  [
    new facing.NotPermittedByHba('10.0.0.1', 'u', 'd', false),
    'FATAL',
    '28000',
    /^Connection from 10\.0\.0\.1 to u@d \(TLS: false\) is not permitted by HBA configuration\./,
  ],
  [
    new authentication.AuthenticationFailed(),
    'FATAL',
    '28P01',
    /^Authentication failed\. Please check your username/,
  ],
  [
    new authentication.PasswordAuthenticationFailed('u'),
    'FATAL',
    '28P01',
    /^password authentication failed for user "u"$/,
  ],
  [new authentication.TooManyFailedLogins(), 'FATAL', '53300', /^too many failed logins from this address/],
  [new authentication.ScramProtocolError('x'), 'FATAL', '28P01', /^Authentication protocol error\. x$/],
  [new authentication.AuthMethodUnsupported(), 'FATAL', '28P01', /^Authentication method not supported\./],
  [
    new authentication.StoredSecretUnusable(),
    'FATAL',
    '28P01',
    /^Server authentication configuration error\./,
  ],
  [new authentication.LoginTimeout(), 'FATAL', '57014', /^canceling authentication due to timeout$/],
  [new authentication.JwtMalformed(), 'FATAL', '28P01', /^Invalid JWT token format\./],
  [new authentication.JwtInvalid(), 'FATAL', '28P01', /^JWT token validation failed\./],
  [
    new authentication.JwtUserMismatch('a', 'b'),
    'FATAL',
    '28P01',
    /'a' but you're trying to connect as 'b'\.$/,
  ],
  [new authentication.TalosTokenInvalid('x'), 'FATAL', '28P01', /^Invalid Talos token/],
  [
    new authentication.AuthQueryNotReady('d'),
    'FATAL',
    '3D000',
    /^Auth query service temporarily unavailable for database: d\./,
  ],
  [new authentication.AuthServiceUnavailable(), 'FATAL', '58000', /^Authentication service unavailable\./],
];

for (const [error, severity, sqlstate, text] of SITUATIONS) {
  test(`${error.name}: ${severity} ${sqlstate} "${error.message}"`, () => {
    assert.deepEqual([error.severity, error.sqlstate], [severity, sqlstate]);
    assert.match(error.message, text);
    assert.ok(error instanceof Error);
  });
}

test('every situation has been looked at, and is named after its class', () => {
  const looked = new Set(SITUATIONS.map(([error]) => error.name));
  const classes = [...Object.keys(facing), ...Object.keys(authentication)];
  const missing = classes.filter((name) => !looked.has(name));
  assert.deepEqual(missing, ['ClientFacingError', 'ServerLoginRejected']); // the base, and the one tested below
});

test('what PostgreSQL said of a rejected login is passed on with its SQLSTATE', () => {
  const error = new facing.ServerLoginRejected('3D000', 'database "x" does not exist', { hint: 'h' });
  assert.deepEqual(
    [error.sqlstate, error.message, error.hint],
    ['3D000', 'database "x" does not exist', 'h'],
  );
});

test('a rejection without a usable SQLSTATE or text is still an error of the connection', () => {
  const error = new facing.ServerLoginRejected('oops!!', '');
  assert.deepEqual([error.sqlstate, error.message], ['08006', 'the server rejected the login']);
});

test('every SQLSTATE has five characters of its alphabet', () => {
  for (const sqlstate of Object.values(SQLSTATE)) assert.match(sqlstate, /^[0-9A-Z]{5}$/);
});
