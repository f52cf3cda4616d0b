/** RELOAD and SIGHUP: what is changed comes into force, and nothing else is disturbed. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, type TestContext, test } from 'node:test';
import pg from 'pg';
import { Doorman, type DoormanOptions } from '../support/doorman.js';
import { pool, postgresPort } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';

const direct = new pg.Pool({ host: '127.0.0.1', port: postgresPort, user: 'postgres', max: 2 });
after(() => direct.end());

interface Scene {
  readonly doorman: Doorman;
  /** Connected, and closed at the end. */
  readonly client: (database?: string, user?: string) => Promise<pg.Client>;
  /** Rewrites the file and has it read. */
  readonly reload: (options: DoormanOptions) => Promise<void>;
}

async function scene(context: TestContext, options: DoormanOptions): Promise<Scene> {
  const doorman = await Doorman.start(options);
  const clients: pg.Client[] = [];
  context.after(async () => {
    await Promise.all(clients.map((each) => each.end()));
    await doorman.stop();
  });
  return {
    doorman,
    client: async (database = 'app', user = 'postgres') => {
      const client = doorman.client(user, database);
      client.on('error', () => undefined); // the FATAL that a test waits for
      await client.connect();
      clients.push(client);
      return client;
    },
    reload: async (next) => {
      doorman.rewrite(next);
      await doorman.admin('RELOAD');
    },
  };
}

/** A session of PostgreSQL with this application_name that has not ended when it was looked for. */
async function sessions(applicationName: string): Promise<number[]> {
  const { rows } = await direct.query<{ pid: number }>(
    'select pid from pg_stat_activity where application_name = $1 order by pid',
    [applicationName],
  );
  return rows.map(({ pid }) => pid);
}

/** BEGIN alone takes no server yet. */
async function begin(client: pg.Client): Promise<void> {
  await client.query('begin');
  await client.query('select 1');
}

const processId = async (client: pg.Client): Promise<number> =>
  (await client.query('select pg_backend_pid() as pid')).rows[0].pid;

test('a pool is added, and clients of the others keep their servers', async (context) => {
  const { client, reload } = await scene(context, { pools: { app: pool() } });
  const old = await client();
  const before = await processId(old);
  await reload({ pools: { app: pool(), other: pool() } });
  assert.equal(await processId(old), before);
  const fresh = await client('other');
  assert.equal((await fresh.query('select 1 as one')).rows[0].one, 1);
});

test('a pool is removed: its clients finish their transactions, idle ones go at once, nobody else does', async (context) => {
  const { client, reload, doorman } = await scene(context, { pools: { app: pool(), gone: pool() } });
  const [inside, idle, other] = [await client('gone'), await client('gone'), await client()];
  await begin(inside);
  const told = new Promise<Error>((resolve) => idle.once('error', resolve));
  await reload({ pools: { app: pool() } });
  assert.match((await told).message, /database: gone, user: postgres was removed from the configuration/);
  assert.equal((await inside.query('select 42 as x')).rows[0].x, 42);
  const end = new Promise<Error>((resolve) => inside.once('error', resolve));
  await inside.query('commit');
  assert.match((await end).message, /was removed from the configuration/);
  await assert.rejects(client('gone'), { code: '3D000' });
  assert.equal((await other.query('select 1 as one')).rows[0].one, 1);
  assert.deepEqual(
    (await doorman.admin('SHOW POOLS')).map(({ database }) => database),
    ['app'],
  );
});

test('a pool that was removed and comes back serves again', async (context) => {
  const { client, reload } = await scene(context, { pools: { app: pool(), comes: pool() } });
  const inside = await client('comes');
  await begin(inside);
  await reload({ pools: { app: pool() } });
  await reload({ pools: { app: pool(), comes: pool() } });
  await inside.query('commit');
  assert.equal((await inside.query('select 1 as one')).rows[0].one, 1);
  assert.equal((await (await client('comes')).query('select 2 as two')).rows[0].two, 2);
});

test('a pool that becomes larger serves those who wait', async (context) => {
  const { client, reload } = await scene(context, { pools: { app: pool({ pool_size: 1 }) } });
  const [holder, waiter] = [await client(), await client()];
  await begin(holder);
  const answer = waiter.query('select 1 as one');
  await reload({ pools: { app: pool({ pool_size: 2 }) } });
  assert.equal((await answer).rows[0].one, 1);
  await holder.query('commit');
});

