/** TLS with clients: who gets it, who must have it, and what happens to those who do it wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { Authority, secretFile } from '../support/certificates.js';
import { Doorman, type Section } from '../support/doorman.js';
import {
  CANCEL_REQUEST,
  copyData,
  errorFields,
  type Message,
  packet,
  parse,
  query,
  SSL_REQUEST,
  startup,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { askedForTls, logInOverTls, openDirectTls, openTls, ticketOf } from '../support/tls-client.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const WHO = { user: 'postgres', database: 'postgres' };
const MEGABYTE = 1024 * 1024;
const authority = new Authority('CA of the tests');
const server = authority.signLocal();
const FILES: Section = {
  tls_certificate: secretFile(server.certificate),
  tls_private_key: secretFile(server.privateKey),
};
const TRUSTING: ConnectionOptions = { ca: authority.pem };
const DIRECT: ConnectionOptions = { ...TRUSTING, ALPNProtocols: ['postgresql'] };

function start(general: Section = {}, more: Section = {}): Promise<Doorman> {
  return Doorman.start({ general: { ...FILES, ...general }, pools: { postgres: pool(more) } });
}

const doorman = await start();
after(() => doorman.stop());
const required = await start({ tls_mode: 'require' });
after(() => required.stop());

/** Works with a doorman of its own. */
async function withDoorman(general: Section, work: (doorman: Doorman) => Promise<void>): Promise<void> {
  const own = await start(general);
  try {
    await work(own);
  } finally {
    await own.stop();
  }
}

function keyOf(greeting: readonly Message[]): Buffer {
  const key = greeting.find(({ tag }) => tag === 'K');
  assert.ok(key);
  return key.body;
}

/** Runs a query that takes for ever, has it cancelled, and returns the SQLSTATE. */
async function cancelled(client: WireClient, key: Buffer, bring: (request: Buffer) => void): Promise<string> {
  const mark = `waits at ${key.toString('hex')}`;
  client.send(query(`select pg_sleep(60) /* ${mark} */`));
  const observer = await WireClient.login(doorman.port, 'postgres', 'postgres');
  const isRunning = `select 1 from pg_stat_activity where query like '%${mark}%' and query not like '%activity%'`;
  while ((await observer.value(isRunning)) === null);
  observer.close();
  bring(packet(CANCEL_REQUEST, key));
  return sqlstateOf(await client.until('Z'));
}

// ── who gets it ──────────────────────────────────────────────────────────────────────────────────────────────────

