/** The tables of the admin console: operators' scripts rely on the columns, their order and their kinds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationSchema } from '../../../../src/config/settings/configuration.js';
import { VERSION } from '../../../../src/control/version.js';
import { Counter } from '../../../../src/pooler/counters.js';
import { query } from '../../../support/messages.js';
import { bench, counted, SNAPSHOT, type Table, table } from './console-context.js';

const TEXT = 25;
const INT4 = 23;
const NUMERIC = 1700;

/** "name: kind", text when nothing is said. */
function columns(...names: string[]): Table['columns'] {
  return names.map((each) => {
    const [name = '', kind = 't'] = each.split(':');
    return { name, typeOid: { t: TEXT, n: NUMERIC, i: INT4 }[kind] ?? 0 };
  });
}

const POOL_COLUMNS = [
  'database',
  'user',
  'pool_mode',
  'cl_idle:n',
  'cl_active:n',
  'cl_waiting:n',
  'cl_cancel_req:n',
  'sv_active:n',
  'sv_idle:n',
  'sv_used:n',
  'sv_login:n',
  'maxwait:n',
  'maxwait_us:n',
];
const LATER_COLUMNS = ['pool_size:n', 'avg_xact_time:n', 'paused:n', 'oldest_active_age_ms:n'];
const TCP_STATES =
  'established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close close_wait last_ack listen closing new_syn_recv';
const UNIX_STATES = 'free unconnected connecting connected disconnecting';

const COLUMNS: Readonly<Record<string, Table['columns']>> = {
  VERSION: columns('version'),
  AUTH_QUERY: columns(
    'database',
    'cache_entries:n',
    'cache_hits:n',
    'cache_misses:n',
    'cache_refetches:n',
    'cache_rate_limited:n',
    'auth_success:n',
    'auth_failure:n',
    'executor_queries:n',
    'executor_errors:n',
    'dynamic_pools_current:n',
    'dynamic_pools_created:n',
    'dynamic_pools_destroyed:n',
  ),
  HELP: columns('item'),
  LISTS: columns('list', 'items:i'),
  USERS: columns('name', 'pool_mode'),
  CONFIG: columns('key', 'value', 'default', 'changeable'),
  CONNECTIONS: columns('total:n', 'errors:n', 'tls:n', 'plain:n', 'cancel:n'),
  POOLS: columns(...POOL_COLUMNS, ...LATER_COLUMNS),
  POOLS_EXTENDED: columns(
    ...POOL_COLUMNS,
    'bytes_recieved:n',
    'bytes_sent:n',
    'avg_wait_time:n',
    ...LATER_COLUMNS,
  ),
  LOG_LEVEL: columns('log_level'),
  PREPARED_STATEMENTS: columns('pool', 'hash', 'name', 'query', 'count_used:n'),
  SOCKETS: columns(
    ...TCP_STATES.split(' ').map((state) => `tcp_${state}:n`),
    ...TCP_STATES.split(' ').map((state) => `tcp6_${state}:n`),
    ...UNIX_STATES.split(' ').map((state) => `unix_${state}:n`),
    'unknown:n',
  ),
  WAITS: columns(
    'database',
    'user',
    'state',
    'for_ms:n',
    'client_id',
    'application_name',
    'addr',
    'server_id',
    'server_process_id:n',
    'statement',
    'worker:n',
  ),
  DATABASES: columns(
    'name',
    'host',
    'port:n',
    'database',
    'force_user',
    'pool_size:n',
    'min_pool_size:n',
    'reserve_pool:n',
    'pool_mode',
    'max_connections:n',
    'current_connections:n',
  ),
  CLIENTS: columns(
    'client_id',
    'database',
    'user',
    'application_name',
    'addr',
    'tls',
    'state',
    'wait',
    'transaction_count:n',
    'query_count:n',
    'error_count:n',
    'age_seconds:n',
  ),
  SERVERS: columns(
    'server_id',
    'server_process_id:n',
    'database_name',
    'user',
    'application_name',
    'tls',
    'state',
    'wait',
    'transaction_count:n',
    'query_count:n',
    'bytes_sent:n',
    'bytes_received:n',
    'age_seconds:n',
    'prepare_cache_hit:n',
    'prepare_cache_miss:n',
    'prepare_cache_size:n',
  ),
  STATS: columns(
    'database',
    'user',
    'total_xact_count:n',
    'total_query_count:n',
    'total_received:n',
    'total_sent:n',
    'total_xact_time:n',
    'total_query_time:n',
    'total_wait_time:n',
    'total_errors:n',
    'avg_xact_count:n',
    'avg_query_count:n',
    'avg_recv:n',
    'avg_sent:n',
    'avg_errors:n',
    'avg_xact_time:n',
    'avg_query_time:n',
    'avg_wait_time:n',
  ),
};

