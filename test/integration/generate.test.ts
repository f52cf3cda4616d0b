/** pg_doorman generate against a real PostgreSQL: what it writes starts at once, and clients log in with the passwords
 *  that they have. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import pg from 'pg';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { Authority } from '../support/certificates.js';
import { COMMAND } from '../support/doorman.js';
import { Postgres } from '../support/postgres.js';
import { startFile } from '../support/start-file.js';

const PASSWORD = 'a "pass\\word" # of \'hers\'';
const literal = `'${PASSWORD.replaceAll("'", "''")}'`;
const authority = new Authority('generate');
const server = authority.signLocal();
const postgres = await Postgres.create(
  `local all all trust
host all postgres 127.0.0.1/32 trust
host all plain_user 127.0.0.1/32 trust
host all scram_user 127.0.0.1/32 scram-sha-256
host all md5_user 127.0.0.1/32 md5
host all all 127.0.0.1/32 reject
`,
  { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key' },
  { 'server.crt': server.certificate, 'server.key': server.privateKey },
);
after(() => postgres.remove());
await postgres.query(`create role scram_user login password ${literal}`);
await postgres.query(`set password_encryption = md5; create role md5_user login password ${literal}`);
await postgres.query('create role plain_user login; create role group_role nologin');
await postgres.query(`create role late_user login password ${literal} valid until '2001-01-01'`);
await postgres.query('create database "my.shop: 1"');
await postgres.query('create database closed');
await postgres.query('revoke connect on database closed from public');
await postgres.query('create database pgbouncer');

const VARIABLES = /^(PG|NO_COLOR|FORCE_COLOR)/;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function generate(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Ended {
  const others = Object.entries(process.env).filter(([name]) => !VARIABLES.test(name));
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [COMMAND, 'generate', ...args], {
    env: { ...Object.fromEntries(others), ...variables },
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.ifError(error);
  return { status, stdout, stderr };
}

const AS_SUPERUSER = ['--host', '127.0.0.1', '--port', String(postgres.port), '--user', 'postgres'];

const written = z.object({
  general: z.looseObject({ port: z.number(), admin_password: z.string().optional() }),
  pools: z.record(
    z.string(),
    z.looseObject({
      server_host: z.string(),
      server_port: z.number(),
      pool_mode: z.string(),
      users: z.array(z.looseObject({ username: z.string(), password: z.string(), pool_size: z.number() })),
    }),
  ),
});

const parsed = (text: string): z.output<typeof written> => written.parse(parseYaml(text));

function directoryFor(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-generate-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function whoIs(port: number, user: string, database: string, password = PASSWORD): Promise<unknown> {
  const client = new pg.Client({ host: '127.0.0.1', port, user, database, password });
  await client.connect();
  try {
    const { rows } = await client.query('select current_user as who, current_database() as where');
    return rows[0];
  } finally {
    await client.end();
  }
}

/** The same file on a port that is free. */
function onAnyPort(file: string): string {
  const text = readFileSync(file, 'utf8');
  const other = text.replace(/^( *port(?: =|:)) \d+$/m, '$1 0');
  assert.notEqual(other, text);
  writeFileSync(file, other);
  return file;
}

for (const ending of ['yaml', 'toml']) {
  for (const more of [[], ['--no-comments'], ['--ru'], ['--session-pool-mode']]) {
    test(`what is written with ${['-o', `x.${ending}`, ...more].join(' ')} starts, and SCRAM and MD5 users log in`, async (context) => {
      const file = join(directoryFor(context), `x.${ending}`);
      const { status, stdout } = generate([...AS_SUPERUSER, ...more, '--output', file]);
      assert.deepEqual({ status, stdout }, { status: 0, stdout: '' });
      assert.equal(statSync(file).mode & 0o777, 0o600);
      const doorman = await startFile(onAnyPort(file));
      for (const user of ['scram_user', 'md5_user']) {
        for (const database of ['postgres', 'my.shop: 1']) {
          assert.deepEqual(await whoIs(doorman.port, user, database), { who: user, where: database });
        }
        await assert.rejects(whoIs(doorman.port, user, 'postgres', 'wrong'), { code: '28P01' });
      }
      await assert.rejects(whoIs(doorman.port, 'plain_user', 'postgres', ' '), { code: '28P01' });
      assert.equal(await doorman.stop(), 0, doorman.log);
    });
  }
}

