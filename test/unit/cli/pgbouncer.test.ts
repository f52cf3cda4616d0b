/** pgbouncer.ini and its files as a configuration: what is taken over, and what is told. PgBouncer manual,
 *  "pgbouncer.ini". */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { convertPgBouncer } from '../../../src/cli/pgbouncer/convert.js';
import { CannotReadPgBouncer } from '../../../src/cli/pgbouncer/ini-file.js';
import { RULES } from '../../../src/cli/pgbouncer/settings.js';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { annotated } from '../../../src/config/writing/annotated.js';
import { dataOf } from '../../../src/config/writing/outline.js';
import { written } from '../config/files.js';

const MD5 = 'md5dd9a0f26a4302744db881776a09bbfad';
const USERS = `"alice" "${MD5}"\n"bob" "plain"\n`;

interface Converted {
  readonly general: Record<string, unknown>;
  readonly pools: Record<string, Record<string, unknown>>;
  readonly warnings: readonly string[];
  readonly isIncomplete: boolean;
}

/** What becomes of files, the first of which is the one that is converted. It is checked as a configuration, too. */
function converted(context: TestContext, files: Readonly<Record<string, string>>): Converted {
  const file = written(context, files);
  const { draft, warnings, isIncomplete } = convertPgBouncer(file, 'en');
  const { error } = configurationSchema.safeParse(dataOf(annotated(draft, 'en')));
  assert.equal(error, undefined);
  const pools = draft.pools.map(({ name, values, users, authQuery }) => {
    const listed = users.map((user) => user.values);
    return [name, { ...values, users: listed, ...(authQuery === null ? {} : { auth_query: authQuery }) }];
  });
  return {
    general: draft.general,
    pools: Object.fromEntries(pools),
    warnings: warnings.map((each) => each.replaceAll(`${dirname(file)}/`, '')),
    isIncomplete,
  };
}

/** With one database, and these settings. */
function withSettings(context: TestContext, settings: string, databases = 'db = host=127.0.0.1'): Converted {
  const ini = `[databases]\n${databases}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nauth_file = users.txt\n${settings}\n`;
  return converted(context, { 'pgbouncer.ini': ini, 'users.txt': USERS });
}

/** The one pool of a line. */
function pool(context: TestContext, line: string, settings = ''): Record<string, unknown> {
  const [first] = Object.values(withSettings(context, settings, line).pools);
  assert.ok(first);
  return first;
}

function usersOf(section: Record<string, unknown>): Record<string, unknown>[] {
  const { users } = section;
  assert.ok(Array.isArray(users));
  return users;
}

// ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('remarks begin a line; behind a value they are part of it', (context) => {
  const { general } = withSettings(
    context,
    '; listen_port = 1\n# listen_port = 2\nlisten_port=3\nsyslog=1\nsyslog_ident = a ; b # c',
  );
  assert.equal(general.port, 3);
  assert.equal(general.syslog_prog_name, 'a ; b # c');
});

test('what is included is read where it is named, and goes on in the open section', (context) => {
  const { general, pools } = converted(context, {
    'pgbouncer.ini': '[databases]\n%include databases.ini\n[pgbouncer]\n%include more.ini\nlisten_port = 2\n',
    'databases.ini': 'a = host=h\n',
    'more.ini': 'listen_port = 1\nlisten_addr = 10.0.0.1\n',
  });
  assert.deepEqual([general.port, general.host, Object.keys(pools)], [2, '10.0.0.1', ['a']]);
});