for (const [name, wanted] of Object.entries(COLUMNS)) {
  test(`SHOW ${name} has its columns in their order`, async () => {
    const { console } = await bench();
    assert.deepEqual((await table(console, `SHOW ${name}`)).columns, wanted);
  });
}

/** The rows of an answer. */
async function rows(name: string): Promise<Table['rows']> {
  const { console } = await bench();
  return (await table(console, `SHOW ${name}`)).rows;
}

test('SHOW WORKERS says what each thread has and does', async () => {
  assert.deepEqual(await rows('WORKERS'), [
    ['0', 'serving', '5', '2', '35', '700', '3'],
    ['1', 'away', '0', '0', '0', '0', '0'],
  ]);
});

test('SHOW VERSION says the program and its version', async () => {
  assert.deepEqual(await rows('VERSION'), [[`PgDoorman ${VERSION}`]]);
});

test('SHOW HELP has a row for each command', async () => {
  const help = (await rows('HELP')).flat();
  for (const name of Object.keys(COLUMNS)) assert.ok(help.includes(`SHOW ${name}`), name);
  assert.ok(help.includes('SHUTDOWN'));
});

test('SHOW LISTS counts databases, users, pools, clients and servers', async () => {
  assert.deepEqual(await rows('LISTS'), [
    ['databases', '2'],
    ['users', '2'],
    ['pools', '3'],
    ['free_clients', '1'],
    ['used_clients', '2'],
    ['login_clients', '2'],
    ['free_servers', '1'],
    ['used_servers', '2'],
    ['dns_names', '0'],
    ['dns_zones', '0'],
    ['dns_queries', '0'],
    ['dns_pending', '0'],
  ]);
});

test('SHOW USERS has a row for each pool, with the mode that the user has', async () => {
  assert.deepEqual(await rows('USERS'), [
    ['alice', 'transaction'],
    ['bob', 'session'],
    ['alice', 'transaction'],
  ]);
});

test('SHOW AUTH_QUERY: each counter in its column', async () => {
  const counters = Array.from({ length: 12 }, (_, n) => String(n + 1));
  assert.deepEqual(await rows('AUTH_QUERY'), [['shop', ...counters]]);
});

test('SHOW CONNECTIONS says what came since the start', async () => {
  assert.deepEqual(await rows('CONNECTIONS'), [['100', '9', '30', '60', '10']]);
});

test('SHOW POOLS has a row for each pool, with the longest wait in seconds and microseconds', async () => {
  const counts = ['1', '2', '3', '4', '5', '6', '7', '8'];
  assert.deepEqual(await rows('POOLS'), [
    ['shop', 'alice', 'transaction', ...counts, '2', '500250', '7', '0', '0', '1235'],
    ['shop', 'bob', 'session', ...counts, '0', '0', '40', '0', '1', '1235'],
    ['mail', 'alice', 'transaction', ...counts, '2', '500250', '40', '0', '0', '1235'],
  ]);
});

test('SHOW POOLS tells the mean transaction of the last period in microseconds', async () => {
  const { console, counters, statistics } = await bench();
  counted(counters(0), [
    [Counter.TransactionTime, 4000],
    [Counter.Transactions, 2],
  ]);
  statistics.beginPeriod();
  const { rows: pools } = await table(console, 'SHOW POOLS');
  assert.equal(pools[0]?.at(-3), '2000');
});

test('SHOW WAITS begins with pools in which somebody waits, and there with the longest wait', async () => {
  const waits = await rows('WAITS');
  assert.deepEqual(
    waits.map(([database, user, state, ms, client]) => [database, user, state, ms, client]),
    [
      ['shop', 'alice', 'waiting', '1500', '#c7'],
      ['shop', 'alice', 'waiting', '10', '#c8'],
      ['shop', 'alice', 'idle in transaction', '2000', '#c9'],
      ['shop', 'alice', 'active', '1500', '#c5'],
      ['shop', 'bob', 'active', '9000', '#c20'],
    ],
  );
});