test('a pool that becomes smaller closes servers as they come back', async (context) => {
  const sized = (pool_size: number): DoormanOptions => ({
    pools: { app: pool({ pool_size }, { application_name: 'shrinking' }) },
  });
  const { client, reload, doorman } = await scene(context, sized(3));
  const clients = [await client(), await client(), await client()];
  for (const each of clients) await begin(each);
  await reload(sized(1));
  for (const each of clients) assert.equal((await each.query('select 1 as one')).rows[0].one, 1);
  for (const each of clients) await each.query('commit');
  const [row] = await doorman.admin('SHOW POOLS');
  assert.equal(Number(row?.sv_idle) + Number(row?.sv_active), 1);
  assert.equal(doorman.log.match(/server closed: pool_shrunk/g)?.length, 2);
});

test('servers with new parameters take the place of the old ones as those come back', async (context) => {
  const named = (application_name: string): DoormanOptions => ({
    pools: { app: pool({}, { application_name }) },
  });
  const { client, reload } = await scene(context, named('before'));
  const [inside, other] = [await client(), await client()];
  await begin(inside);
  const held = await processId(inside);
  await other.query('select 1');
  await reload(named('behind'));
  assert.equal(await processId(inside), held);
  await inside.query('commit');
  const { rows } = await inside.query("select current_setting('application_name') as name");
  assert.deepEqual(rows, [{ name: 'behind' }]);
  assert.notEqual(await processId(inside), held);
  assert.equal((await sessions('before')).includes(held), false);
});

test('a client whose servers have nowhere to be any more is told so, however it asks', async (context) => {
  const at = (server_host: string): DoormanOptions => ({ pools: { app: pool({}, { server_host }) } });
  const { client, reload } = await scene(context, at('127.0.0.1'));
  const waiters = [await client(), await client()];
  await reload(at('nowhere.invalid'));
  // The attempt fails before the client has begun to wait for it.
  await assert.rejects(waiters[0]?.query('select 1') ?? Promise.resolve(), { code: '08006' });
  await assert.rejects(waiters[1]?.query('select $1', [1]) ?? Promise.resolve(), { code: '08006' });
});

test('clients are greeted with what a fresh server says, not with what another client has set', async (context) => {
  const named = (application_name: string): DoormanOptions => ({
    pools: { app: pool({ pool_size: 1 }, { application_name }) },
  });
  const { client, doorman, reload } = await scene(context, named('before'));
  const inside = await client();
  await begin(inside);
  await reload(named('behind'));
  await inside.query("set timezone to 'Asia/Tokyo'");
  const another = await WireClient.open(doorman.port);
  const greeting = another.logIn('postgres', 'app');
  await inside.query('commit');
  const zones = (await greeting).filter(({ tag, body }) => tag === 'S' && body.includes('TimeZone'));
  assert.deepEqual(
    zones.map(({ body }) => body.includes('Tokyo')),
    [false],
  );
  another.close();
});

test('prepared statements of a client survive the replacement of its servers', async (context) => {
  const named = (application_name: string): DoormanOptions => ({
    pools: { app: pool({}, { application_name }) },
  });
  const { client, reload } = await scene(context, named('before'));
  const one = await client();
  const sum = { name: 'sum', text: 'select $1::int + 1 as sum', values: [41] };
  assert.equal((await one.query(sum)).rows[0].sum, 42);
  await reload(named('behind'));
  assert.equal((await one.query(sum)).rows[0].sum, 42);
});

test('a client keeps the pool mode that it has logged in with', async (context) => {
  const mode = (pool_mode: string): DoormanOptions => ({ pools: { app: pool({}, { pool_mode }) } });
  const { client, reload } = await scene(context, mode('session'));
  const old = await client();
  await old.query('create temporary table mine as select 1 as x');
  await reload(mode('transaction'));
  assert.equal((await old.query('select x from mine')).rows[0].x, 1);
  const [fresh, another] = [await client(), await client()];
  const pid = await processId(fresh);
  assert.equal(await processId(another), pid);
});

test('a new password counts from the next login on', async (context) => {
  const secured = (password: string): DoormanOptions => ({
    general: { pg_hba: 'host all all 127.0.0.1/32 scram-sha-256' },
    pools: { app: pool({ password, server_username: 'postgres', server_password: '' }) },
  });
  const { doorman, reload } = await scene(context, secured('old word'));
  const login = async (password: string): Promise<pg.Client> => {
    const client = doorman.client('postgres', 'app', { password });
    await client.connect();
    return client;
  };
  const old = await login('old word');
  await reload(secured('new word'));
  await assert.rejects(login('old word'), { code: '28P01' });
  await (await login('new word')).end();
  assert.equal((await old.query('select 1 as one')).rows[0].one, 1);
  await old.end();
});

