/** The beginning of a connection: what is answered to every kind of first packet. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import {
  CANCEL_REQUEST,
  errorFields,
  GSSENC_REQUEST,
  int32,
  PROTOCOL_3_2,
  packet,
  query,
  SSL_REQUEST,
  startup,
  string,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const doorman = await Doorman.start({ general: { max_connections: 20 }, pools: { postgres: pool() } });
after(() => doorman.stop());
const WHO = { user: 'postgres', database: 'postgres' };

for (const length of [0, 1, 2, 3, 4, 5, 6, 7, -1, -0x80000000, 0x7fffffff, 20_000]) {
  test(`a first packet with the length ${length} is a protocol violation, and only for that client`, async () => {
    const other = await WireClient.login(doorman.port, 'postgres', 'postgres');
    const client = await WireClient.open(doorman.port);
    client.send(int32(length), int32(196608));
    const answer = await client.closed();
    assert.equal(sqlstateOf(answer), '08P01');
    assert.equal(await other.value('select 1'), '1');
    other.close();
  });
}

test('SSLRequest and GSSENCRequest are answered with N, and the startup goes on', async () => {
  const client = await WireClient.open(doorman.port);
  client.send(packet(GSSENC_REQUEST));
  assert.equal((await client.bytes(1)).toString(), 'N');
  client.send(packet(SSL_REQUEST));
  assert.equal((await client.bytes(1)).toString(), 'N');
  client.send(startup(WHO));
  assert.match(tagsOf(await client.until('Z')), /^RS+KZ$/);
  client.close();
});

test('a startup packet may come byte by byte', async () => {
  const client = await WireClient.open(doorman.port);
  for (const byte of startup(WHO)) {
    await new Promise<void>((resolve) => client.socket.write(Uint8Array.of(byte), () => resolve()));
  }
  assert.match(tagsOf(await client.until('Z')), /^RS+KZ$/);
  client.close();
});

test('queries may follow the startup without waiting', async () => {
  const client = await WireClient.open(doorman.port);
  client.send(startup(WHO), Buffer.from('Q\0\0\0\x0dselect 1\0', 'latin1'));
  await client.until('Z');
  assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
  client.close();
});

test('unknown _pq_. options and a version that is too new are negotiated down', async () => {
  const PROTOCOL_3_9999 = 196608 + 9999;
  for (const [asked, given] of [
    [PROTOCOL_3_2, PROTOCOL_3_2],
    [PROTOCOL_3_9999, PROTOCOL_3_2],
  ] as const) {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ ...WHO, '_pq_.new_thing': 'on' }, asked));
    const [negotiation, ...rest] = await client.until('Z');
    assert.equal(negotiation?.tag, 'v');
    assert.deepEqual(negotiation?.body, Buffer.concat([int32(given), int32(1), string('_pq_.new_thing')]));
    assert.match(tagsOf(rest), /^RS+KZ$/);
    client.close();
  }
});

test('protocol 3.2 needs no negotiation, and has a cancel key of 32 bytes that cancels', async () => {
  const client = await WireClient.open(doorman.port);
  client.send(startup(WHO, PROTOCOL_3_2));
  const greeting = await client.until('Z');
  assert.match(tagsOf(greeting), /^RS+KZ$/);
  const key = greeting.find(({ tag }) => tag === 'K')?.body ?? Buffer.alloc(0);
  assert.equal(key.length, 4 + 32);
  client.send(query('select pg_sleep(30)'));
  while ((await doorman.admin('show servers'))[0]?.state !== 'active');
  const wrong = Buffer.from(key);
  wrong.writeUInt8(wrong.readUInt8(35) ^ 1, 35);
  for (const each of [wrong, key.subarray(0, 8), key]) {
    const canceller = await WireClient.open(doorman.port);
    canceller.send(packet(CANCEL_REQUEST, each));
    await canceller.closed();
  }
  assert.equal(sqlstateOf(await client.until('Z')), '57014');
  client.close();
});

test('a replication connection is refused with a word of what to do', async () => {
  for (const replication of ['true', 'database', '1']) {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ ...WHO, replication }));
    const [error] = await client.closed();
    assert.ok(error);
    assert.equal(errorFields(error).C, '0A000');
    assert.match(errorFields(error).M ?? '', /connect to PostgreSQL itself/);
  }
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres', { replication: 'off' });
  client.close();
});

test('protocol 2.0 and 4.0 are refused', async () => {
  for (const version of [2 << 16, 4 << 16]) {
    const client = await WireClient.open(doorman.port);
    client.send(startup(WHO, version));
    assert.equal(sqlstateOf(await client.closed()), '08P01');
  }
});

test('a startup without a user, or with a name that has no value, is malformed', async () => {
  for (const bytes of [startup({ database: 'postgres' }), packet(196608, string('user'))]) {
    const client = await WireClient.open(doorman.port);
    client.send(bytes);
    assert.match(sqlstateOf(await client.closed()), /^(08P01|28000)$/);
  }
});

test('an unknown database and an unknown user get 3D000, with both names', async () => {
  for (const who of [
    { user: 'postgres', database: 'nowhere' },
    { user: 'nobody', database: 'postgres' },
  ]) {
    const client = await WireClient.open(doorman.port);
    client.send(startup(who));
    const [error] = await client.closed();
    assert.ok(error);
    const { C, M } = errorFields(error);
    assert.equal(C, '3D000');
    assert.match(M ?? '', new RegExp(`database: ${who.database}, user: ${who.user}`));
  }
});

test('one client too many gets 53300, and a place that becomes free is used again', async () => {
  const clients: WireClient[] = [];
  for (let i = 0; i < 20; i++) clients.push(await WireClient.login(doorman.port, 'postgres', 'postgres'));
  const late = await WireClient.open(doorman.port);
  late.send(startup(WHO));
  const [error] = await late.closed();
  assert.ok(error);
  assert.equal(errorFields(error).C, '53300');
  assert.equal(errorFields(error).M, 'sorry, too many clients already');
  // libpq asks for TLS first, and loses what comes behind the N: its startup packet meets a connection that is closed.
  const asking = await WireClient.open(doorman.port);
  asking.send(packet(SSL_REQUEST));
  assert.equal(String(await asking.bytes(1)), 'N');
  assert.equal(await clients[0]?.value('select 1'), '1');
  assert.equal(asking.socket.readyState, 'open');
  asking.send(startup(WHO));
  const [refusal] = await asking.closed();
  assert.ok(refusal);
  assert.equal(errorFields(refusal).C, '53300');
  assert.equal((await doorman.admin('SHOW LISTS')).length, 12);
  const [first] = clients;
  first?.send(Buffer.from('X\0\0\0\x04'));
  await first?.closed();
  const next = await WireClient.login(doorman.port, 'postgres', 'postgres');
  for (const client of [...clients, next]) client.close();
});

test('the greeting names the parameters of the server and a key of our own', async () => {
  const client = await WireClient.open(doorman.port);
  client.send(startup(WHO));
  const greeting = await client.until('Z');
  const parameters = new Map(
    greeting
      .filter(({ tag }) => tag === 'S')
      .map(({ body }) => body.toString().split('\0') as [string, string]),
  );
  assert.match(parameters.get('server_version') ?? '', /^18/);
  assert.equal(parameters.get('client_encoding'), 'UTF8');
  assert.equal(greeting.find(({ tag }) => tag === 'K')?.body.length, 8);
  client.close();
});