test('SHOW WAITS names the server that is held, and none for those who wait', async () => {
  const [waiting, , , active] = await rows('WAITS');
  assert.deepEqual(waiting?.slice(5, 9), ['till', '10.1.2.3:4567', null, null]);
  assert.deepEqual(active?.slice(5, 9), ['till', '10.1.2.3:4567', '#s8', '4242']);
  assert.deepEqual([waiting?.at(-1), active?.at(-1)], ['2', '2']);
});

test('SHOW WAITS and SHOW PREPARED_STATEMENTS hide what stands in quotes', async () => {
  assert.equal((await rows('WAITS'))[0]?.[9], "select * from t where name = '***'");
  assert.equal((await rows('PREPARED_STATEMENTS'))[0]?.[3], "select '***' from t where i = $1");
});

test('SHOW PREPARED_STATEMENTS has a statement once, with what all workers have counted', async () => {
  assert.deepEqual(
    (await rows('PREPARED_STATEMENTS')).map(([pool, hash, name, , uses]) => [pool, hash, name, uses]),
    [
      ['alice@shop', '0000beef', 'DOORMAN_abc', '7'],
      ['alice@mail', '0000beef', 'DOORMAN_def', '3'],
    ],
  );
});

test('SHOW POOLS leaves out a pool that the settings do not know', async () => {
  const pools = SNAPSHOT.pools.map((pool) => ({ ...pool, pool: pool.pool + 1 }));
  const { console } = await bench({ snapshot: () => Promise.resolve({ ...SNAPSHOT, pools }) });
  assert.deepEqual(
    (await table(console, 'SHOW POOLS')).rows.map(([database, user]) => [database, user]),
    [
      ['shop', 'bob'],
      ['mail', 'alice'],
    ],
  );
});

test('SHOW POOLS_EXTENDED adds bytes, and the mean wait of the last period', async () => {
  const { console, counters, statistics } = await bench();
  counted(counters(1), [
    [Counter.Received, 1000],
    [Counter.Sent, 2000],
    [Counter.WaitTime, 900],
    [Counter.Assignments, 3],
  ]);
  statistics.beginPeriod();
  const {
    rows: [first, second],
  } = await table(console, 'SHOW POOLS_EXTENDED');
  assert.deepEqual(first?.slice(-7, -4), ['0', '0', '0']);
  assert.deepEqual(second?.slice(-7, -4), ['1000', '2000', '300']);
});

test('SHOW DATABASES has a row for each pool, with where its servers are and how many', async () => {
  assert.deepEqual(await rows('DATABASES'), [
    ['shop', '10.0.0.1', '5433', 'shop_v2', 'alice_v2', '7', '2', '0', 'transaction', '7', '26'],
    ['shop', '10.0.0.1', '5433', 'shop_v2', 'bob', '40', '0', '0', 'session', '40', '26'],
    ['mail', '/var/run/postgresql', '5432', 'mail', 'alice', '40', '0', '0', 'transaction', '40', '26'],
  ]);
});

test('SHOW DATABASES counts no servers for a pool that the worker does not tell of', async () => {
  const { console } = await bench({ snapshot: () => Promise.resolve({ ...SNAPSHOT, pools: [] }) });
  const { rows: databases } = await table(console, 'SHOW DATABASES');
  assert.deepEqual(
    databases.map((row) => row.at(-1)),
    ['0', '0', '0'],
  );
});

test('SHOW CLIENTS has a row for each client, its age in whole seconds', async () => {
  const [first, second, third] = await rows('CLIENTS');
  assert.deepEqual(first, [
    '#c5',
    'shop',
    'alice',
    'till',
    '10.1.2.3:4567',
    'false',
    'active',
    'read',
    '11',
    '22',
    '3',
    '61',
  ]);
  assert.deepEqual(second?.slice(6, 8), ['idle', 'idle']);
  assert.equal(third?.[6], 'waiting');
});

test('SHOW SERVERS has a row for each server, its age in whole seconds', async () => {
  const [first, second, third] = await rows('SERVERS');
  assert.deepEqual(first, [
    '#s8',
    '4242',
    'shop',
    'alice',
    'pg_doorman',
    'false',
    'active',
    'write',
    '31',
    '32',
    '1000',
    '2000',
    '5',
    '40',
    '4',
    '3',
  ]);
  assert.equal(second?.[6], 'idle');
  assert.equal(third?.[6], 'login');
});

