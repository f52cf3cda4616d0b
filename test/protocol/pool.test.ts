/** What the pool promises: sizes, waits, modes, clean servers, cancels. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ADMIN_PASSWORD, Doorman } from '../support/doorman.js';
import { FakePostgres, type FakeSession, greet, ONE_ROW, READY } from '../support/fake-postgres.js';
import {
  bind,
  CANCEL_REQUEST,
  errorFields,
  execute,
  int32,
  packet,
  parse,
  query,
  startup,
  sync,
} from '../support/messages.js';
import { pool, poolAt, postgresPort } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

describe('transaction mode', async () => {
  const doorman = await Doorman.start({
    general: { query_wait_timeout: 300 },
    pools: { postgres: pool({ pool_size: 1 }) },
  });
  after(() => doorman.stop());
  const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');

  test('who waits longer than query_wait_timeout gets 53300 and may try again', async () => {
    const [holder, waiting] = [await login(), await login()];
    await holder.query('begin');
    await holder.query('select 1');
    const [error, ready] = await waiting.query('select 2');
    assert.ok(error);
    assert.equal(errorFields(error).C, '53300');
    assert.match(errorFields(error).M ?? '', /query_wait_timeout/);
    assert.equal(ready?.tag, 'Z');
    waiting.send(parse('', 'select 3'), bind('', ''), execute(), sync());
    const answer = await waiting.until('Z');
    assert.equal(tagsOf(answer), 'EZ');
    await holder.query('commit');
    assert.equal(await waiting.value('select 4'), '4');
    for (const client of [holder, waiting]) client.close();
  });

  test('waiting clients of a thread are served in the order in which they came', async () => {
    // Of several threads the one goes first whose client has waited clearly longest.
    const doorman = await Doorman.start({
      general: { worker_threads: 1 },
      pools: { postgres: pool({ pool_size: 1 }) },
    });
    const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');
    const holder = await login();
    await holder.query('begin');
    await holder.query('select 1');
    await holder.query('create temp sequence arrivals');
    const waiting: WireClient[] = [];
    for (let i = 0; i < 5; i++) {
      const client = await login();
      client.send(query("select nextval('arrivals')"));
      while ((await doorman.admin('show pools'))[0]?.cl_waiting !== String(i + 1));
      waiting.push(client);
    }
    await holder.query('commit');
    for (const [i, client] of waiting.entries()) {
      const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
      assert.equal(row?.body.toString('utf8', 6), String(i + 1));
      client.close();
    }
    holder.close();
    await doorman.stop();
  });

  test('BEGIN takes no server until the first statement behind it', async () => {
    const [a, b] = [await login(), await login()];
    assert.equal(tagsOf(await a.query('begin')), 'CZ');
    assert.equal((await a.query('begin')).at(-1)?.body.toString(), 'T');
    await a.query('rollback');
    assert.equal((await a.query('START TRANSACTION;'))[0]?.body.toString(), 'START TRANSACTION\0');
    assert.equal(await b.value('select 1'), '1');
    await a.query('create table if not exists deferred ()');
    await a.query('rollback');
    assert.equal(await b.value("select to_regclass('deferred')"), null);
    for (const client of [a, b]) client.close();
  });

  test('the check query is answered without a server', async () => {
    const [holder, client] = [await login(), await login()];
    await holder.query('begin');
    await holder.query('select 1');
    assert.equal(tagsOf(await client.query(';')), 'IZ');
    await holder.query('commit');
    for (const each of [holder, client]) each.close();
  });

  test('what one client has set is not there for the next', async () => {
    const leaves = {
      "set work_mem to '7MB'": ['show work_mem', '4MB'],
      'set role pg_read_all_data': ['select current_user', 'postgres'],
      'set session authorization pg_monitor': ['select session_user', 'postgres'],
      'prepare p as select 1': ["select count(*) from pg_prepared_statements where name = 'p'", '0'],
      'listen somewhere': ['select count(*) from pg_listening_channels()', '0'],
      'begin; declare c cursor with hold for select 1; commit': ['select count(*) from pg_cursors', '0'],
    };
    for (const [act, [look = '', expected]] of Object.entries(leaves)) {
      const [dirty, next] = [await login(), await login()];
      await dirty.query(act);
      assert.equal(await next.value(look), expected, act);
      for (const each of [dirty, next]) each.close();
    }
  });

  test('the server stays the same: nothing was closed to be clean', async () => {
    const client = await login();
    const pid = await client.value('select pg_backend_pid()');
    await client.query('set work_mem to 1024');
    assert.equal(await client.value('select pg_backend_pid()'), pid);
    client.close();
  });
});

describe('session mode', async () => {
  const doorman = await Doorman.start({
    pools: { postgres: pool({ pool_size: 1 }, { pool_mode: 'session' }) },
  });
  after(() => doorman.stop());
  const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');

  test('the client keeps its server and its settings until it goes, even after an error', async () => {
    const client = await login();
    await client.query("set application_name to 'mine'");
    const pid = await client.value('select pg_backend_pid()');
    await client.query('select 1/0');
    await client.query('create temp table mine (i int)');
    assert.equal(await client.value('select pg_backend_pid()'), pid);
    assert.equal(await client.value('show application_name'), 'mine');
    assert.equal(await client.value('select count(*) from mine'), '0');
    client.close();
    const next = await login();
    assert.equal(await next.value('show application_name'), 'pg_doorman');
    next.close();
  });

  test('nothing of its session is there for the next: tables, locks, values of sequences', async () => {
    const client = await login();
    await client.query('create temp table mine (i int); create temp sequence numbers');
    await client.query('select pg_advisory_lock(4711), nextval($$numbers$$)');
    client.close();
    const next = await login();
    assert.equal(await next.value("select to_regclass('mine')"), null);
    assert.equal(await next.value("select count(*) from pg_locks where locktype = 'advisory'"), '0');
    assert.equal(sqlstateOf(await next.query('select lastval()')), '55000');
    next.close();
  });

  test('what it listens to comes at once, while it does nothing', async () => {
    const client = await login();
    await client.query('listen news');
    const direct = await WireClient.login(postgresPort, 'postgres', 'postgres');
    await direct.query("notify news, 'something'");
    const [notification] = await client.until('A');
    assert.equal(notification?.body.toString('latin1', 4), 'news\0something\0');
    for (const each of [client, direct]) each.close();
  });

  test('named statements are its own', async () => {
    const client = await login();
    client.send(parse('s', 'select 1'), sync());
    await client.until('Z');
    assert.equal(await client.value('select name from pg_prepared_statements'), 's');
    client.close();
  });
});

describe('cancel', async () => {
  const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 2 }) } });
  after(() => doorman.stop());
  const open = async (): Promise<{ client: WireClient; key: Buffer }> => {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'postgres', database: 'postgres' }));
    const key = (await client.until('Z')).find(({ tag }) => tag === 'K');
    assert.ok(key);
    return { client, key: key.body };
  };
  const cancel = async (key: Buffer): Promise<void> => {
    const canceller = await WireClient.open(doorman.port);
    canceller.send(packet(CANCEL_REQUEST, key));
    await canceller.closed();
  };

  test('it ends the query of its client and of nobody else', async () => {
    const [a, b] = [await open(), await open()];
    const direct = await WireClient.login(postgresPort, 'postgres', 'postgres');
    await direct.query('select pg_advisory_lock(4711)');
    a.client.send(query('select pg_sleep(30)'));
    b.client.send(query('select pg_advisory_xact_lock(4711)'));
    // PostgreSQL itself forgets a cancel that comes before it has begun the query.
    const begun = `select count(*) from pg_stat_activity where query = 'select pg_sleep(30)' and wait_event = 'PgSleep'
      or query = 'select pg_advisory_xact_lock(4711)' and wait_event = 'advisory'`;
    while ((await direct.value(begun)) !== '2');
    await cancel(a.key);
    assert.equal(sqlstateOf(await a.client.until('Z')), '57014');
    await direct.query('select pg_advisory_unlock(4711)');
    assert.equal(sqlstateOf(await b.client.until('Z')), '');
    assert.equal(await a.client.value('select 1'), '1');
    for (const each of [a.client, b.client, direct]) each.close();
  });

  test('the connection that brings it ends in good order', async () => {
    const bringer = await WireClient.open(doorman.port);
    const errors: Error[] = [];
    bringer.socket.on('error', (error) => errors.push(error));
    bringer.send(packet(CANCEL_REQUEST, int32(12_345), int32(6_789)));
    await bringer.closed();
    assert.deepEqual(errors, []);
  });

  test('a wrong key, and one whose client does nothing, end nothing', async () => {
    const [a, b] = [await open(), await open()];
    b.client.send(query('select pg_sleep(0.3)'));
    await cancel(a.key);
    const wrong = Buffer.from(b.key);
    wrong.writeInt32BE(wrong.readInt32BE(4) ^ 1, 4);
    await cancel(wrong);
    await cancel(Buffer.from('something longer than that'));
    assert.equal(sqlstateOf(await b.client.until('Z')), '');
    for (const { client } of [a, b]) client.close();
  });

  test('one that is lost on its way does not take the server from its client', async () => {
    const sessions: FakeSession[] = [];
    const fake = await FakePostgres.start({
      onStartup: (session) => {
        if (sessions.push(session) === 1) greet(session);
        else session.socket.resetAndDestroy();
      },
      onMessage: () => {},
    });
    const doorman = await Doorman.start({ pools: { fake: poolAt(fake.port) } });
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'postgres', database: 'fake' }));
    const key = (await client.until('Z')).find(({ tag }) => tag === 'K')?.body ?? Buffer.alloc(0);
    client.send(query('select 1'));
    while ((await doorman.admin('show servers'))[0]?.state !== 'active');
    const bringer = await WireClient.open(doorman.port);
    bringer.send(packet(CANCEL_REQUEST, key));
    await bringer.closed();
    sessions[0]?.socket.write(Buffer.concat([ONE_ROW, READY]));
    assert.equal(tagsOf(await client.until('Z')), 'DCZ');
    while ((await doorman.admin('show servers')).length > 0); // it may still come: nobody gets this server
    client.close();
    await doorman.stop();
    await fake.stop();
  });

  test('the connection that brings it ends when PostgreSQL has it: what its client asks for next is not hit', async () => {
    const sessions: FakeSession[] = [];
    const fake = await FakePostgres.start({
      onStartup: (session) => {
        if (sessions.push(session) === 1) greet(session); // the second brings the cancel
      },
      onMessage: () => {},
    });
    const doorman = await Doorman.start({ pools: { fake: poolAt(fake.port) } });
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'postgres', database: 'fake' }));
    const key = (await client.until('Z')).find(({ tag }) => tag === 'K')?.body ?? Buffer.alloc(0);
    client.send(query('select 1'));
    const bringer = await WireClient.open(doorman.port);
    bringer.send(packet(CANCEL_REQUEST, key));
    const ended = bringer.closed().then(() => 'the bringer');
    while (sessions.length < 2) await setImmediate();
    await doorman.admin('show pools');
    assert.equal(await Promise.race([ended, setImmediate('nobody')]), 'nobody');
    sessions[1]?.socket.end();
    assert.equal(await ended, 'the bringer');
    client.close();
    await doorman.stop();
    await fake.stop();
  });

  test('what waits for a server is cancelled at once, never carried out, and its client goes on', async () => {
    const holders = [await open(), await open()];
    for (const { client } of holders) await client.query('begin; select 1');
    const waiting = await open();
    const comes = async (count: string): Promise<void> => {
      while ((await doorman.admin('show pools'))[0]?.cl_waiting !== count);
    };
    const insert = "insert into cancelled values ('never')";
    const [{ client: holder } = waiting] = holders;
    await holder.query('commit; create table if not exists cancelled (t text); begin; select 1');
    for (const messages of [[query(insert)], [parse('', insert), bind('', ''), execute(), sync()]]) {
      waiting.client.send(...messages);
      await comes('1');
      await cancel(waiting.key);
      const answer = await waiting.client.until('Z');
      assert.equal(tagsOf(answer), 'EZ');
      assert.equal(sqlstateOf(answer), '57014');
      await comes('0');
    }
    for (const { client } of holders) await client.query('commit');
    assert.equal(await waiting.client.value('select count(*) from cancelled'), '0');
    for (const { client } of [...holders, waiting]) client.close();
  });

  test('a BEGIN that was put off: without a server in time its client is told that this is the end', async () => {
    const doorman = await Doorman.start({
      general: { query_wait_timeout: 100 },
      pools: { postgres: pool({ pool_size: 1 }) },
    });
    const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');
    const [holder, client] = [await login(), await login()];
    await holder.query('begin; select 1');
    await client.query('begin');
    client.send(query('select 1'));
    const [error] = await client.closed();
    assert.ok(error);
    assert.equal(errorFields(error).C, '53300');
    assert.equal(errorFields(error).S, 'FATAL');
    holder.close();
    await doorman.stop();
  });
});

describe('results that are larger than memory should be', async () => {
  const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 2 }) } });
  after(() => doorman.stop());
  const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');

  test('a client that does not read costs a bounded amount, and its server waits', async () => {
    const client = await login();
    client.send(query("select repeat('x', 1000) from generate_series(1, 300000)"));
    await client.until('D');
    client.socket.pause();
    // The server's count stands still when nobody reads any more.
    let before = -1;
    for (let now = 0; now !== before; ) {
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 100));
      const rows = await doorman.admin('show servers');
      now = Math.max(...rows.map(({ bytes_received }) => Number(bytes_received)));
    }
    assert.ok(before < 64 * 1024 * 1024, `${before} bytes were taken from the server`);
    const other = await login();
    assert.equal(await other.value('select 1'), '1');
    client.socket.resume();
    let rows = 1;
    for (let each = await client.next(); each !== null && each.tag !== 'Z'; each = await client.next()) {
      if (each.tag === 'D') rows++;
    }
    assert.equal(rows, 300_000);
    for (const each of [client, other]) each.close();
  });

  test('a row of 50 MB, and a query of 20 MB', async () => {
    const client = await login();
    const value = await client.value("select repeat('0123456789', 5000000)");
    assert.equal(value?.length, 50_000_000);
    assert.equal(value?.endsWith('0123456789'), true);
    assert.equal(await client.value(`select length('${'y'.repeat(20_000_000)}')`), '20000000');
    client.close();
  });
});

test('a unix socket on both sides', async () => {
  const postgresDirectory = (await socketDirectory()) ?? '';
  const { mkdtempSync, rmSync } = await import('node:fs');
  const directory = mkdtempSync('/tmp/pg-doorman-socket-');
  const doorman = await Doorman.start({
    general: { host: directory, port: 6432 },
    pools: { postgres: pool({}, { server_host: postgresDirectory }) },
  });
  const client = await WireClient.login({ path: `${directory}/.s.PGSQL.6432` }, 'postgres', 'postgres');
  assert.equal(await client.value('select inet_client_addr() is null'), 't');
  client.close();
  await doorman.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function socketDirectory(): Promise<string | undefined> {
  const doorman = await Doorman.start({ pools: { postgres: pool() } });
  const client = doorman.client('postgres', 'postgres');
  await client.connect();
  const { rows } = await client.query('show unix_socket_directories');
  await client.end();
  await doorman.stop();
  return rows[0]?.unix_socket_directories;
}

test('a server whose client is slow to take its last answer serves the next client', {
  timeout: 60_000,
}, async () => {
  const { mkdtempSync, rmSync } = await import('node:fs');
  const directory = mkdtempSync('/tmp/pg-doorman-socket-');
  // A small and constant buffer between the pooler and the client who does not read.
  const doorman = await Doorman.start({
    general: { host: directory, port: 6432, unix_socket_buffer_size: 65_536 },
    pools: { postgres: pool({ pool_size: 1 }) },
  });
  const login = (): Promise<WireClient> =>
    WireClient.login({ path: `${directory}/.s.PGSQL.6432` }, 'postgres', 'postgres');
  const console = doorman.client('admin', 'pgdoorman', {
    host: directory,
    port: 6432,
    password: ADMIN_PASSWORD,
  });
  await console.connect();
  const [slow, next] = [await login(), await login()];
  let answered = 0;
  // Among these are answers whose last bytes are those that make the client's queue too long.
  for (let size = 261_500; size < 270_500; size += 150) {
    slow.socket.pause();
    slow.send(query(`select repeat('x', ${size})`));
    const isIdle = async (): Promise<boolean> => {
      const [server] = (await console.query('show servers')).rows;
      return server?.state === 'idle' && Number(server.query_count) > answered;
    };
    for (let polls = 0; polls < 100 && !(await isIdle()); polls++);
    if (await isIdle()) assert.equal(await next.value('select 1'), '1', `behind ${size} bytes`);
    slow.socket.resume();
    await slow.until('Z');
    while (!(await isIdle()));
    answered = Number((await console.query('show servers')).rows[0].query_count);
  }
  for (const client of [slow, next]) client.close();
  await console.end();
  await doorman.stop();
  rmSync(directory, { recursive: true, force: true });
});
