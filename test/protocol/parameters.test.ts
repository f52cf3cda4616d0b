/** sync_server_parameters: what a client has set of its session follows it from server to server. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import { FakePostgres, READY } from '../support/fake-postgres.js';
import { errorFields, int32, message, query, startup, string, values } from '../support/messages.js';
import { pool, poolAt } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const QUOTES = `a 'quoted' \\ name`;

describe('with sync_server_parameters', async () => {
  const doorman = await Doorman.start({
    general: { sync_server_parameters: true },
    pools: { postgres: pool({ pool_size: 1 }, { log_client_parameter_status_changes: true }) },
  });
  after(() => doorman.stop());
  const login = (more = {}): Promise<WireClient> =>
    WireClient.login(doorman.port, 'postgres', 'postgres', more);

  test('what stands in the startup packet holds on the server, for each client its own', async () => {
    const paris = await login({ TimeZone: 'Europe/Paris', application_name: QUOTES, DateStyle: 'German' });
    const plain = await login();
    for (let i = 0; i < 2; i++) {
      assert.equal(await paris.value('show timezone'), 'Europe/Paris');
      assert.equal(await paris.value('show application_name'), QUOTES);
      assert.equal(await paris.value('show datestyle'), 'German, DMY');
      assert.equal(await plain.value('show datestyle'), 'ISO, MDY');
      assert.notEqual(await plain.value('show timezone'), 'Europe/Paris');
      assert.equal(await plain.value('show application_name'), 'pg_doorman');
    }
    for (const each of [paris, plain]) each.close();
  });

  test('what a client sets holds after its transaction, and the log tells of it', async () => {
    const [client, other] = [await login(), await login()];
    await client.query("set timezone to 'Asia/Tokyo'");
    assert.notEqual(await other.value('show timezone'), 'Asia/Tokyo');
    assert.equal(await client.value('show timezone'), 'Asia/Tokyo');
    await doorman.logged(
      /parameter changed: TimeZone is now "Asia\/Tokyo" \[client_id=\d+ user=postgres database=postgres /,
    );
    for (const each of [client, other]) each.close();
  });

  test('what a transaction set and undid does not hold', async () => {
    const client = await login();
    const before = await client.value('show timezone');
    await client.query('begin');
    await client.query("set timezone to 'Asia/Tokyo'");
    await client.query('rollback');
    assert.equal(await client.value('show timezone'), before);
    client.close();
  });

  test('a deferred BEGIN comes behind the parameters: its end does not undo them', async () => {
    const [client, other] = [await login({ TimeZone: 'Asia/Tokyo' }), await login()];
    await other.query('select 1');
    assert.equal(tagsOf(await client.query('begin')), 'CZ');
    assert.equal(await client.value('show timezone'), 'Asia/Tokyo');
    await client.query('rollback');
    assert.equal(await client.value('show timezone'), 'Asia/Tokyo');
    for (const each of [client, other]) each.close();
  });

  test('nothing is set where nothing differs, though PostgreSQL spells a value in its own way', async () => {
    const client = await login({ DateStyle: 'ISO' });
    const sent = async (): Promise<number> => Number((await doorman.admin('show servers'))[0]?.bytes_sent);
    await client.query('select 1');
    const before = await sent();
    await client.query('select 1');
    assert.equal((await sent()) - before, query('select 1').length);
    client.close();
  });

  test('a value that PostgreSQL refuses ends the client with its word', async () => {
    const client = await login({ TimeZone: 'Nowhere/Land' });
    client.send(query('select 1'));
    const [error] = await client.closed();
    assert.ok(error);
    assert.equal(errorFields(error).C, '22023');
    assert.equal(errorFields(error).S, 'FATAL');
    const next = await login();
    assert.equal(await next.value('select 1'), '1');
    next.close();
  });
});

test('without it a client gets the parameters of its server', async () => {
  const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 1 }) } });
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres', { TimeZone: 'Europe/Paris' });
  assert.notEqual(await client.value('show timezone'), 'Europe/Paris');
  const answer = await client.query("set timezone to 'Asia/Tokyo'");
  const status = answer.find(({ tag }) => tag === 'S');
  assert.equal(status?.body.toString(), 'TimeZone\0Asia/Tokyo\0');
  assert.notEqual(await client.value('show timezone'), 'Asia/Tokyo');
  assert.equal(sqlstateOf(answer), '');
  assert.deepEqual(answer.filter(({ tag }) => tag === 'D').map(values), []);
  client.close();
  await doorman.stop();
});

test('nobody is greeted with the half that the first server has said of its parameters', async (t) => {
  const notice = message('N', string('SNOTICE'), string('C00000'), string('Mhalf'), Buffer.of(0));
  const fake = await FakePostgres.start({
    onStartup: ({ socket }) => {
      const version = message('S', string('server_version'), string('18.0'));
      socket.write(Buffer.concat([message('R', int32(0)), version, notice]));
    },
  });
  t.after(() => fake.stop());
  const doorman = await Doorman.start({ pools: { postgres: poolAt(fake.port) } });
  t.after(() => doorman.stop());
  const clients: WireClient[] = [];
  const begin = async (database: string): Promise<WireClient> => {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'postgres', database }));
    return client;
  };
  clients.push(await begin('postgres'));
  await doorman.logged(/PostgreSQL says at login: half/);
  clients.push(await begin('postgres'));
  assert.equal(sqlstateOf(await (await begin('nowhere')).closed()), '3D000'); // the one before it was read, too
  const encoding = message('S', string('client_encoding'), string('UTF8'));
  fake.sessions[0]?.socket.write(Buffer.concat([encoding, message('K', int32(1), int32(2)), READY]));
  for (const client of clients) {
    const told = (await client.until('Z')).filter(({ tag }) => tag === 'S');
    const names = told.map(({ body }) => body.toString('utf8', 0, body.indexOf(0)));
    assert.deepEqual(names, ['server_version', 'client_encoding', 'application_name']);
    client.close();
  }
});
