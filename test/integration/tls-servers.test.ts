/** TLS with PostgreSQL, in every mode, against a real one and against those that cheat. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { Authority, secretFile } from '../support/certificates.js';
import { Doorman, type Section } from '../support/doorman.js';
import { FakePostgres } from '../support/fake-postgres.js';
import { CANCEL_REQUEST, packet, query, SSL_REQUEST } from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { pool, poolAt } from '../support/shared-postgres.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';

const IS_TLS = 'select ssl::text from pg_stat_ssl where pid = pg_backend_pid()';
const authority = new Authority('CA of the tests');
const own = authority.signLocal();
const CA = secretFile(authority.pem);
const OTHER_CA = secretFile(new Authority('another').pem);

const HBA = [
  'local all all trust',
  'hostssl   only_tls   all 127.0.0.1/32 trust',
  'hostnossl only_plain all 127.0.0.1/32 trust',
  'hostssl   certified  all 127.0.0.1/32 trust clientcert=verify-ca',
  'host      postgres   all 127.0.0.1/32 trust',
];
const postgres = await Postgres.create(
  `${HBA.join('\n')}\n`,
  { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key', ssl_ca_file: 'ca.crt' },
  { 'server.crt': own.certificate, 'server.key': own.privateKey, 'ca.crt': authority.pem },
);
after(() => postgres.remove());
for (const name of ['only_tls', 'only_plain', 'certified']) await postgres.query(`create database ${name}`);

/** A doorman with this pool alone, and what a client of it is answered: a value, or the error. */
async function answerOf(pools: Section, sql: string, general: Section = {}): Promise<string> {
  const doorman = await Doorman.start({ general, pools: { postgres: pools } });
  try {
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    const value = await client.value(sql);
    client.close();
    return String(value);
  } catch (error) {
    return String(error);
  } finally {
    await doorman.stop();
  }
}

function toPostgres(more: Section = {}): Section {
  return poolAt(postgres.port, {}, more);
}

// mode, what the database's rules want, what comes of it
const OUTCOMES = [
  ['disable', 'postgres', /^false$/],
  ['disable', 'only_tls', /28000.*no pg_hba.conf entry.*no encryption/],
  ['allow', 'postgres', /^false$/],
  ['allow', 'only_tls', /^true$/],
  ['allow', 'only_plain', /^false$/],
  ['prefer', 'postgres', /^true$/],
  ['prefer', 'only_tls', /^true$/],
  ['prefer', 'only_plain', /^false$/],
  ['require', 'postgres', /^true$/],
  ['require', 'only_plain', /28000.*no pg_hba.conf entry.*SSL encryption/],
  ['verify-ca', 'postgres', /^true$/],
  ['verify-full', 'postgres', /^true$/],
] as const;

for (const [mode, database, outcome] of OUTCOMES) {
  test(`mode ${mode} where the rules are those of ${database}`, async () => {
    const ca = mode.startsWith('verify') ? { server_tls_ca_cert: CA } : {};
    const section = toPostgres({ server_tls_mode: mode, server_database: database, ...ca });
    assert.match(await answerOf(section, IS_TLS), outcome);
  });
}

test('server_tls of older files uses TLS where it is offered', async () => {
  assert.equal(await answerOf(toPostgres(), IS_TLS, { server_tls: true }), 'true');
  assert.equal(await answerOf(pool(), IS_TLS, { server_tls: true }), 'false');
});

test('verify_server_certificate of older files believes only public authorities, unless it is told another', async () => {
  const general = { server_tls: true, verify_server_certificate: true };
  assert.match(await answerOf(toPostgres(), IS_TLS, general), /08006.*certificate verify failed/);
  assert.equal(await answerOf(toPostgres(), IS_TLS, { ...general, server_tls_ca_cert: CA }), 'true');
});

test('a server without TLS is left alone where TLS is required', async () => {
  const answer = await answerOf(pool({}, { server_tls_mode: 'require' }), IS_TLS);
  assert.match(answer, /08006.*127\.0\.0\.1:\d+ does not offer TLS/);
});

test('a certificate of another authority is not believed, in require too when a CA is named', async () => {
  for (const mode of ['require', 'verify-ca', 'verify-full']) {
    const answer = await answerOf(
      toPostgres({ server_tls_mode: mode, server_tls_ca_cert: OTHER_CA }),
      IS_TLS,
    );
    assert.match(answer, /08006.*TLS failed \(certificate verify failed: .*\) at 127\.0\.0\.1/, mode);
  }
});