test('databases that take connections are pools, with those who may connect; groups and templates are none', () => {
  const { pools } = parsed(generate(AS_SUPERUSER).stdout);
  assert.deepEqual(Object.keys(pools).toSorted(), ['closed', 'my.shop: 1', 'postgres']);
  const usersOf = (name: string) => pools[name]?.users.map(({ username }) => username);
  assert.deepEqual(usersOf('postgres'), ['late_user', 'md5_user', 'plain_user', 'postgres', 'scram_user']);
  assert.deepEqual(usersOf('closed'), ['postgres']);
});

test('passwords are the hashes of PostgreSQL', async () => {
  const { rows } = await postgres.query('select rolname, rolpassword from pg_authid');
  const hashes = new Map(rows.map((row) => [String(row.rolname), String(row.rolpassword ?? '')]));
  for (const { username, password } of parsed(generate(AS_SUPERUSER).stdout).pools.postgres?.users ?? []) {
    assert.equal(password, hashes.get(username), username);
  }
});

test('what somebody should know is said on standard error: who has no password, whose has expired, what is left out', () => {
  const { stderr } = generate(AS_SUPERUSER);
  assert.match(stderr, /plain_user, postgres: no password in PostgreSQL/);
  assert.match(stderr, /late_user: the password has expired/);
  assert.match(stderr, /pgbouncer: left out/);
});

test('away from a terminal there is no progress and no colour', () => {
  const { stderr } = generate(AS_SUPERUSER, { FORCE_COLOR: '1' });
  assert.ok(!stderr.includes('connecting') && !stderr.includes('\u001b'));
  assert.ok(stderr.split('\n').every((line) => line === '' || line.startsWith('pg_doorman: warning: ')));
});

test('options say what the pools are like', () => {
  const args = ['--pool-size', '7', '--session-pool-mode', '--server-host', 'db.internal'];
  const pool = parsed(generate([...AS_SUPERUSER, ...args]).stdout).pools.postgres;
  assert.equal(pool?.server_host, 'db.internal');
  assert.equal(pool.server_port, postgres.port);
  assert.equal(pool.pool_mode, 'session');
  assert.ok(pool.users.every(({ pool_size }) => pool_size === 7));
  const plain = parsed(generate(AS_SUPERUSER).stdout).pools.postgres;
  assert.deepEqual(
    [plain?.server_host, plain?.pool_mode, plain?.users[0]?.pool_size],
    ['127.0.0.1', 'transaction', 40],
  );
});

test('the variables of libpq say where, as whom and with which password; options go before them', () => {
  const here = {
    PGHOST: '127.0.0.1',
    PGPORT: String(postgres.port),
    PGUSER: 'postgres',
    PGDATABASE: 'postgres',
  };
  assert.equal(generate([], here).status, 0);
  const wrong = { PGHOST: 'nowhere.invalid', PGPORT: '1', PGUSER: 'nobody', PGDATABASE: 'none' };
  assert.equal(generate([...AS_SUPERUSER, '--database', 'postgres'], wrong).status, 0);
  const asUser = ['--host', '127.0.0.1', '-p', String(postgres.port), '-u', 'scram_user', '-d', 'postgres'];
  assert.match(generate(asUser, { PGPASSWORD: PASSWORD }).stderr, /pg_shadow/);
  assert.match(generate([...asUser, '--password', PASSWORD], { PGPASSWORD: 'wrong' }).stderr, /pg_shadow/);
});

test('a directory as host is that of the unix socket, for the pools too', () => {
  const { status, stdout } = generate([
    '--host',
    postgres.directory,
    '-p',
    String(postgres.port),
    '-u',
    'postgres',
  ]);
  assert.equal(status, 0);
  assert.equal(parsed(stdout).pools.postgres?.server_host, postgres.directory);
});

test('--ssl connects by TLS, and has the pools do so', (context) => {
  assert.equal(parsed(generate([...AS_SUPERUSER, '--ssl']).stdout).general.server_tls_mode, 'require');
  assert.equal(parsed(generate(AS_SUPERUSER).stdout).general.server_tls_mode, undefined);
  const ca = join(directoryFor(context), 'ca.crt');
  writeFileSync(ca, authority.pem);
  const { general } = parsed(generate(AS_SUPERUSER, { PGSSLMODE: 'verify-ca', PGSSLROOTCERT: ca }).stdout);
  assert.deepEqual([general.server_tls_mode, general.server_tls_ca_cert], ['verify-ca', ca]);
});

