/** The admin console of the real program, byte by byte: both protocols, sessions, cancels, and how clients may end. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { ADMIN_PASSWORD, Doorman } from '../support/doorman.js';
import {
  bind,
  CANCEL_REQUEST,
  describePortal,
  errorFields,
  execute,
  flush,
  int32,
  message,
  packet,
  parse,
  query,
  sync,
  terminate,
  values,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

describe('the admin console', async () => {
  const doorman = await Doorman.start({
    general: { pg_hba: 'host all all 127.0.0.1/32 trust' },
    pools: { postgres: pool() },
  });
  after(() => doorman.stop());
  const admin = (): Promise<WireClient> => WireClient.login(doorman.port, 'admin', 'pgdoorman');

  test('the extended protocol has the rows of the simple one', async () => {
    const client = await admin();
    const simple = await client.query('show version');
    client.send(parse('', 'show version'), bind('', ''), describePortal(''), execute(), sync());
    const extended = await client.until('Z');
    assert.deepEqual(extended.slice(2), simple);
    client.close();
  });

  test('messages may come in any pieces', async () => {
    const client = await admin();
    const said = Buffer.concat([
      query('show version'),
      parse('', 'show users'),
      bind('', ''),
      execute(),
      sync(),
    ]);
    for (const byte of said) client.send(Buffer.of(byte));
    assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
    assert.equal(tagsOf(await client.until('Z')), '12DCZ');
    client.close();
  });

  test('a Flush without a Sync is answered with all that there is', async () => {
    const client = await admin();
    client.send(parse('', 'show version'), flush());
    assert.equal(tagsOf(await client.until('1')), '1');
    client.send(bind('', ''), execute(), flush());
    assert.equal(tagsOf(await client.until('C')), '2DC');
    client.send(sync());
    assert.equal(tagsOf(await client.until('Z')), 'Z');
    client.close();
  });

  test('many commands that are sent at once are answered in their order', async () => {
    const client = await admin();
    const said = Array.from({ length: 200 }, (_, i) => query(`select ${i}`));
    client.send(...said);
    for (let i = 0; i < said.length; i++) {
      const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
      assert.ok(row);
      assert.deepEqual(values(row), [String(i)]);
    }
    client.close();
  });

  test('a client that asks much and reads late gets all of it', async () => {
    const client = await admin();
    client.socket.pause();
    const said = Array.from({ length: 300 }, () => query('show config'));
    client.send(...said);
    // Others are served meanwhile.
    for (let i = 0; i < 5; i++) assert.equal((await doorman.admin('show version')).length, 1);
    client.socket.resume();
    for (let i = 0; i < said.length; i++) assert.match(tagsOf(await client.until('Z')), /^TD+CZ$/);
    client.close();
  });

  test('what was sent before Terminate is answered', async () => {
    const client = await admin();
    client.send(query('show version'), terminate());
    assert.equal(tagsOf(await client.closed()), 'TDCZ');
  });

  test('a message of an impossible length ends the connection with 08P01', async () => {
    const client = await admin();
    client.send(Buffer.concat([Buffer.from('Q'), int32(1 << 30)]));
    const messages = await client.closed();
    assert.equal(sqlstateOf(messages), '08P01');
  });

  test('a client that vanishes in the middle of a command leaves nothing behind', async () => {
    const client = await admin();
    client.send(query('show clients'), query('show servers'));
    client.vanish();
    // The console's clients stand in no table, but are counted.
    const connected = async (): Promise<number> =>
      (await doorman.admin('show workers')).reduce((sum, { clients }) => sum + Number(clients), 0);
    while ((await connected()) > 1);
  });

  test('the log level of the process is changed for everybody, and told', async () => {
    const [one, other] = [await admin(), await admin()];
    assert.equal(await one.value('show log_level'), 'debug');
    assert.equal(tagsOf(await one.query("set log_level = 'error'")), 'CZ');
    assert.equal(await other.value('show log_level'), 'error');
    doorman.takeLog();
    (await WireClient.login(doorman.port, 'postgres', 'postgres')).close();
    assert.equal(tagsOf(await one.query("set log_level = 'debug'")), 'CZ');
    (await admin()).close();
    await doorman.logged(/connected to the console/);
    assert.doesNotMatch(doorman.log, /postgres@postgres/);
    for (const client of [one, other]) client.close();
  });

  test('SHOW SOCKETS counts the listener and the clients', async () => {
    const client = await admin();
    const [row] = await doorman.admin('show sockets');
    assert.equal(row?.tcp_listen, '1');
    assert.ok(Number(row?.tcp_established) >= 2);
    client.close();
  });

  test('a driver that prepares statements and wants numbers in binary gets them', async () => {
    const client = await admin();
    client.send(
      parse('lists', 'show lists'),
      message('B', Buffer.from('\0lists\0'), Buffer.from([0, 0, 0, 0, 0, 1, 0, 1])),
      execute(),
      sync(),
    );
    const rows = (await client.until('Z')).filter(({ tag }) => tag === 'D');
    assert.equal(rows[0]?.body.readInt32BE(rows[0].body.length - 4), 1); // databases
    client.close();
  });

  test('the console is found under the name of PgBouncer’s, too', async () => {
    const client = await WireClient.login(doorman.port, 'admin', 'pgbouncer');
    assert.match((await client.value('show version')) ?? '', /^PgDoorman /);
    client.close();
  });

  test('a CancelRequest with another’s secret does not end a PAUSE', async () => {
    const holder = await WireClient.login(doorman.port, 'postgres', 'postgres');
    await holder.query('begin; select 1');
    const pausing = await WireClient.open(doorman.port);
    const key = keyOf(await pausing.logIn('admin', 'pgdoorman'));
    pausing.send(query('pause'));
    while ((await doorman.admin('show pools'))[0]?.paused !== '1');
    const wrong = Buffer.from(key);
    wrong[7] = (wrong[7] ?? 0) ^ 1;
    await cancel(wrong);
    assert.equal((await doorman.admin('show pools'))[0]?.paused, '1');
    await cancel(key);
    const answer = await pausing.until('Z');
    assert.equal(sqlstateOf(answer), '57014');
    assert.match(errorFields(answer[0] ?? assert.fail()).M ?? '', /canceled/);
    assert.equal((await doorman.admin('show pools'))[0]?.paused, '0');
    await holder.query('commit');
    for (const client of [holder, pausing]) client.close();
  });

  async function cancel(key: Buffer): Promise<void> {
    const bringer = await WireClient.open(doorman.port);
    bringer.send(packet(CANCEL_REQUEST, key));
    await bringer.closed();
  }
});

test('the console wants the password also for the extended protocol’s sake', async () => {
  const doorman = await Doorman.start({
    general: { pg_hba: 'host all all 127.0.0.1/32 scram-sha-256' },
    pools: { postgres: pool({ password: 'x' }) },
  });
  const client = doorman.client('admin', 'pgdoorman', { password: ADMIN_PASSWORD });
  await client.connect();
  const { rows } = await client.query({ name: 'prepared', text: 'show lists' });
  assert.deepEqual(rows[0], { list: 'databases', items: 1 });
  await client.end();
  await doorman.stop();
});

/** Process id and secret of the greeting. */
function keyOf(greeting: readonly { readonly tag: string; readonly body: Buffer }[]): Buffer {
  const key = greeting.find(({ tag }) => tag === 'K');
  assert.ok(key);
  return key.body;
}
