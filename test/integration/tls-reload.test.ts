/** Certificates that are renewed while pg_doorman runs: RELOAD reads the files anew, for connections from then on. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { Authority, type Identity, secretFile } from '../support/certificates.js';
import { Doorman, type DoormanOptions } from '../support/doorman.js';
import { Postgres } from '../support/postgres.js';
import { pool, poolAt } from '../support/shared-postgres.js';
import { logInOverTls, openTls, ticketOf } from '../support/tls-client.js';
import { WireClient } from '../support/wire-client.js';

const old = new Authority('old CA of the tests');
const renewed = new Authority('new CA of the tests');
const BY_OLD: ConnectionOptions = { ca: old.pem };
const BY_RENEWED: ConnectionOptions = { ca: renewed.pem };

describe('for clients', async () => {
  const first = old.signLocal();
  const files = { tls_certificate: secretFile(''), tls_private_key: secretFile('') };
  write(first);
  const options: DoormanOptions = {
    general: { ...files, worker_threads: 2 },
    pools: { postgres: pool() },
  };
  const doorman = await Doorman.start(options);
  after(() => doorman.stop());
  const { port } = doorman;

  function write({ certificate, privateKey }: Identity): void {
    writeFileSync(files.tls_certificate, certificate);
    writeFileSync(files.tls_private_key, privateKey);
  }

  test('new connections get the new certificate, and those that are open go on', async () => {
    const early = await openTls(port, BY_OLD);
    const client = WireClient.over(early);
    await client.logIn('postgres', 'postgres');
    await client.query('begin');
    const pid = await client.value('select pg_backend_pid()');
    const unfinished = await openTls(port, BY_OLD); // the handshake is done, the login is not
    const ticket = await ticketOf(early);

    write(renewed.signLocal());
    await doorman.admin('RELOAD');

    assert.equal(await client.value('select pg_backend_pid()'), pid);
    await client.query('commit');
    const late = WireClient.over(unfinished);
    await late.logIn('postgres', 'postgres');
    assert.equal(await late.value('select 1'), '1');
    for (let i = 0; i < 4; i++) {
      await assert.rejects(openTls(port, BY_OLD), /unable to verify|self-signed|certificate/);
      const fresh = await logInOverTls(port, BY_RENEWED);
      assert.equal(await fresh.value('select 2'), '2');
      fresh.close();
    }
    const resumed = await openTls(port, { ...BY_RENEWED, session: ticket });
    assert.ok(!resumed.isSessionReused(), 'a ticket of before is still taken');
    resumed.destroy();
    for (const each of [client, late]) each.close();
  });

  for (const [what, spoil, complaint] of [
    ['is no PEM', () => writeFileSync(files.tls_certificate, 'nonsense'), { detail: /tls_certificate: / }],
    [
      'does not belong to its key',
      () => writeFileSync(files.tls_private_key, first.privateKey),
      { detail: /tls_private_key: is not the key of the certificate/ },
    ],
  ] as const) {
    test(`a certificate that ${what} is refused, and the one of before stays`, async () => {
      const good = renewed.signLocal();
      write(good);
      await doorman.admin('RELOAD');
      spoil();
      await assert.rejects(doorman.admin('RELOAD'), complaint);
      const client = await logInOverTls(port, BY_RENEWED);
      assert.equal(await client.value('select 3'), '3');
      client.close();
      write(good);
    });
  }

  test('TLS can be given up and taken up again', async () => {
    const client = await logInOverTls(port, BY_RENEWED);
    doorman.rewrite({ ...options, general: { ...options.general, tls_mode: 'disable' } });
    await doorman.admin('RELOAD');
    await assert.rejects(openTls(port, BY_RENEWED), /SSLRequest is N/);
    assert.equal(await client.value('select 4'), '4');
    client.close();
    doorman.rewrite(options);
    await doorman.admin('RELOAD');
    (await logInOverTls(port, BY_RENEWED)).close();
  });
});

test('for servers: a CA file with another content decides about the next server, and logins are told at once', async () => {
  const identity = old.signLocal();
  const postgres = await Postgres.create(
    'local all all trust\nhost all all 127.0.0.1/32 trust\n',
    { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key' },
    { 'server.crt': identity.certificate, 'server.key': identity.privateKey },
  );
  const ca = secretFile(old.pem);
  const more = { server_tls_mode: 'verify-full', server_tls_ca_cert: ca };
  const doorman = await Doorman.start({ pools: { app: poolAt(postgres.port, { pool_size: 2 }, more) } });
  try {
    const holder = await WireClient.login(doorman.port, 'postgres', 'app');
    await holder.query('begin');
    assert.equal(await holder.value('select 1'), '1');
    writeFileSync(ca, renewed.pem);
    await doorman.admin('RELOAD');
    assert.equal(await holder.value('select 2'), '2');
    const other = doorman.client('postgres', 'app');
    await assert.rejects(
      other.connect().then(() => other.query('select 3')),
      /certificate verify failed/,
    );
    await other.end().catch(() => {});
    await holder.query('commit');
    holder.close();
  } finally {
    await doorman.stop();
    await postgres.remove();
  }
});