test('SHOW STATS has totals since the start and averages of the last period', async () => {
  const { console, counters, statistics } = await bench();
  const brought: [Counter, number][] = [
    [Counter.Transactions, 150],
    [Counter.Queries, 300],
    [Counter.Received, 3000],
    [Counter.Sent, 4500],
    [Counter.TransactionTime, 75_000.4],
    [Counter.QueryTime, 60_000],
    [Counter.WaitTime, 1500],
    [Counter.Errors, 30],
    [Counter.Assignments, 150],
  ];
  counted(counters(0), brought);
  statistics.beginPeriod();
  statistics.beginPeriod();
  counted(counters(0), brought);
  statistics.beginPeriod();
  const { rows: stats } = await table(console, 'SHOW STATS');
  assert.deepEqual(stats[0], [
    ...['shop', 'alice', '300', '600', '6000', '9000', '150001', '120000', '3000', '60'],
    ...['10', '20', '200', '300', '2', '500', '200', '10'],
  ]);
  assert.deepEqual(stats[1], ['shop', 'bob', ...Array(16).fill('0')]);
  assert.equal(stats.length, 3);
});

/** SHOW CONFIG as rows by their keys. */
async function config(): Promise<Map<string | null | undefined, (string | null)[]>> {
  return new Map((await rows('CONFIG')).map(([key, ...row]) => [key, row]));
}

test('SHOW CONFIG says value, default, and whether a reload changes it', async () => {
  const settings = await config();
  assert.deepEqual(settings.get('general.port'), ['6432', '5432', 'no']);
  assert.deepEqual(settings.get('general.idle_timeout'), ['600000', '600000', 'yes']);
  assert.deepEqual(settings.get('general.hba'), ['["10.0.0.0/8"]', '[]', 'yes']);
  assert.deepEqual(settings.get('general.tls_certificate'), ['', '', 'yes']);
  assert.deepEqual(settings.get('prometheus.port'), ['9127', '9127', 'no']);
  assert.deepEqual(settings.get('pools.shop.server_host'), ['10.0.0.1', '127.0.0.1', 'yes']);
  assert.deepEqual(settings.get('pools.mail.users.0.pool_size'), ['40', '40', 'yes']);
  assert.deepEqual(settings.get('pools.shop.users.1.pool_mode'), ['session', '', 'yes']);
});

test('SHOW CONFIG has every setting of every section once', async () => {
  const keys = (await rows('CONFIG')).map(([key]) => key);
  assert.equal(new Set(keys).size, keys.length);
  const { general, pools } = configurationSchema.parse({ pools: { x: { users: [{ username: 'y' }] } } });
  for (const name of Object.keys(general)) assert.ok(keys.includes(`general.${name}`), name);
  for (const name of Object.keys(pools.x ?? {})) {
    if (name !== 'users') assert.ok(keys.includes(`pools.shop.${name}`), name);
  }
  for (const name of Object.keys(pools.x?.users[0] ?? {})) {
    assert.ok(keys.includes(`pools.shop.users.0.${name}`), name);
  }
});

test('SHOW CONFIG masks every secret, also where it is a default or stands inside a section', async () => {
  const { console } = await bench();
  const bytes = Buffer.from(await console.answer(query('SHOW CONFIG'))).toString('latin1');
  assert.ok(!bytes.includes('secret'), 'a secret is shown');
  const settings = await config();
  assert.deepEqual(settings.get('general.admin_password'), ['*****', '*****', 'yes']);
  assert.equal(settings.get('pools.shop.users.0.password')?.[0], '*****');
  assert.equal(settings.get('pools.shop.users.0.server_password')?.[0], '*****');
  assert.match(settings.get('pools.shop.auth_query')?.[0] ?? '', /"user":"asker","password":"\*{5}"/);
});

test('the tables of an idle worker without pools are empty', async () => {
  const empty = { ...SNAPSHOT, clients: [], servers: [], pools: [], waits: [] };
  const { console } = await bench({ snapshot: () => Promise.resolve(empty) });
  for (const name of ['CLIENTS', 'SERVERS', 'POOLS', 'POOLS_EXTENDED', 'WAITS']) {
    assert.deepEqual((await table(console, `SHOW ${name}`)).rows, [], name);
  }
});
