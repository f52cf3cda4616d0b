/** What the console does to pools and clients: PAUSE, RESUME, RECONNECT, KILL, KILL_CLIENT, and what it tells of them. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import { bind, errorFields, execute, parse, query, sync } from '../support/messages.js';
import { pool, postgresPort } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const POOL_SIZE = 2;

describe('the console and its pools', async () => {
  const doorman = await Doorman.start({
    general: { pg_hba: 'host all all 127.0.0.1/32 trust', query_wait_timeout: '60s' },
    pools: {
      postgres: pool({ pool_size: POOL_SIZE }),
      other: pool({ pool_size: 1 }),
      sessions: pool({ pool_size: 1 }, { pool_mode: 'session' }),
    },
  });
  after(() => doorman.stop());
  const login = (database = 'postgres'): Promise<WireClient> =>
    WireClient.login(doorman.port, 'postgres', database, { application_name: 'till' });
  const admin = (): Promise<WireClient> => WireClient.login(doorman.port, 'admin', 'pgdoorman');
  const poolRow = async (database = 'postgres'): Promise<Record<string, string>> =>
    (await doorman.admin('show pools')).find((row) => row.database === database) ?? assert.fail();
  const waits = (): Promise<Record<string, string>[]> => doorman.admin('show waits');

  /** A client in a transaction, with its server's process id. */
  async function holder(database?: string): Promise<{ client: WireClient; pid: string }> {
    const client = await login(database);
    await client.query('begin');
    return { client, pid: (await client.value('select pg_backend_pid()')) ?? '' };
  }

  /** Returns when PostgreSQL has no session of this process id any more. */
  async function ended(pid: string): Promise<void> {
    const postgres = await WireClient.login(postgresPort, 'postgres', 'postgres');
    while ((await postgres.value(`select count(*) from pg_stat_activity where pid = ${pid}`)) !== '0');
    postgres.close();
  }

  /** Has the client wait for a long time in PostgreSQL. Returns its server's process id when it does. */
  async function sleeps(client: WireClient): Promise<string> {
    const postgres = await WireClient.login(postgresPort, 'postgres', 'postgres');
    client.send(query('select pg_sleep(600)'));
    const sleeping = "select pid from pg_stat_activity where wait_event = 'PgSleep'";
    let pid = await postgres.value(sleeping);
    while (pid === null) pid = await postgres.value(sleeping);
    postgres.close();
    return pid;
  }

  test('PAUSE answers when the transactions are over, and its servers are closed then', async () => {
    const { client, pid } = await holder();
    const pausing = await admin();
    pausing.send(query('pause postgres'));
    while ((await poolRow()).paused !== '1');
    assert.equal(await client.value('select 1'), '1', 'the transaction goes on');
    client.send(query('commit'));
    assert.equal(tagsOf(await client.until('Z')), 'CZ');
    assert.equal(tagsOf(await pausing.until('Z')), 'CZ');
    const { sv_active, sv_idle, sv_used, sv_login } = await poolRow();
    assert.deepEqual([sv_active, sv_idle, sv_used, sv_login], ['0', '0', '0', '0']);
    await ended(pid);
    await pausing.query('resume postgres');
    for (const each of [client, pausing]) each.close();
  });

  test('whoever needs a server of a paused pool waits, and is served after RESUME by another', async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, () => login()));
    await doorman.admin('pause postgres');
    for (const each of clients) each.send(query('select 1'));
    while ((await poolRow()).cl_waiting !== '5');
    assert.equal((await poolRow('other')).paused, '0');
    const elsewhere = await login('other');
    assert.equal(await elsewhere.value('select 2'), '2');
    await doorman.admin('resume postgres');
    for (const each of clients) assert.equal(tagsOf(await each.until('Z')), 'TDCZ');
    for (const each of [...clients, elsewhere]) each.close();
  });

  test('PAUSE without a name is about all pools, and RESUME without a name frees them', async () => {
    await doorman.admin('pause');
    assert.deepEqual(
      (await doorman.admin('show pools')).map(({ paused }) => paused),
      ['1', '1', '1'],
    );
    await doorman.admin('resume');
    assert.deepEqual(
      (await doorman.admin('show pools')).map(({ paused }) => paused),
      ['0', '0', '0'],
    );
  });

  test('a PAUSE that waits ends with 57014 when another gives RESUME', async () => {
    const { client } = await holder();
    const pausing = await admin();
    pausing.send(query('pause postgres'));
    while ((await poolRow()).paused !== '1');
    await doorman.admin('resume postgres');
    assert.equal(sqlstateOf(await pausing.until('Z')), '57014');
    assert.equal(await client.value('select 1'), '1');
    await client.query('commit');
    for (const each of [client, pausing]) each.close();
  });

  test('PAUSE waits for the sessions of a pool in session mode', async () => {
    const client = await login('sessions');
    assert.equal(await client.value('select 1'), '1');
    const pausing = await admin();
    pausing.send(query('pause sessions'));
    while ((await poolRow('sessions')).paused !== '1');
    assert.equal(await client.value('select 2'), '2');
    client.close();
    assert.equal(tagsOf(await pausing.until('Z')), 'CZ');
    await pausing.query('resume sessions');
    pausing.close();
  });

  test('RECONNECT closes idle servers at once, and those in use when they come back', async () => {
    const { client, pid } = await holder();
    const other = await login();
    const idle = (await other.value('select pg_backend_pid()')) ?? '';
    await doorman.admin('reconnect postgres');
    await ended(idle);
    assert.equal(await client.value('select pg_backend_pid()'), pid, 'the transaction keeps its server');
    await client.query('commit');
    await ended(pid);
    const next = await client.value('select pg_backend_pid()');
    assert.notEqual(next, pid);
    assert.equal(await other.value('select pg_backend_pid()'), next, 'what was opened since is kept');
    for (const each of [client, other]) each.close();
  });

  test('KILL ends clients and servers of one database, and its pools are paused then', async () => {
    const { client, pid } = await holder();
    const [idle, elsewhere] = [await login(), await login('other')];
    assert.equal(tagsOf(await asAdmin('kill postgres')), 'CZ');
    for (const each of [client, idle]) {
      const [error] = await each.closed();
      assert.ok(error);
      assert.equal(errorFields(error).C, '57P01');
      assert.equal(errorFields(error).S, 'FATAL');
    }
    await ended(pid);
    assert.equal((await poolRow()).paused, '1');
    assert.equal(await elsewhere.value('select 1'), '1');
    const waiting = await login();
    waiting.send(query('select 3'));
    while ((await poolRow()).cl_waiting !== '1');
    await doorman.admin('resume postgres');
    assert.equal(tagsOf(await waiting.until('Z')), 'TDCZ');
    for (const each of [elsewhere, waiting]) each.close();
  });

  test('KILL_CLIENT ends one client, and what it was doing at PostgreSQL', async () => {
    const victim = await login();
    const pid = await sleeps(victim);
    const [wait] = await waits();
    assert.deepEqual([wait?.state, wait?.server_process_id], ['active', pid]);
    await doorman.admin(`kill_client ${wait?.client_id}`);
    assert.equal(sqlstateOf(await victim.closed()), '57P01');
    await ended(pid);
    const { cl_active, sv_active, sv_used } = await poolRow();
    assert.deepEqual([cl_active, sv_active, sv_used], ['0', '0', '0']);
  });

  test('KILL_CLIENT ends one that waits, which never gets a server', async () => {
    await doorman.admin('pause postgres');
    const victim = await login();
    victim.send(query('select 1'));
    while ((await poolRow()).cl_waiting !== '1');
    const [wait] = await waits();
    await doorman.admin(`kill_client ${wait?.client_id}`);
    assert.equal(sqlstateOf(await victim.closed()), '57P01');
    assert.equal((await poolRow()).cl_waiting, '0');
    await doorman.admin('resume');
  });

  test('SHOW WAITS tells who waits with what, and who holds the servers with what', async () => {
    const { client: idle } = await holder();
    await idle.query("select 'secret', 1");
    const [active, waiting, batching] = [await login(), await login(), await login()];
    await sleeps(active);
    waiting.send(query("select 'secret', 2"));
    while ((await poolRow()).cl_waiting !== '1');
    batching.send(parse('', 'select 3'), bind('', ''), execute(), sync());
    while ((await poolRow()).cl_waiting !== '2');
    const rows = await waits();
    assert.deepEqual(rows.map(({ state, statement }) => [state, statement]).sort(), [
      ['active', 'select pg_sleep(600)'],
      ['idle in transaction', "select '***', 1"],
      ['waiting', "select '***', 2"],
      ['waiting', 'select 3'],
    ]);
    assert.deepEqual(
      rows.map(({ state }) => state === 'waiting'),
      [true, true, false, false],
    );
    for (const row of rows) {
      assert.deepEqual([row.database, row.user, row.application_name], ['postgres', 'postgres', 'till']);
      assert.match(row.addr ?? '', /^127\.0\.0\.1:\d+$/);
    }
    const held = rows.find(({ state }) => state === 'active');
    await doorman.admin(`kill_client ${held?.client_id}`);
    await active.closed();
    for (const each of [waiting, batching]) await each.until('Z');
    await idle.query('rollback');
    for (const each of [idle, waiting, batching]) each.close();
  });

  test('SHOW WAITS tells the statement of a bind from the one that was parsed', async () => {
    const client = await login();
    await client.query('begin');
    client.send(parse('s', "select 'secret', $1::int"), sync());
    await client.until('Z');
    await client.query('select 7');
    client.send(bind('', 's', ['1']), execute(), sync());
    await client.until('Z');
    assert.deepEqual(
      (await waits()).map(({ statement }) => statement),
      ["select '***', $1::int"],
    );
    await client.query('rollback');
    client.close();
  });

  test('SHOW WAITS finds the statement in a message that waits, also when that came in parts', async () => {
    const [binding, splitting] = [await login(), await login()];
    binding.send(parse('s', "select 'secret', $1::int"), sync());
    await binding.until('Z');
    await doorman.admin('pause postgres');
    binding.send(bind('', 's', ['1']), execute(), sync());
    const message = Buffer.concat([parse('name', `select 5 -- ${'long '.repeat(20)}`), sync()]);
    for (const [from, to] of [[0, 3] as const, [3, 20] as const, [20, message.length] as const]) {
      splitting.send(message.subarray(from, to));
      await waits(); // time for the part to come alone
    }
    while ((await poolRow()).cl_waiting !== '2');
    assert.deepEqual((await waits()).map(({ statement }) => statement).sort(), [
      "select '***', $1::int",
      'select 5 -- long long long long long long long long long long lo',
    ]);
    await doorman.admin('resume postgres');
    assert.equal(tagsOf(await binding.until('Z')), '2DCZ');
    assert.equal(tagsOf(await splitting.until('Z')), '1Z');
    for (const each of [binding, splitting]) each.close();
  });

  test('what one client has sent is not told of the next that has its server', async () => {
    const { client } = await holder();
    await client.query('rollback');
    const next = await login();
    await next.query('begin');
    next.send(bind('', 'unknown'), sync()); // takes the server, and is no statement
    await next.until('Z');
    assert.deepEqual(
      (await waits()).map(({ statement }) => statement),
      [''],
    );
    for (const each of [client, next]) each.close();
  });

  test('SHOW POOLS tells how long the oldest transaction lasts', async () => {
    while ((await waits()).length > 0);
    assert.equal((await poolRow()).oldest_active_age_ms, '0');
    const { client } = await holder();
    while (Number((await poolRow()).oldest_active_age_ms) < 20);
    await client.query('rollback');
    client.close();
  });

  test('SHOW PREPARED_STATEMENTS tells each statement once, and how often it was bound', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => login()));
    for (const each of clients) {
      each.send(parse('s', 'select 4711 + $1'), bind('', 's', ['1']), execute(), sync());
      await each.until('Z');
    }
    const rows = (await doorman.admin('show prepared_statements')).filter(({ query: text }) =>
      text?.includes('4711'),
    );
    assert.deepEqual(
      rows.map(({ pool: name, query: text, count_used }) => [name, text, count_used]),
      [['postgres@postgres', 'select 4711 + $1', '4']],
    );
    assert.match(rows[0]?.name ?? '', /^DOORMAN_/);
    for (const each of clients) each.close();
  });

  async function asAdmin(sql: string): ReturnType<WireClient['query']> {
    const client = await admin();
    const answer = await client.query(sql);
    client.close();
    return answer;
  }
});

