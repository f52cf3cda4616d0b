/** auth_query without server_user: everybody has a pool of their own, which logs in as they have. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Doorman, type Section } from '../support/doorman.js';
import { Postgres } from '../support/postgres.js';

const PASSWORD = 'a password of tests';
const postgres = await Postgres.create();
after(() => postgres.remove());
await postgres.query(`
  create role asker login superuser;
  create role scram_user login password '${PASSWORD}';
  create role other_user login password '${PASSWORD}';
  set password_encryption = md5;
  create role md5_user login password '${PASSWORD}';
`);
await postgres.stop();
await postgres.start(
  'local all all trust\nhost all postgres,asker 127.0.0.1/32 trust\nhost all md5_user 127.0.0.1/32 md5\nhost all all 127.0.0.1/32 scram-sha-256\n',
);

function pools(authQuery: Section = {}, more: Section = {}): Record<string, Section> {
  return {
    app: {
      server_host: '127.0.0.1',
      server_port: postgres.port,
      server_database: 'postgres',
      auth_query: {
        query: 'select passwd, valuntil from pg_shadow where usename = $1',
        user: 'asker',
        database: 'postgres',
        min_interval: 0,
        ...authQuery,
      },
      ...more,
    },
  };
}

async function doormanWith(authQuery: Section = {}, general: Section = {}): Promise<Doorman> {
  return Doorman.start({
    general: { pg_hba: 'host all all 127.0.0.1/32 md5', ...general },
    pools: pools(authQuery),
  });
}

async function reload(doorman: Doorman, pools: Record<string, Section>): Promise<void> {
  doorman.rewrite({ general: { pg_hba: 'host all all 127.0.0.1/32 md5' }, pools });
  await doorman.admin('reload');
}

async function who(doorman: Doorman, user: string, password = PASSWORD): Promise<unknown> {
  const client = doorman.client(user, 'app', { password });
  await client.connect();
  try {
    return (await client.query('select current_user')).rows[0].current_user;
  } finally {
    await client.end();
  }
}

async function counters(doorman: Doorman): Promise<Record<string, string>> {
  const [row] = await doorman.admin('show auth_query');
  assert.ok(row);
  return row;
}

async function poolUsers(doorman: Doorman): Promise<(string | undefined)[]> {
  return (await doorman.admin('show pools')).map(({ user }) => user).sort();
}

test('everybody is at PostgreSQL who they are, by SCRAM and by MD5, and has a pool', async () => {
  const doorman = await doormanWith({ default_pool_size: 3 });
  for (const user of ['scram_user', 'md5_user', 'other_user', 'scram_user']) {
    assert.equal(await who(doorman, user), user);
  }
  assert.deepEqual(await poolUsers(doorman), ['md5_user', 'other_user', 'scram_user']);
  const sizes = (await doorman.admin('show databases')).map(({ pool_size }) => pool_size);
  assert.deepEqual(sizes, ['3', '3', '3']);
  const { dynamic_pools_current, dynamic_pools_created } = await counters(doorman);
  assert.deepEqual([dynamic_pools_current, dynamic_pools_created], ['3', '3']);
  await doorman.stop();
});

test('many new users at once get one pool each, and all of their clients work', async () => {
  const doorman = await doormanWith({ default_pool_size: 2 });
  const users = ['scram_user', 'md5_user', 'other_user'];
  const everybody = Array.from({ length: 60 }, (_, n) => users[n % 3] ?? '');
  assert.deepEqual(await Promise.all(everybody.map((user) => who(doorman, user))), everybody);
  const { dynamic_pools_created, executor_queries } = await counters(doorman);
  assert.deepEqual([dynamic_pools_created, executor_queries], ['3', '3']);
  await doorman.stop();
});

for (const [user, encryption] of [
  ['scram_user', 'scram-sha-256'],
  ['md5_user', 'md5'],
] as const) {
  test(`new servers log in with the new password of a ${encryption} user`, async () => {
    const doorman = await doormanWith({}, { server_lifetime: 1, retain_connections_time: 50 });
    assert.equal(await who(doorman, user), user);
    const set = async (password: string): Promise<void> => {
      await postgres.query(
        `set password_encryption = '${encryption}'; alter role ${user} password '${password}'`,
      );
    };
    await set('new');
    // With SCRAM the first attempt only finds out.
    while ((await who(doorman, user, 'new').catch(({ code }) => assert.equal(code, '28P01'))) !== user);
    const client = doorman.client(user, 'app', { password: 'new' });
    await client.connect();
    const pid = async (): Promise<number> =>
      (await client.query('select pg_backend_pid() as pid')).rows[0].pid;
    const first = await pid();
    while ((await pid()) === first); // the lifetime is over: another one has logged in
    await client.end();
    await set(PASSWORD);
    await doorman.stop();
  });
}

test('what PostgreSQL says against a login reaches the client', async () => {
  await postgres.query("create role limited_user login connection limit 0 password 'x'");
  const doorman = await doormanWith();
  await assert.rejects(who(doorman, 'limited_user', 'x'), { code: '53300' });
  await doorman.stop();
});

test('trust passes an MD5 hash on, and cannot pass SCRAM on before somebody has logged in', async () => {
  const doorman = await doormanWith({}, { pg_hba: 'host all all 127.0.0.1/32 trust' });
  assert.equal(await who(doorman, 'md5_user', ''), 'md5_user');
  await assert.rejects(who(doorman, 'scram_user', ''), { code: '08006' });
  await assert.rejects(who(doorman, 'nobody', ''), { code: '28P01' });
  await doorman.stop();
});

test('a pool that nobody uses is collected when its servers have gone, one with a client is not', async () => {
  const doorman = await doormanWith(
    {},
    { idle_timeout: 1, retain_connections_time: 50, retain_connections_max: 0 },
  );
  const client = doorman.client('other_user', 'app', { password: PASSWORD });
  await client.connect();
  assert.equal(await who(doorman, 'scram_user'), 'scram_user');
  while ((await counters(doorman)).dynamic_pools_destroyed !== '1');
  assert.deepEqual(await poolUsers(doorman), ['other_user']);
  assert.equal((await client.query('select current_user')).rows[0].current_user, 'other_user');
  assert.equal(await who(doorman, 'scram_user'), 'scram_user');
  const { dynamic_pools_current, dynamic_pools_created } = await counters(doorman);
  assert.ok(Number(dynamic_pools_created) >= 3, dynamic_pools_created);
  assert.ok(['1', '2'].includes(String(dynamic_pools_current)));
  await client.end();
  await doorman.stop();
});

test('a RELOAD that changes nothing of it keeps cache, pools and their clients', async () => {
  const doorman = await doormanWith();
  const client = doorman.client('scram_user', 'app', { password: PASSWORD });
  await client.connect();
  await reload(doorman, pools({}, { idle_timeout: '5m' }));
  assert.equal((await client.query('select current_user')).rows[0].current_user, 'scram_user');
  assert.equal(await who(doorman, 'scram_user'), 'scram_user');
  const { cache_misses, dynamic_pools_created, dynamic_pools_current } = await counters(doorman);
  assert.deepEqual([cache_misses, dynamic_pools_created, dynamic_pools_current], ['1', '1', '1']);
  await client.end();
  await doorman.stop();
});

test('a RELOAD to dedicated mode closes the pools of the users', async () => {
  const doorman = await doormanWith();
  const client = doorman.client('scram_user', 'app', { password: PASSWORD });
  const errors: string[] = [];
  client.on('error', ({ message }) => errors.push(message));
  const ended = new Promise<void>((resolve) => client.once('end', resolve));
  await client.connect();
  await reload(doorman, pools({ server_user: 'postgres' }));
  await ended;
  assert.match(errors[0] ?? '', /^The pool for database: app, user: scram_user was removed/);
  assert.equal(await who(doorman, 'scram_user'), 'postgres');
  assert.deepEqual(await poolUsers(doorman), ['postgres']);
  await doorman.stop();
});

test('a user who is listed since a RELOAD is not looked up any more, and back again', async () => {
  const doorman = await doormanWith();
  assert.equal(await who(doorman, 'scram_user'), 'scram_user');
  const users = [
    { username: 'scram_user', password: 'of the file', server_username: 'postgres', server_password: '' },
  ];
  await reload(doorman, pools({}, { users }));
  assert.equal(await who(doorman, 'scram_user', 'of the file'), 'postgres');
  await assert.rejects(who(doorman, 'scram_user'), { code: '28P01' });
  await reload(doorman, pools());
  assert.equal(await who(doorman, 'scram_user'), 'scram_user');
  await doorman.stop();
});

test('a database gets auth_query by RELOAD, and loses it', async () => {
  const doorman = await Doorman.start({
    general: { pg_hba: 'host all all 127.0.0.1/32 md5' },
    pools: pools({}, { auth_query: undefined }),
  });
  await assert.rejects(who(doorman, 'scram_user'), { code: '3D000' });
  await reload(doorman, pools());
  assert.equal(await who(doorman, 'scram_user'), 'scram_user');
  await reload(doorman, pools({}, { auth_query: undefined }));
  await assert.rejects(who(doorman, 'scram_user'), { code: '3D000' });
  assert.deepEqual(await doorman.admin('show auth_query'), []);
  await doorman.stop();
});