test('rules of access count for the next client', async (context) => {
  const ruled = (pg_hba: string): DoormanOptions => ({ general: { pg_hba }, pools: { app: pool() } });
  const admin = 'host pgdoorman all 127.0.0.1/32 md5\n';
  const { client, reload } = await scene(context, ruled(`${admin}host all all 127.0.0.1/32 trust`));
  const old = await client();
  await reload(ruled(`${admin}host all all 127.0.0.1/32 reject`));
  await assert.rejects(client(), { code: '28000' });
  assert.equal((await old.query('select 1 as one')).rows[0].one, 1);
});

test('general settings are in force at once: query_wait_timeout', async (context) => {
  const waiting = (query_wait_timeout: string): DoormanOptions => ({
    general: { query_wait_timeout },
    pools: { app: pool({ pool_size: 1 }) },
  });
  const { client, reload } = await scene(context, waiting('1h'));
  const [holder, waiter] = [await client(), await client()];
  await begin(holder);
  await reload(waiting('1ms'));
  await assert.rejects(waiter.query('select 1'), { code: '53300' });
  await holder.query('commit');
});

test('what needs a restart stays as it is, and the log names it', async (context) => {
  const { doorman, reload } = await scene(context, { pools: { app: pool() } });
  await reload({ general: { port: 1, prepared_statements: false }, pools: { app: pool() } });
  await doorman.logged(/these need a restart: general\.port, general\.prepared_statements/);
  const config = await doorman.admin('SHOW CONFIG');
  const shown = (name: string) => config.find(({ key }) => key === `general.${name}`)?.value;
  assert.deepEqual([shown('port'), shown('prepared_statements')], ['0', 'true']);
});

const BAD_FILES: readonly (readonly [string, (file: string) => void, RegExp])[] = [
  ['is gone', (file) => rmSync(file), /not found/],
  ['is half-written', (file) => writeFileSync(file, 'general: { port: 64'), /line \d|:\d+/],
  [
    'is written up to its pools',
    (file) => writeFileSync(file, readFileSync(file, 'utf8').split(/^pools:/m)[0] ?? ''),
    /pools: is missing/,
  ],
  ['is empty', (file) => writeFileSync(file, ''), /is empty/],
  [
    'has a wrong value',
    (file) => writeFileSync(file, 'general: { max_connections: many }'),
    /max_connections/,
  ],
  [
    'is a directory',
    (file) => {
      rmSync(file);
      mkdirSync(file);
    },
    /EISDIR|directory/,
  ],
];

for (const [what, spoil, complaint] of BAD_FILES) {
  test(`a file that ${what} changes nothing, and whoever asked is told why`, async (context) => {
    const { doorman, client } = await scene(context, { pools: { app: pool() } });
    const old = await client();
    spoil(doorman.file);
    await assert.rejects(doorman.admin('RELOAD'), (error) => {
      assert.ok(error instanceof pg.DatabaseError);
      assert.equal(error.code, 'F0000');
      assert.match(error.detail ?? '', complaint);
      return true;
    });
    await doorman.logged(/RELOAD: the configuration stays as it was/);
    assert.equal((await old.query('select 1 as one')).rows[0].one, 1);
    assert.equal((await (await client()).query('select 2 as two')).rows[0].two, 2);
  });
}

test('SIGHUP a hundred times under load disturbs nobody', async (context) => {
  const named = (application_name: string): DoormanOptions => ({
    pools: { app: pool({ pool_size: 4 }, { application_name }) },
  });
  const { client, doorman } = await scene(context, named('0'));
  const clients = await Promise.all(Array.from({ length: 10 }, () => client()));
  let isOver = false;
  const load = clients.map(async (each, i) => {
    for (let n = 0; !isOver; n++) {
      const { rows } = await each.query({
        name: 'sum',
        text: 'select $1::int + $2::int as sum',
        values: [i, n],
      });
      assert.equal(rows[0].sum, i + n);
    }
  });
  for (let n = 1; n <= 100; n++) {
    doorman.rewrite(named(String(n)));
    doorman.signal('SIGHUP');
    await clients[0]?.query('select 1');
  }
  await doorman.admin('RELOAD');
  isOver = true;
  await Promise.all(load);
  const { rows } = await (await client()).query("select current_setting('application_name') as name");
  assert.deepEqual(rows, [{ name: '100' }]);
});