test('a driver that verifies the certificate works over TLS, and the console shows it', async () => {
  const before = (await doorman.admin('SHOW CONNECTIONS'))[0];
  const client = doorman.client('postgres', 'postgres', {
    ssl: { ca: authority.pem },
    application_name: 'secure',
  });
  await client.connect();
  assert.equal((await client.query('select $1::text as t', ['x'.repeat(100_000)])).rows[0].t.length, 100_000);
  const clients = await doorman.admin('SHOW CLIENTS');
  assert.deepEqual(
    clients.filter(({ application_name }) => application_name === 'secure').map(({ tls }) => tls),
    ['true'],
  );
  const now = (await doorman.admin('SHOW CONNECTIONS'))[0];
  assert.equal(Number(now?.tls) - Number(before?.tls), 1);
  await client.end();
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version} is spoken`, async () => {
    const client = await logInOverTls(doorman.port, {
      ...TRUSTING,
      minVersion: version,
      maxVersion: version,
    });
    assert.equal(await client.value('select 7'), '7');
    client.close();
    await doorman.logged(new RegExp(`client connected \\[.* tls=${version} `));
  });

  test(`a session of ${version} is resumed by its ticket`, async () => {
    const options = { ...TRUSTING, minVersion: version, maxVersion: version };
    const first = await openTls(doorman.port, options);
    const client = WireClient.over(first);
    await client.logIn('postgres', 'postgres');
    const session = await ticketOf(first);
    client.close();
    const second = await openTls(doorman.port, { ...options, session });
    assert.ok(second.isSessionReused());
    const again = WireClient.over(second);
    await again.logIn('postgres', 'postgres');
    assert.equal(await again.value('select 8'), '8');
    again.close();
  });
}

test('TLS 1.1 is refused', async () => {
  const old: ConnectionOptions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' };
  await assert.rejects(openTls(doorman.port, { ...TRUSTING, ...old }), /protocol version/);
  await doorman.logged(/TLS with a client failed: unsupported protocol/);
});

test('without TLS a client is welcome in the mode allow', async () => {
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  assert.equal(await client.value('select 1'), '1');
  client.close();
});

test('in the mode require a client without TLS gets 28000', async () => {
  const client = await WireClient.open(required.port);
  client.send(startup(WHO));
  const [error] = await client.closed();
  assert.ok(error);
  const { C, M } = errorFields(error);
  assert.deepEqual([C, M], ['28000', 'Connection without SSL is not allowed by tls_mode.']);
});

test('in the mode require a client with TLS is served', async () => {
  const client = await logInOverTls(required.port, TRUSTING);
  assert.equal(await client.value('select 2'), '2');
  client.close();
});

test('in the mode disable, and without a certificate, SSLRequest is answered with N', async () => {
  for (const general of [
    { tls_mode: 'disable' },
    { tls_certificate: undefined, tls_private_key: undefined },
  ]) {
    await withDoorman(general, async ({ port }) => {
      await assert.rejects(askedForTls(port), /is N/);
    });
  }
});

test('in the mode verify-full only a client whose certificate is of the right authority gets in', async () => {
  const own = { tls_mode: 'verify-full', tls_ca_cert: secretFile(authority.pem) };
  await withDoorman(own, async (strict) => {
    const { certificate: cert, privateKey: key } = authority.sign('alice');
    const client = await logInOverTls(strict.port, { ...TRUSTING, cert, key });
    assert.equal(await client.value('select 3'), '3');
    client.close();
    const stranger = new Authority('another').sign('alice');
    const foreign = { ...TRUSTING, cert: stranger.certificate, key: stranger.privateKey };
    await assert.rejects(logInOverTls(strict.port, foreign));
    await strict.logged(/TLS with a client failed: certificate verify failed: unable to get local issuer/);
    await assert.rejects(logInOverTls(strict.port, TRUSTING));
    await strict.logged(/TLS with a client failed: peer did not return a certificate/);
  });
});

test('hostssl and hostnossl tell clients with TLS from those without', async () => {
  const rules = ['hostssl all postgres 127.0.0.1/32 trust', 'hostnossl pgdoorman admin 127.0.0.1/32 trust'];
  await withDoorman({ pg_hba: rules.join('\n') }, async ({ port }) => {
    const refusal = /TLS: (true|false)\) is not permitted by HBA/;
    (await logInOverTls(port, TRUSTING)).close();
    await assert.rejects(WireClient.login(port, 'postgres', 'postgres'), refusal);
    (await WireClient.login(port, 'admin', 'pgdoorman')).close();
    await assert.rejects(logInOverTls(port, TRUSTING, 'admin', 'pgdoorman'), refusal);
  });
});

test('a certificate of 60 KB is sent and believed', async () => {
  const large = authority.signLocal({ padding: 60_000 });
  const files = {
    tls_certificate: secretFile(large.certificate),
    tls_private_key: secretFile(large.privateKey),
  };
  await withDoorman(files, async ({ port }) => (await logInOverTls(port, TRUSTING)).close());
});

// ── without SSLRequest ───────────────────────────────────────────────────────────────────────────────────────────

test('TLS may begin without SSLRequest', async () => {
  const socket = await openDirectTls(doorman.port, DIRECT);
  assert.equal(socket.alpnProtocol, 'postgresql');
  const client = WireClient.over(socket);
  await client.logIn('postgres', 'postgres');
  assert.equal(await client.value('select 4'), '4');
  client.close();
});

test('TLS without SSLRequest wants the protocol by ALPN', async () => {
  const client = WireClient.over(await openDirectTls(doorman.port, TRUSTING));
  const [error] = await client.closed();
  assert.ok(error);
  const { C, M } = errorFields(error);
  assert.equal(C, '08P01');
  assert.match(M ?? '', /direct SSL connection request without ALPN/);
});

test('another protocol by ALPN is refused in the handshake, with and without SSLRequest', async () => {
  const http = { ...TRUSTING, ALPNProtocols: ['http/1.1'] };
  await assert.rejects(openDirectTls(doorman.port, http), /no application protocol/);
  await assert.rejects(openTls(doorman.port, http), /no application protocol/);
});

test('TLS without SSLRequest where TLS is not offered is closed without a word', async () => {
  await withDoorman({ tls_mode: 'disable' }, async (plain) => {
    await assert.rejects(openDirectTls(plain.port, DIRECT), /ECONNRESET|disconnected/);
    await plain.logged(/a client began TLS, which is not offered \[address=127\.0\.0\.1:\d+ /);
  });
});

// ── cancel ───────────────────────────────────────────────────────────────────────────────────────────────────────

const overTls = (request: Buffer): void =>
  void openTls(doorman.port, TRUSTING).then((socket) => socket.end(request));
const inTheClear = (request: Buffer): void => {
  const socket = connect(doorman.port, '127.0.0.1', () => socket.write(request));
};

for (const [bringer, bring] of Object.entries({ overTls, inTheClear })) {
  test(`a cancel ${bringer === 'overTls' ? 'over TLS' : 'in the clear'} reaches clients of either kind`, async () => {
    const secure = WireClient.over(await openTls(doorman.port, TRUSTING));
    assert.equal(await cancelled(secure, keyOf(await secure.logIn('postgres', 'postgres')), bring), '57014');
    secure.close();
    const plain = await WireClient.open(doorman.port);
    assert.equal(await cancelled(plain, keyOf(await plain.logIn('postgres', 'postgres')), bring), '57014');
    plain.close();
  });
}

test('beyond max_connections a cancel over TLS is served, and a login is told why not', async () => {
  await withDoorman({ max_connections: 1 }, async ({ port }) => {
    const only = WireClient.over(await openTls(port, TRUSTING));
    const key = keyOf(await only.logIn('postgres', 'postgres'));
    await assert.rejects(logInOverTls(port, TRUSTING), /too many clients/);
    only.send(query('begin'), query('select pg_sleep(60)'));
    await only.until('Z');
    (await openTls(port, TRUSTING)).end(packet(CANCEL_REQUEST, key));
    // It may come before the sleep begins; the next one then does not.
    const again = setInterval(() => {
      void openTls(port, TRUSTING).then((socket) => socket.end(packet(CANCEL_REQUEST, key)));
    }, 200);
    assert.equal(sqlstateOf(await only.until('Z')), '57014');
    clearInterval(again);
    only.close();
  });
});

// ── those who do it wrong ────────────────────────────────────────────────────────────────────────────────────────

test('bytes in the clear behind SSLRequest are refused before the handshake', async () => {
  const client = await WireClient.open(doorman.port);
  client.send(packet(SSL_REQUEST), startup({ ...WHO, user: 'injected' }));
  const [error] = await client.closed();
  assert.ok(error);
  const { C, M } = errorFields(error);
  assert.deepEqual([C, M], ['08P01', 'received unencrypted data after SSL request']);
});

test('bytes in the clear behind S end as a handshake that fails', async () => {
  const socket = await askedForTls(doorman.port);
  socket.write(startup({ ...WHO, user: 'injected' }));
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  assert.ok(!said.includes('injected') && !said.includes('No pool'));
  await doorman.logged(/TLS with a client failed: (wrong version number|unexpected message)/);
});

test('an SSLRequest within TLS is a protocol violation', async () => {
  const client = WireClient.over(await openTls(doorman.port, TRUSTING));
  client.send(packet(SSL_REQUEST));
  assert.equal(sqlstateOf(await client.closed()), '08P01');
});

test('TLS behind an SSLRequest that was answered with N is no startup packet', async () => {
  await withDoorman({ tls_mode: 'disable' }, async ({ port }) => {
    const client = await WireClient.open(port);
    client.send(packet(SSL_REQUEST));
    await client.bytes(1);
    client.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0]));
    assert.equal(tagsOf(await client.closed()), '');
  });
});

test('renegotiation is refused, and the others do not notice', async () => {
  const other = await logInOverTls(doorman.port, TRUSTING);
  const socket = await openTls(doorman.port, { ...TRUSTING, maxVersion: 'TLSv1.2' });
  socket.on('error', () => {});
  const outcome = new Promise((resolve) => {
    socket.renegotiate({}, resolve);
    socket.once('close', () => resolve(new Error('closed')));
  });
  assert.ok((await outcome) instanceof Error);
  socket.destroy();
  assert.equal(await other.value('select 5'), '5');
  other.close();
});

test('hundreds of handshakes that stop half-way keep nobody from being served', async () => {
  const halves = await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const socket = await askedForTls(doorman.port);
      // A ClientHello that says it is longer than what comes of it.
      if (i % 2 === 0) socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
      return socket;
    }),
  );
  const client = await logInOverTls(doorman.port, TRUSTING);
  assert.equal(await client.value('select 6'), '6');
  client.close();
  for (const each of halves) each.destroy();
});

test('a TLS client that does not read a large result takes little memory, and gets all of it in the end', async () => {
  const client = await logInOverTls(doorman.port, TRUSTING);
  const other = await logInOverTls(doorman.port, TRUSTING);
  const before = rssOf(doorman.pid);
  client.socket.pause();
  client.send(query(`select repeat('x', 1000) from generate_series(1, 100000)`));
  for (let i = 0; i < 200; i++) assert.equal(await other.value(`select ${i}`), String(i));
  const grown = rssOf(doorman.pid) - before;
  assert.ok(grown < 32 * MEGABYTE, `grew by ${grown} bytes`);
  client.socket.resume();
  const answer = await client.until('Z');
  assert.equal(answer.filter(({ tag }) => tag === 'D').length, 100_000);
  client.close();
  other.close();
});

test('a TLS client that vanishes in the middle of a message leaves a clean server behind', async () => {
  for (const halfway of [
    parse('s', 'select 1').subarray(0, 9),
    Buffer.concat([query('copy pg_temp.t from stdin'), copyData('x'.repeat(100_000)).subarray(0, 50_000)]),
  ]) {
    const client = await logInOverTls(doorman.port, TRUSTING);
    await client.query('begin; create temp table t (x text)');
    client.send(halfway);
    client.close(); // without close_notify
    const next = await logInOverTls(doorman.port, TRUSTING);
    assert.equal(await next.value(`select to_regclass('pg_temp.t')`), null);
    next.close();
  }
});

test('handshakes wait for their turn, and clients that are there are served meanwhile', async () => {
  await withDoorman({ tls_rate_limit_per_second: 10 }, async ({ port }) => {
    const there = await WireClient.login(port, 'postgres', 'postgres');
    const began = performance.now();
    let isOver = false;
    const crowd = Promise.all(
      Array.from({ length: 8 }, async () => (await logInOverTls(port, TRUSTING)).close()),
    ).then(() => {
      isOver = true;
    });
    let served = 0;
    while (!isOver) {
      assert.equal(await there.value('select 1'), '1');
      served++;
    }
    await crowd;
    const tookMs = performance.now() - began;
    assert.ok(tookMs > 600, `8 handshakes at 10 a second took ${tookMs} ms`);
    assert.ok(served > 20, `${served} queries were served meanwhile`);
    there.close();
  });
});

function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

test('a process that ends at once tells clients with TLS as well', async () => {
  const own = await start();
  const client = await logInOverTls(own.port, TRUSTING);
  await own.stop(); // by SIGTERM
  assert.equal(sqlstateOf(await client.closed()), '58006');
});