test('a client of a paused pool waits no longer than query_wait_timeout', async () => {
  const doorman = await Doorman.start({
    general: { query_wait_timeout: 200 },
    pools: { postgres: pool() },
  });
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  await doorman.admin('pause');
  assert.equal(sqlstateOf(await client.query('select 1')), '53300');
  await doorman.admin('resume');
  assert.equal(await client.value('select 1'), '1');
  client.close();
  await doorman.stop();
});

test('PAUSE, a restart of PostgreSQL’s sessions, RECONNECT, RESUME: no client sees an error', async () => {
  const doorman = await Doorman.start({
    general: { query_wait_timeout: '60s' },
    pools: { postgres: pool({ pool_size: 3 }) },
  });
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => WireClient.login(doorman.port, 'postgres', 'postgres')),
  );
  let rounds = 0;
  let isOver = false;
  const work = clients.map(async (client) => {
    while (!isOver) {
      assert.equal(tagsOf(await client.query('begin')), 'CZ');
      assert.equal(tagsOf(await client.query('select 1')), 'TDCZ');
      assert.equal(tagsOf(await client.query('commit')), 'CZ');
      rounds++;
    }
  });
  for (let cycle = 0; cycle < 3; cycle++) {
    const before = rounds;
    while (rounds < before + 20) await new Promise((resolve) => setImmediate(resolve));
    await doorman.admin('pause');
    assert.deepEqual(await doorman.admin('show servers'), []);
    await doorman.admin('reconnect');
    await doorman.admin('resume');
  }
  isOver = true;
  await Promise.all(work);
  for (const each of clients) each.close();
  await doorman.stop();
});
