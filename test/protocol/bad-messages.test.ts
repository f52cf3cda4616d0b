/** Clients that break the protocol: an answer with a SQLSTATE, and nobody else notices. */
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import {
  bind,
  closeStatement,
  copyData,
  describeStatement,
  execute,
  int32,
  message,
  parse,
  query,
  sync,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 1 }) } });
after(() => doorman.stop());
const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');

// There is one server only: whatever has happened to it, the next client finds it clean or gets a new one.
afterEach(async () => {
  const client = await login();
  assert.equal(tagsOf(await client.query('select 1')), 'TDCZ');
  assert.equal(await client.value('show application_name'), 'pg_doorman');
  client.close();
});

for (const tag of ['\0', 'z', 'T', 'R', '\xff']) {
  test(`a message with the unknown tag ${JSON.stringify(tag)} ends the connection with 08P01`, async () => {
    const client = await login();
    client.send(Buffer.from(tag, 'latin1'), int32(4));
    assert.equal(sqlstateOf(await client.closed()), '08P01');
  });
}

for (const length of [0, 3, -1, -0x80000000]) {
  test(`a message of length ${length} ends the connection with 08P01`, async () => {
    const client = await login();
    client.send(Buffer.from('Q'), int32(length), Buffer.alloc(16));
    assert.equal(sqlstateOf(await client.closed()), '08P01');
  });
}

test('a message of 2 GB is refused at its header, with 53200', async () => {
  const client = await login();
  client.send(Buffer.from('Q'), int32(0x7fffffff), Buffer.alloc(16));
  assert.match(sqlstateOf(await client.closed()), /^(53200|08P01)$/);
});

test('half a message and a silence hold no server', async () => {
  const halves = [query('select 1'), parse('', 'select 1'), bind('', ''), sync(), copyData('x')];
  const clients = await Promise.all(
    halves.map(async (half) => {
      const client = await login();
      client.send(half.subarray(0, -1));
      return client;
    }),
  );
  const other = await login();
  assert.equal(await other.value('select 1'), '1');
  for (const client of [...clients, other]) client.close();
});

test('half a message in a transaction, and then the client goes', async () => {
  const client = await login();
  await client.query('begin');
  await client.query('create table half_a_message ()');
  client.send(query('commit').subarray(0, 4));
  client.close();
  const other = await login();
  assert.equal(await other.value("select to_regclass('half_a_message')"), null);
  other.close();
});

test('garbage right behind what is owed an answer leaves its server to others', async () => {
  const own = await Doorman.start({ pools: { postgres: pool({ pool_size: 1 }) } });
  const open = (): Promise<WireClient> => WireClient.login(own.port, 'postgres', 'postgres');
  const garbage = [Buffer.from('!!!!!!!!'), Buffer.from('Z\0\0\0\x05I'), message('D', Buffer.from('Sx'))];
  for (const each of garbage) {
    const client = await open();
    await client.query('begin');
    client.send(query('select 1'), bind('', ''), execute(), sync(), each);
    assert.equal(tagsOf(await client.closed()).at(-1), 'E');
    const next = await open();
    assert.equal(await next.value('select 2'), '2');
    next.close();
  }
  await own.stop();
});

test('what the pooler says at the end does not complete the half message of a client that went', async () => {
  for (const missing of [1, 2, 3, 4, 5]) {
    const client = await login();
    await client.query('begin');
    await client.query('select 1');
    const text = `commit;${' '.repeat(100)}create schema half_said_`;
    const whole = query(`${text}${'?'.repeat(missing - 1)}`);
    client.send(whole.subarray(0, whole.length - missing));
    while (Number((await doorman.admin('show servers'))[0]?.bytes_sent) < text.length);
    client.vanish();
    while ((await doorman.admin('show servers')).some(({ state }) => state === 'active' || state === 'used'));
    const other = await login();
    const half = "select count(*) from pg_namespace where nspname like 'half%said%'";
    assert.equal(await other.value(half), '0', `${missing} bytes were missing`);
    other.close();
  }
});

test('Bind and Describe of an unknown statement are errors as PostgreSQL makes them, up to the Sync', async () => {
  const client = await login();
  for (const first of [bind('', 'unknown'), describeStatement('unknown')]) {
    client.send(first, execute(), sync());
    const answer = await client.until('Z');
    assert.equal(tagsOf(answer), 'EZ');
    assert.equal(sqlstateOf(answer), '26000');
  }
  assert.equal(await client.value('select 1'), '1');
  client.close();
});

test('Close of an unknown statement is no error', async () => {
  const client = await login();
  client.send(closeStatement('unknown'), sync());
  assert.equal(tagsOf(await client.until('Z')), '3Z');
  client.close();
});

test('Execute without a portal is an error of that batch only', async () => {
  const client = await login();
  client.send(execute('nowhere'), sync(), query('select 1'));
  assert.equal(sqlstateOf(await client.until('Z')), '34000');
  assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
  client.close();
});

for (const [name, bytes] of [
  ['Parse', message('P', Buffer.from('no zero'))],
  ['Bind', message('B', Buffer.from('no zero'))],
  ['Describe', message('D', Buffer.from('Sno zero'))],
  ['Describe without a body', message('D')],
  ['Close', message('C', Buffer.from('Sno zero'))],
  ['Close without a body', message('C')],
] as const) {
  test(`${name} whose string does not end is answered with 08P01`, async () => {
    const client = await login();
    client.send(bytes, sync());
    assert.equal(sqlstateOf(await client.until('Z')), '08P01');
    client.close();
  });
}

test('a Query whose string does not end is for PostgreSQL to judge, and the server survives or goes', async () => {
  const client = await login();
  client.send(message('Q', Buffer.from('select 1')));
  assert.equal(sqlstateOf(await client.until('Z', 'E')), '08P01');
  client.close();
});

test('a Flush with a body, after which PostgreSQL would wait for a Sync, ends the connection', async () => {
  for (const first of [query('begin; select 1'), query('select 1')]) {
    const client = await login();
    client.send(first, message('H', Buffer.from('body')));
    assert.equal(sqlstateOf(await client.closed()), '08P01');
    const next = await login();
    assert.equal(await next.value('select 2'), '2');
    next.close();
  }
});

test('COPY data that nobody wants is ignored', async () => {
  const client = await login();
  client.send(copyData('1\n'), message('c'), message('f', Buffer.from('why\0')), query('select 1'));
  assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
  client.close();
});

test('random bytes after the login end that connection only', async () => {
  let state = 20261121;
  const random = (): number => {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return state >>> 16;
  };
  for (let round = 0; round < 50; round++) {
    const client = await login();
    client.send(Buffer.from(Array.from({ length: 64 }, () => random() & 0xff)));
    client.socket.end();
    await client.closed();
  }
});
