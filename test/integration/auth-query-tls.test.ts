/** The connections that ask auth_query have TLS as the pool's servers have it, and nothing from the environment. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { connectExecutor, type ExecutorSettings } from '../../src/control/auth-query/executor-connection.js';
import type { ServerTlsSettings } from '../../src/pooler/settings.js';
import { Authority } from '../support/certificates.js';
import { Postgres } from '../support/postgres.js';

const IS_TLS =
  "select ssl::text || ' ' || application_name || ' ' || current_setting('search_path') from pg_stat_ssl join pg_stat_activity using (pid) where pid = pg_backend_pid() and $1 <> ''";
const authority = new Authority('CA of the tests');
const other = new Authority('another');
const own = authority.signLocal({ addresses: [] });

const HBA = [
  'local all all trust',
  'hostssl   only_tls   all 127.0.0.1/32 trust',
  'hostnossl only_plain all 127.0.0.1/32 trust',
  'hostssl   certified  all 127.0.0.1/32 trust clientcert=verify-ca',
  'host      locked     all 127.0.0.1/32 scram-sha-256',
  'host      postgres   all 127.0.0.1/32 trust',
];
const postgres = await Postgres.create(
  `${HBA.join('\n')}\n`,
  { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key', ssl_ca_file: 'ca.crt' },
  { 'server.crt': own.certificate, 'server.key': own.privateKey, 'ca.crt': authority.pem },
);
after(() => postgres.remove());
for (const name of ['only_tls', 'only_plain', 'certified', 'locked']) {
  await postgres.query(`create database ${name}`);
}

/** What the query says, or the error. */
async function answerOf(
  tls: Partial<ServerTlsSettings>,
  database = 'postgres',
  more: Partial<ExecutorSettings> = {},
): Promise<string> {
  try {
    const connection = await connectExecutor({
      host: '127.0.0.1',
      port: postgres.port,
      tls: { id: '', mode: 'disable', authorities: '', checksHost: false, identity: null, ...tls },
      connectTimeoutMs: 5000,
      user: 'postgres',
      password: '',
      database,
      query: IS_TLS,
      ...more,
    });
    const { rows } = await connection.ask('anybody');
    connection.close();
    return String(rows[0]?.[0]);
  } catch (error) {
    return String(error);
  }
}

// mode, what the database's rules want, what comes of it
const OUTCOMES = [
  ['disable', 'postgres', /^false/],
  ['disable', 'only_tls', /no pg_hba.conf entry.*no encryption/],
  ['allow', 'postgres', /^false/],
  ['allow', 'only_tls', /^true/],
  ['allow', 'only_plain', /^false/],
  ['prefer', 'postgres', /^true/],
  ['prefer', 'only_tls', /^true/],
  ['prefer', 'only_plain', /^false/],
  ['require', 'postgres', /^true/],
  ['require', 'only_plain', /no pg_hba.conf entry.*SSL encryption/],
] as const;

for (const [mode, database, outcome] of OUTCOMES) {
  test(`mode ${mode} where the rules are those of ${database}`, async () => {
    assert.match(await answerOf({ mode }, database), outcome);
  });
}

test('a certificate is checked where it should be, and its host', async () => {
  const mode = 'require';
  assert.match(await answerOf({ mode, authorities: authority.pem }), /^true/);
  assert.match(await answerOf({ mode, authorities: other.pem }), /certificate/);
  // It is of localhost, and of no address.
  const checksHost = { mode, authorities: authority.pem, checksHost: true } as const;
  assert.match(await answerOf(checksHost, 'postgres', { host: 'localhost' }), /^true/);
  assert.match(await answerOf(checksHost), /IP: 127\.0\.0\.1 is not in the cert/);
});

test('a certificate of its own is shown', async () => {
  const identity = authority.signLocal();
  assert.match(await answerOf({ mode: 'require' }, 'certified'), /requires a valid client certificate/);
  assert.match(await answerOf({ mode: 'require', identity }, 'certified'), /^true/);
});

test('the environment of the process has no say', async () => {
  await postgres.query("alter role postgres password 'password'");
  const before = { ...process.env };
  Object.assign(process.env, {
    PGSSLMODE: 'require',
    PGOPTIONS: '-c search_path=evil',
    PGAPPNAME: 'evil',
    PGUSER: 'evil',
    PGDATABASE: 'evil',
    PGPASSWORD: 'password',
    PGCLIENT_ENCODING: 'LATIN1',
  });
  try {
    assert.equal(await answerOf({}), 'false pg_doorman auth_query "$user", public');
    assert.match(await answerOf({}, 'locked'), /password/);
    assert.match(await answerOf({}, 'locked', { password: 'password' }), /^false/);
  } finally {
    process.env = before;
  }
});

test('a unix socket has no TLS', async () => {
  const host = postgres.directory;
  assert.match(await answerOf({ mode: 'require' }, 'postgres', { host }), /^false/);
});