const BROKEN: readonly [string, Record<string, string>, RegExp][] = [
  ['a file that is not there', { 'a.ini': '%include nowhere.ini' }, /nowhere\.ini cannot be read \(ENOENT\)/],
  [
    'a file that includes itself',
    { 'a.ini': '%include a.ini' },
    /a\.ini:1: includes are more than 10 files deep/,
  ],
  ['a line that is none', { 'a.ini': '[databases]\nfoo bar' }, /a\.ini:2: is no "key = value"/],
  [
    'a quote that is not closed',
    { 'a.ini': "[databases]\na = host=h password='x" },
    /a\.ini:2: a: wants key=value pairs/,
  ],
  [
    'a word without a value',
    { 'a.ini': '[databases]\na = host=h readonly' },
    /a\.ini:2: a: wants key=value pairs/,
  ],
  [
    'a line of auth_file that is none',
    { 'a.ini': '[pgbouncer]\nauth_file = u', u: '"a" "b"\nalice secret' },
    /u:2: is no "user" "password"/,
  ],
  [
    'an auth_file that is not there',
    { 'a.ini': '[pgbouncer]\nauth_file = /nowhere/u' },
    /\/nowhere\/u cannot be read/,
  ],
];
for (const [what, files, complaint] of BROKEN) {
  test(`${what} is told with its place, and without what stands there`, (context) => {
    const file = written(context, files);
    assert.throws(
      () => convertPgBouncer(file, 'en'),
      (error) => {
        assert.ok(error instanceof CannotReadPgBouncer);
        assert.match(error.message, complaint);
        assert.doesNotMatch(error.message, /secret|'x/);
        return true;
      },
    );
  });
}

test('auth_file has remarks, doubled quotes, and more behind the password', (context) => {
  const { pools } = converted(context, {
    'a.ini': '[databases]\nd=host=h\n[pgbouncer]\nauth_file=u\n',
    u: '; "no" "body"\n\n"al""ice" "p""w" whatever\n  "bob"\t""\n"bob" "second"\n',
  });
  assert.deepEqual(
    usersOf(pools.d ?? {}).map(({ username, password }) => [username, password]),
    [
      ['al"ice', 'p"w'],
      ['bob', ''],
    ],
  );
});

// ── [databases] and [users] ──────────────────────────────────────────────────────────────────────────────────────

test('a database has host, port, name and mode; names may be quoted', (context) => {
  const line = '"my ""db""" = host=10.0.0.1 port=6000 dbname=real pool_mode=transaction server_lifetime=90';
  const { pools } = withSettings(context, '', line);
  const { users, ...rest } = pools['my "db"'] ?? {};
  assert.ok(Array.isArray(users));
  assert.deepEqual(rest, {
    server_host: '10.0.0.1',
    server_port: 6000,
    server_database: 'real',
    pool_mode: 'transaction',
    server_lifetime: '90s',
  });
});

test('without a host it is the unix socket; without a mode it is session', (context) => {
  const { server_host, server_port, pool_mode } = pool(context, 'foodb =');
  assert.deepEqual([server_host, server_port, pool_mode], ['/tmp', 5432, 'session']);
  assert.equal(pool(context, 'foodb =', 'unix_socket_dir = /run/pg').server_host, '/run/pg');
});

test('every user of auth_file may use every database, with its password or hash', (context) => {
  assert.deepEqual(usersOf(pool(context, 'd = host=h')), [
    { username: 'alice', password: MD5, pool_size: 20 },
    { username: 'bob', password: 'plain', pool_size: 20 },
  ]);
});

test('with user= everybody works as that user, with the password of the line or of auth_file', (context) => {
  const withPassword = usersOf(pool(context, "d = host=h user=app password='it''s = a  \"word\"'"));
  assert.deepEqual(
    withPassword.map(({ server_username, server_password }) => [server_username, server_password]),
    [
      ['app', 'it\'s = a  "word"'],
      ['app', 'it\'s = a  "word"'],
    ],
  );
  assert.equal(usersOf(pool(context, 'd = host=h user=bob'))[0]?.server_password, 'plain');
  const [alice, bob] = usersOf(pool(context, 'd = host=h user=alice'));
  assert.deepEqual([alice?.server_username, bob?.server_username], [undefined, 'alice']);
});

test('sizes are those of the user, else of the database, else of all', (context) => {
  const sizes = (line: string, settings = '') =>
    usersOf(pool(context, line, settings)).map((each) => each.pool_size);
  assert.deepEqual(sizes('d = host=h', 'default_pool_size = 7'), [7, 7]);
  assert.deepEqual(sizes('d = host=h pool_size=3', 'default_pool_size = 7'), [3, 3]);
  assert.deepEqual(sizes('d = host=h pool_size=3\n[users]\nalice = pool_size=2'), [2, 3]);
  const least = (line: string, settings = '') => usersOf(pool(context, line, settings))[0]?.min_pool_size;
  assert.deepEqual([least('d = host=h min_pool_size=2'), least('d = host=h', 'min_pool_size=50')], [2, 20]);
});

test('a user may have a mode of its own', (context) => {
  const users = usersOf(pool(context, 'd = host=h\n[users]\nalice = pool_mode=transaction'));
  assert.deepEqual(
    users.map(({ pool_mode }) => pool_mode),
    ['transaction', undefined],
  );
});

test('what has no equal in [databases], [users] and [peers] is told with its place and what to do', (context) => {
  const { warnings } = withSettings(
    context,
    '',
    "d = host=a,b reserve_pool_size=1 connect_query='SELECT 1' pool_mode=statement what=x\n* = host=h\n[users]\nalice = max_user_connections=3\ncarol = pool_size=1\n[peers]\n1 = host=/tmp/p",
  );
  for (const told of [
    /^pgbouncer\.ini:2: d: reserve_pool_size: .*pool_size/,
    /^pgbouncer\.ini:2: d: connect_query: .*ALTER ROLE/,
    /^pgbouncer\.ini:2: d: what: is no setting/,
    /^pgbouncer\.ini:2: d: host: a pool has one host: a$/,
    /^pgbouncer\.ini:2: d: pool_mode statement/,
    /^pgbouncer\.ini:3: \*: there is no fallback database/,
    /^pgbouncer\.ini:5: alice: max_user_connections/,
    /^pgbouncer\.ini:6: carol: is not in auth_file/,
    /^pgbouncer\.ini:8: 1: peers are not taken over/,
  ]) {
    assert.ok(
      warnings.some((each) => told.test(each)),
      `${told}\n${warnings.join('\n')}`,
    );
  }
});

// ── [pgbouncer] ──────────────────────────────────────────────────────────────────────────────────────────────────

test('what PgBouncer has by default and we have not is written', (context) => {
  const { general } = withSettings(context, '');
  const { admin_password, ...rest } = general;
  assert.equal(typeof admin_password, 'string');
  assert.deepEqual(rest, {
    host: '127.0.0.1',
    port: 6432,
    backlog: 128,
    max_connections: 100,
    idle_timeout: '10m',
    connect_timeout: '15s',
    server_tls_mode: 'prefer',
    query_wait_timeout: '2m',
    server_lifetime: '1h',
    server_idle_check_timeout: '30s',
    tls_mode: 'disable',
    sync_server_parameters: true,
  });
});

const SETTINGS: readonly [string, Record<string, unknown>][] = [
  ['listen_port = 7000', { port: 7000 }],
  ['listen_addr = *', { host: '0.0.0.0' }],
  ['listen_addr = localhost', { host: '127.0.0.1' }],
  ['listen_addr = ::1, 10.0.0.1', { host: '::1' }],
  ['listen_addr =', { host: '/tmp' }],
  ['max_client_conn = 2000', { max_connections: 2000 }],
  ['server_idle_timeout = 0', { idle_timeout: 0 }],
  ['server_idle_timeout = 1.5', { idle_timeout: '1500ms' }],
  ['server_lifetime = 0', { server_lifetime: '1s' }],
  ['query_wait_timeout = 0', { query_wait_timeout: '365d' }],
  ['server_check_delay = 0', { server_idle_check_timeout: '1ms' }],
  ['server_check_query =', { server_idle_check_timeout: 0 }],
  ['server_round_robin = on', { server_round_robin: true }],
  ['max_prepared_statements = 0', { prepared_statements: false }],
  ['max_prepared_statements = 50', { prepared_statements_cache_size: 50 }],
  ['log_connections = 0', { log_client_connections: false }],
  ['syslog = 1', { syslog_prog_name: 'pgbouncer' }],
  ['tcp_user_timeout = 1500', { tcp_user_timeout: 2 }],
  ['tcp_keepidle = 60', { tcp_keepalives_idle: 60 }],
  ['server_tls_sslmode = disable', { server_tls_mode: 'disable' }],
  [
    'auth_type = scram-sha-256',
    { pg_hba: 'local  all  all  scram-sha-256\nhost   all  all  all  scram-sha-256\n' },
  ],
  ['auth_type = trust', { pg_hba: 'local  all  all  trust\nhost   all  all  all  trust\n' }],
  ['admin_users = alice', { admin_username: 'alice', admin_password: MD5 }],
];
for (const [line, wanted] of SETTINGS) {
  test(`${line} is taken over`, (context) => {
    const { general } = withSettings(context, line);
    for (const [name, value] of Object.entries(wanted)) assert.deepEqual(general[name], value);
  });
}

test('TLS with clients is taken over with its files', (context) => {
  const { general } = withSettings(
    context,
    'client_tls_sslmode = verify-ca\nclient_tls_key_file = /k\nclient_tls_cert_file = /c\nclient_tls_ca_file = /a',
  );
  const { tls_mode, tls_private_key, tls_certificate, tls_ca_cert } = general;
  assert.deepEqual(
    [tls_mode, tls_private_key, tls_certificate, tls_ca_cert],
    ['verify-full', '/k', '/c', '/a'],
  );
});

test('every setting of PgBouncer without an equal is told when it is there, and only then', (context) => {
  for (const [key, rule] of Object.entries(RULES)) {
    if (rule.kind !== 'none') continue;
    const { warnings } = withSettings(context, `${key} = 1`);
    assert.deepEqual(warnings, [`pgbouncer.ini:6: ${key}: ${rule.advice}`]);
  }
  assert.deepEqual(withSettings(context, '').warnings, []);
});

test('a setting that PgBouncer does not know either is told, with what may be meant', (context) => {
  const { warnings } = withSettings(context, 'max_client_con = 5');
  assert.match(warnings.join(), /max_client_con: is no setting .*did you mean max_client_conn\?/);
});

test('a value that is none of its kind keeps nobody from knowing', (context) => {
  const { warnings, isIncomplete } = withSettings(context, 'listen_port = abc\nmax_prepared_statements = x');
  assert.equal(isIncomplete, true);
  assert.match(warnings.join(), /listen_port: its value is not understood; see port/);
  assert.match(warnings.join(), /max_prepared_statements: is no number/);
});

// ── who may come in ──────────────────────────────────────────────────────────────────────────────────────────────

test('the rules of auth_hba_file are taken over; lines that cannot be are left out and told', (context) => {
  const { general, warnings, isIncomplete } = converted(context, {
    'pgbouncer.ini':
      '[databases]\nd = host=h\n[pgbouncer]\nauth_type = hba\nauth_hba_file = hba.conf\nauth_file = u\n',
    'hba.conf': 'host all all 10.0.0.0/8 md5\nhost sameuser all all md5\nlocal all all peer\n',
    u: USERS,
  });
  assert.equal(
    general.pg_hba,
    'host all all 10.0.0.0/8 md5\n# left out: host sameuser all all md5\nlocal all all peer\n',
  );
  assert.equal(isIncomplete, true);
  assert.match(warnings.join('\n'), /line 2 is left out/);
  assert.match(warnings.join('\n'), /line 3: nobody is let in by this method/);
});

for (const type of ['cert', 'ldap', 'what']) {
  test(`auth_type ${type}, which cannot be had, lets nobody in, and says so`, (context) => {
    const { general, warnings, isIncomplete } = withSettings(context, `auth_type = ${type}`);
    assert.match(String(general.pg_hba), /reject/);
    assert.equal(isIncomplete, true);
    assert.match(warnings.join(), /auth_type: nobody is let in until/);
  });
}

test('rules that cannot be read let nobody in', (context) => {
  const { general, isIncomplete } = withSettings(context, 'auth_type = hba\nauth_hba_file = /nowhere/hba');
  assert.match(String(general.pg_hba), /reject/);
  assert.equal(isIncomplete, true);
});

test('auth_type pam asks PAM for each user', (context) => {
  const users = usersOf(pool(context, 'd = host=h', 'auth_type = pam'));
  assert.deepEqual(
    users.map((each) => each.auth_pam_service),
    ['pgbouncer', 'pgbouncer'],
  );
});

test('auth_query is taken over: the second column is the password, whatever it is called', (context) => {
  const settings = 'auth_user = bob\nauth_query = SELECT a, b FROM f($1);\nauth_dbname = auth';
  const { auth_query } = pool(context, 'd = host=h pool_size=4\nauth = host=h dbname=real_auth', settings);
  assert.deepEqual(auth_query, {
    query: 'SELECT passwd FROM (SELECT a, b FROM f($1)) AS found (usename, passwd) WHERE usename IS NOT NULL',
    user: 'bob',
    password: 'plain',
    database: 'real_auth',
    default_pool_size: 4,
  });
});

test('an auth_query of the line goes before that of all, and a forced user is its server_user', (context) => {
  const line = "d = host=h user=app password=pw auth_user=bob auth_query='SELECT x, ''y'''";
  const { auth_query } = pool(context, line, 'auth_user = alice');
  assert.ok(typeof auth_query === 'object' && auth_query !== null);
  const { query, user, server_user, server_password }: Record<string, unknown> = { ...auth_query };
  assert.match(String(query), /\(SELECT x, 'y'\)/);
  assert.deepEqual([user, server_user, server_password], ['bob', 'app', 'pw']);
});

test('an auth_user of whom only the hash is known cannot ask, and that is told', (context) => {
  const { warnings, isIncomplete } = withSettings(context, 'auth_user = alice');
  assert.equal(isIncomplete, true);
  assert.match(warnings.join(), /d?b: auth_query wants the plain password of alice/);
});

test('an administrator without a password gets one that was drawn', (context) => {
  const { general, warnings } = withSettings(context, 'admin_users = carol, alice');
  assert.equal(general.admin_username, 'carol');
  assert.ok(String(general.admin_password).length >= 20);
  assert.match(warnings.join(), /the console has one user: carol/);
  assert.match(warnings.join(), /carol has no password in auth_file/);
});

test('without any user that is told', (context) => {
  const { warnings, isIncomplete } = converted(context, { 'a.ini': '[databases]\nd = host=h\n' });
  assert.equal(isIncomplete, true);
  assert.match(warnings.join(), /neither a user in auth_file nor an auth_user/);
});

test('nothing that is told contains a password', (context) => {
  const { warnings } = withSettings(
    context,
    'auth_user = bob\nadmin_users = bob, alice\npassword = plain-x',
    "d = host=a,b password=sEcReT user=x connect_query='sEcReT' nope=sEcReT",
  );
  assert.ok(warnings.length > 3);
  assert.doesNotMatch(warnings.join(), /sEcReT|plain-x|dd9a0f26/);
});