test('verify-full wants the certificate of the very host, verify-ca does not', async () => {
  const elsewhere = authority.sign('elsewhere', { hosts: ['elsewhere'] });
  const other = await Postgres.create(
    undefined,
    { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key' },
    { 'server.crt': elsewhere.certificate, 'server.key': elsewhere.privateKey },
  );
  try {
    for (const [mode, outcome] of [
      ['verify-full', /08006.*IP address mismatch/],
      ['verify-ca', /^true$/],
    ] as const) {
      const section = poolAt(other.port, {}, { server_tls_mode: mode, server_tls_ca_cert: CA });
      assert.match(await answerOf(section, IS_TLS), outcome);
    }
  } finally {
    await other.remove();
  }
});

test("the pooler's own certificate is shown to a server that wants one", async () => {
  const client = authority.sign('pg_doorman');
  const files = {
    server_tls_certificate: secretFile(client.certificate),
    server_tls_private_key: secretFile(client.privateKey),
  };
  const section = toPostgres({ server_tls_mode: 'require', server_database: 'certified' });
  assert.match(await answerOf(section, IS_TLS), /28000.*connection requires a valid client certificate/);
  assert.equal(await answerOf(section, IS_TLS, files), 'true');
  assert.equal(await answerOf({ ...section, ...files }, IS_TLS), 'true');
});

test('what a pool says wins over what stands in general, and the console shows which servers have TLS', async () => {
  const doorman = await Doorman.start({
    general: { server_tls_mode: 'require' },
    pools: { secure: toPostgres(), plain: toPostgres({ server_tls_mode: 'disable' }) },
  });
  for (const database of ['secure', 'plain']) {
    const client = await WireClient.login(doorman.port, 'postgres', database);
    assert.equal(await client.value(IS_TLS), String(database === 'secure'));
    client.close();
  }
  const servers = await doorman.admin('SHOW SERVERS');
  assert.deepEqual(servers.map(({ tls }) => tls).toSorted(), ['false', 'true']);
  await doorman.stop();
});

test('large results and large queries pass unharmed', async () => {
  const doorman = await Doorman.start({
    pools: { postgres: toPostgres({ server_tls_mode: 'require' }) },
  });
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  const answer = await client.query(`select string_agg(md5(i::text), '') from generate_series(1, 600000) i`);
  const row = answer.find(({ tag }) => tag === 'D');
  assert.equal(row?.body.length, 6 + 600_000 * 32);
  const text = row.body.toString('latin1', 6);
  assert.equal(
    await client.value(`select md5('${text}') = md5('${text}') and length('${text}') = 19200000`),
    't',
  );
  client.close();
  await doorman.stop();
});

// ── cancel ───────────────────────────────────────────────────────────────────────────────────────────────────────

test('the cancel of a query on a server with TLS is sent with TLS', async () => {
  const firstPackets: Buffer[] = [];
  const spy = createServer((near: Socket) => {
    const far = dial(postgres.port, '127.0.0.1');
    near.once('data', (bytes: Buffer) => firstPackets.push(bytes));
    for (const socket of [near, far]) socket.on('error', () => {});
    near.pipe(far).pipe(near);
  });
  spy.listen(0, '127.0.0.1');
  await once(spy, 'listening');
  const address = spy.address();
  assert.ok(address !== null && typeof address === 'object');
  const doorman = await Doorman.start({
    pools: { postgres: poolAt(address.port, {}, { server_tls_mode: 'require' }) },
  });
  const client = await WireClient.open(doorman.port);
  const key = (await client.logIn('postgres', 'postgres')).find(({ tag }) => tag === 'K');
  assert.ok(key);
  client.send(query('select pg_sleep(60)'));
  const running = `select count(*)::int as n from pg_stat_activity where query = 'select pg_sleep(60)'`;
  while ((await postgres.query(running)).rows[0].n === 0);
  const bringer = await WireClient.open(doorman.port);
  bringer.send(packet(CANCEL_REQUEST, key.body));
  assert.equal(sqlstateOf(await client.until('Z')), '57014');
  await bringer.closed();
  assert.equal(await client.value('select 1'), '1');
  client.close();
  await doorman.stop();
  spy.close();
  const asked = packet(SSL_REQUEST);
  assert.ok(firstPackets.length >= 2);
  for (const each of firstPackets) assert.ok(each.equals(asked), 'something was said in the clear');
});

// ── servers that cheat ───────────────────────────────────────────────────────────────────────────────────────────

/** A fake server that answers SSLRequest so. */
async function answerTo(ssl: Uint8Array, mode: string): Promise<string> {
  const fake = await FakePostgres.start({ onStartup: ({ socket }) => void socket.write(ssl) });
  const section = poolAt(fake.port, {}, { server_tls_mode: mode });
  const answer = await answerOf(section, 'select 1', { connect_timeout: 1000 });
  await fake.stop();
  return answer;
}

test('bytes in the clear behind the S of a server are refused, in the mode prefer too', async () => {
  const injected = Buffer.from('SE\0\0\0\x40SFATAL\0C28000\0');
  for (const mode of ['prefer', 'require']) {
    assert.match(await answerTo(injected, mode), /08006.*unencrypted data behind its answer to SSLRequest/);
  }
});

test('a server that says S and then no TLS is given up', async () => {
  const fake = await FakePostgres.start({
    onStartup: ({ socket }) => {
      socket.write('S');
      socket.once('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    },
  });
  const answer = await answerOf(poolAt(fake.port, {}, { server_tls_mode: 'require' }), 'select 1');
  assert.match(answer, /08006.*TLS failed \(wrong version number/);
  await fake.stop();
});

test('a server that says S and then nothing is given up after connect_timeout', async () => {
  assert.match(
    await answerTo(Buffer.from('S'), 'require'),
    /08006.*no login within connect_timeout \(1000 ms\)/,
  );
});

test('a server that answers SSLRequest with something else is given up', async () => {
  assert.match(await answerTo(Buffer.from('EVIL'), 'prefer'), /08006.*did not answer SSLRequest/);
});