test('who may not read pg_shadow gets a file whose passwords are still to come, a word, and status 1', async (context) => {
  const file = join(directoryFor(context), 'x.yaml');
  const asUser = ['--host', '127.0.0.1', '-p', String(postgres.port), '-u', 'scram_user', '-d', 'postgres'];
  const { status, stderr } = generate([...asUser, '-o', file], { PGPASSWORD: PASSWORD });
  assert.equal(status, 1);
  assert.match(stderr, /scram_user may not read pg_shadow.*superuser/);
  const text = readFileSync(file, 'utf8');
  assert.ok(parsed(text).pools.postgres?.users.every(({ password }) => password === ''));
  assert.match(text, /Put the hash of pg_shadow into password/);
  const doorman = await startFile(onAnyPort(file));
  await assert.rejects(whoIs(doorman.port, 'md5_user', 'postgres'), { code: '28P01' });
  assert.equal(await doorman.stop(), 0);
});

test('the console gets a password of its own in each file', () => {
  const drawn = () => parsed(generate(AS_SUPERUSER).stdout).general.admin_password ?? '';
  const first = drawn();
  assert.ok(first.length >= 20);
  assert.notEqual(first, drawn());
});

const REFUSALS: readonly [string, readonly string[], Readonly<Record<string, string>>, RegExp][] = [
  [
    'nobody listens',
    ['--host', '127.0.0.1', '-p', '1', '-u', 'postgres'],
    {},
    /cannot connect to postgres@127\.0\.0\.1:1.*nobody listens/,
  ],
  [
    'the host is unknown',
    ['--host', 'nowhere.invalid', '-u', 'postgres'],
    {},
    /nowhere\.invalid.*the host is unknown/,
  ],
  [
    'the password is wrong',
    [...AS_SUPERUSER.slice(0, 4), '-u', 'scram_user', '-d', 'postgres'],
    { PGPASSWORD: 'Kx7Qw9Zr' },
    /password authentication failed.*PGPASSWORD/,
  ],
  [
    'the password is missing',
    [...AS_SUPERUSER.slice(0, 4), '-u', 'scram_user', '-d', 'postgres'],
    {},
    /asks for a password.*PGPASSWORD/,
  ],
  [
    'the database is not there',
    [...AS_SUPERUSER, '-d', 'nothing'],
    {},
    /"nothing" does not exist.*--database/,
  ],
  ['PGPORT is no port', ['-u', 'postgres'], { PGPORT: 'x' }, /PGPORT is "x"/],
  ['PGSSLMODE is none', [...AS_SUPERUSER], { PGSSLMODE: 'on' }, /PGSSLMODE is "on".*verify-full/],
  [
    'a certificate is not there',
    [...AS_SUPERUSER],
    { PGSSLMODE: 'verify-ca', PGSSLROOTCERT: '/nowhere/ca' },
    /\/nowhere\/ca of PGSSLROOTCERT/,
  ],
  [
    'the authority is unknown',
    [...AS_SUPERUSER],
    { PGSSLMODE: 'verify-full' },
    /cannot connect.*certificate/,
  ],
];
for (const [what, args, variables, complaint] of REFUSALS) {
  test(`when ${what}, one line says so, and nothing is written`, (context) => {
    const file = join(directoryFor(context), 'x.yaml');
    const { status, stdout, stderr } = generate([...args, '-o', file], variables);
    assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
    assert.match(stderr, complaint);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    assert.doesNotMatch(stderr, /Kx7Qw9Zr/);
    assert.ok(!existsSync(file));
  });
}

test('TOML and YAML say the same', () => {
  const drawn = /admin_password/;
  const lines = (data: unknown) => JSON.stringify(data, (key, value) => (drawn.test(key) ? '' : value));
  const yaml: unknown = parseYaml(generate(AS_SUPERUSER).stdout);
  const toml: unknown = parseToml(generate([...AS_SUPERUSER, '-f', 'toml']).stdout);
  assert.equal(lines(toml), lines(yaml));
});
