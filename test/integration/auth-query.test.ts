/** auth_query: users who are not listed are looked up in a real PostgreSQL. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import { md5PasswordHash, md5Response } from '../../src/wire/md5.js';
import { Doorman, type Section } from '../support/doorman.js';
import { errorFields, message, startup, string } from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';

const PASSWORD = 'a password of tests';
const EXECUTOR_PASSWORD = 'password of the executor';
const QUERY = 'select * from pooler.who($1)';
const postgres = await Postgres.create();
after(() => postgres.remove());
// Counts how often it is asked, and for whom. Whoever can set search_path must not get it to ask other tables.
await postgres.query(`
  create schema pooler;
  create table pooler.asked (name text, at timestamptz default clock_timestamp());
  create function pooler.who(wanted text, out usename name, out passwd text, out valuntil timestamptz)
    returns setof record language sql security definer set search_path = pg_catalog as $$
      insert into pooler.asked (name) values (wanted);
      select usename, passwd, valuntil from pg_shadow where usename = wanted $$;
  create role asker login password '${EXECUTOR_PASSWORD}';
  revoke all on function pooler.who from public;
  grant usage on schema pooler to asker;
  grant execute on function pooler.who to asker;
  create role shared login password '${PASSWORD}';
  create role scram_user login password '${PASSWORD}';
  create role expired_user login password '${PASSWORD}' valid until '2020-01-01';
  create role lasting_user login password '${PASSWORD}' valid until 'infinity';
  create table pooler.crowd (name text primary key, hash text);
  insert into pooler.crowd select name, 'md5' || md5('${PASSWORD}' || name)
    from (select 'crowd_' || n from generate_series(1, 1000) n) names (name);
  create function pooler.crowd_member(wanted text) returns text language sql security definer as $$
      insert into pooler.asked (name) values (wanted);
      select hash from pooler.crowd where name = wanted $$;
  grant execute on function pooler.crowd_member to asker;
  create schema evil;
  create table evil.pg_shadow as select 'scram_user'::name usename, 'md5' || md5('evilscram_user') passwd;
  grant usage on schema evil to public;
  grant select on evil.pg_shadow to public;
  create role "we""ird 'user" login password '${PASSWORD}';
  create role passwordless login;
  set password_encryption = md5;
  create role md5_user login password '${PASSWORD}';
`);
await postgres.stop();
await postgres.start(
  'local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all md5_user 127.0.0.1/32 md5\nhost all all 127.0.0.1/32 scram-sha-256\n',
);

async function doormanWith(authQuery: Section = {}, more: Section = {}): Promise<Doorman> {
  return Doorman.start({
    general: { pg_hba: 'host all all 127.0.0.1/32 md5' },
    pools: {
      app: {
        server_host: '127.0.0.1',
        server_port: postgres.port,
        server_database: 'postgres',
        auth_query: {
          query: QUERY,
          user: 'asker',
          password: EXECUTOR_PASSWORD,
          database: 'postgres',
          ...authQuery,
        },
        ...more,
      },
    },
  });
}

const DEDICATED = { server_user: 'shared', server_password: PASSWORD };

async function who(doorman: Doorman, user: string, password = PASSWORD): Promise<unknown> {
  const client = doorman.client(user, 'app', { password });
  await client.connect();
  const { rows } = await client.query('select current_user');
  await client.end();
  return rows[0].current_user;
}

/** How often PostgreSQL was asked for the name. */
async function asked(name: string): Promise<number> {
  const { rows } = await postgres.query(
    `select count(*)::int as times from pooler.asked where name = ${pg.escapeLiteral(name)}`,
  );
  return rows[0].times;
}

async function counters(doorman: Doorman): Promise<Record<string, string>> {
  const [row] = await doorman.admin('show auth_query');
  assert.ok(row);
  return row;
}

/** Returns when a counter has this value. */
async function counted(doorman: Doorman, counter: string, value: number): Promise<void> {
  while (Number((await counters(doorman))[counter]) !== value);
}

/** What a startup packet with this name is answered with: R asks for a password. */
async function answerTo(doorman: Doorman, user: string, more: Record<string, string> = {}): Promise<string> {
  const client = await WireClient.open(doorman.port);
  client.send(startup({ user, database: 'app', ...more }));
  const last = (await client.until('R', 'E')).at(-1);
  client.close();
  if (last === undefined) return 'closed';
  return last.tag === 'E' ? (errorFields(last).C ?? '') : last.tag;
}

/** Logs in by MD5. Returns the tag of the last message: Z, or E. */
async function logInByMd5(doorman: Doorman, user: string, password = PASSWORD): Promise<string | undefined> {
  const client = await WireClient.open(doorman.port);
  client.send(startup({ user, database: 'app' }));
  const [challenge] = await client.until('R');
  assert.ok(challenge);
  const hash = md5PasswordHash(user, password);
  client.send(message('p', string(md5Response(hash, challenge.body.subarray(4, 8)))));
  const last = (await client.until('Z', 'E')).at(-1);
  client.close();
  return last?.tag;
}

describe('dedicated mode', () => {
  test('users of pg_shadow log in by SCRAM and MD5, and share the pool of server_user', async () => {
    const doorman = await doormanWith(DEDICATED);
    for (const user of ['scram_user', 'md5_user', 'lasting_user', `we"ird 'user`, 'shared']) {
      assert.equal(await who(doorman, user), 'shared');
    }
    const pools = await doorman.admin('show pools');
    assert.deepEqual(
      pools.map(({ database, user }) => [database, user]),
      [['app', 'shared']],
    );
    await doorman.stop();
  });

  test('SHOW CLIENTS tells who it is', async () => {
    const doorman = await doormanWith(DEDICATED);
    const client = doorman.client('scram_user', 'app', { password: PASSWORD });
    await client.connect();
    const clients = await doorman.admin('show clients');
    assert.deepEqual(
      clients.map(({ database, user }) => [database, user]),
      [['app', 'scram_user']],
    );
    await client.end();
    await doorman.stop();
  });

  test('wrong passwords, unknown users, users without a password and expired ones get the same answer', async () => {
    const doorman = await doormanWith(DEDICATED);
    const wrong: [string, string][] = [
      ['scram_user', 'wrong'],
      ['md5_user', 'wrong'],
      ['nobody', PASSWORD],
      ['passwordless', PASSWORD],
      ['expired_user', PASSWORD],
      ['Scram_User', PASSWORD],
    ];
    for (const [user, password] of wrong) {
      await assert.rejects(who(doorman, user, password), {
        code: '28P01',
        message: `password authentication failed for user "${user}"`,
      });
    }
    const { auth_failure, auth_success } = await counters(doorman);
    assert.deepEqual([auth_failure, auth_success], ['6', '0']);
    assert.doesNotMatch(doorman.log, /SCRAM-SHA-256\$|md5[0-9a-f]{32}/);
    await doorman.stop();
  });
});

test('the time until the answer does not tell who exists', async () => {
  const doorman = await doormanWith({ ...DEDICATED, min_interval: '1h', cache_failure_ttl: '1h' });
  const times = new Map<string, number[]>(['scram_user', 'nobody'].map((user) => [user, []]));
  for (let i = 0; i < 60; i++) {
    for (const [user, of] of times) {
      const begunMs = performance.now();
      await assert.rejects(who(doorman, user, 'wrong'), { code: '28P01' });
      of.push(performance.now() - begunMs);
    }
  }
  const [known = 0, unknown = 0] = [...times.values()].map(
    (each) => each.toSorted((a, b) => a - b)[each.length >> 1] ?? 0,
  );
  assert.ok(known < 1.5 * unknown && unknown < 1.5 * known, `${known} ms and ${unknown} ms`);
  await doorman.stop();
});

describe('questions', () => {
  const CROWD = { ...DEDICATED, query: 'select pooler.crowd_member($1)' };
  const names = Array.from({ length: 1000 }, (_, n) => `crowd_${n + 1}`);

  test('a thousand new users in a burst cost one query each, and none the second time', async () => {
    const doorman = await doormanWith(CROWD);
    for (let round = 0; round < 2; round++) {
      const ends = await Promise.all(names.map((name) => logInByMd5(doorman, name)));
      assert.deepEqual(new Set(ends), new Set(['Z']));
    }
    const { rows } = await postgres.query(
      "select count(*)::int as users, sum(times)::int as queries from (select count(*) as times from pooler.asked where name like 'crowd%' group by name) each",
    );
    assert.deepEqual(rows, [{ users: 1000, queries: 1000 }]);
    const { cache_entries, cache_hits, cache_misses, executor_queries, auth_success } =
      await counters(doorman);
    assert.deepEqual(
      { cache_entries, cache_hits, cache_misses, executor_queries, auth_success },
      {
        cache_entries: '1000',
        cache_hits: '1000',
        cache_misses: '1000',
        executor_queries: '1000',
        auth_success: '2000',
      },
    );
    await doorman.stop();
  });

  test('one query answers all who ask for the same user at once', async () => {
    const doorman = await doormanWith({
      ...CROWD,
      query: "select 'md5' || md5('x') from pg_sleep(0.2), pooler.crowd_member($1)",
    });
    const before = await asked('crowd_1');
    await Promise.all(Array.from({ length: 100 }, () => answerTo(doorman, 'crowd_1')));
    assert.equal(await asked('crowd_1'), before + 1);
    assert.equal((await counters(doorman)).executor_queries, '1');
    await doorman.stop();
  });

  test('a brute force of one name costs one query in min_interval', async () => {
    const doorman = await doormanWith({ ...CROWD, min_interval: '200ms', cache_ttl: 0 });
    const before = await asked('crowd_2');
    const begin = performance.now();
    for (let attempt = 0; attempt < 50; attempt++) {
      const tags = await Promise.all(
        Array.from({ length: 10 }, (_, n) => logInByMd5(doorman, 'crowd_2', `wrong ${n}`)),
      );
      assert.deepEqual(new Set(tags), new Set(['E']));
    }
    const intervals = Math.floor((performance.now() - begin) / 200);
    const queries = (await asked('crowd_2')) - before;
    assert.ok(queries <= intervals + 1, `${queries} queries in ${intervals} intervals`);
    assert.equal(Number((await counters(doorman)).executor_queries), queries);
    await doorman.stop();
  });

  test('a brute force of a name that does not exist costs one query in cache_failure_ttl', async () => {
    const doorman = await doormanWith(DEDICATED);
    for (let attempt = 0; attempt < 20; attempt++) {
      await assert.rejects(who(doorman, 'ghost', `wrong ${attempt}`), { code: '28P01' });
    }
    assert.equal(await asked('ghost'), 1);
    await doorman.stop();
  });

  test('a changed MD5 password lets in at once', async () => {
    const doorman = await doormanWith({ ...DEDICATED, min_interval: 0 });
    assert.equal(await who(doorman, 'md5_user'), 'shared');
    await postgres.query("set password_encryption = md5; alter role md5_user password 'new'");
    assert.equal(await who(doorman, 'md5_user', 'new'), 'shared');
    await assert.rejects(who(doorman, 'md5_user'), { code: '28P01' });
    await postgres.query(`set password_encryption = md5; alter role md5_user password '${PASSWORD}'`);
    await doorman.stop();
  });

  test('a changed SCRAM password lets in after the attempt that found out', async () => {
    const doorman = await doormanWith({ ...DEDICATED, min_interval: 0 });
    assert.equal(await who(doorman, 'scram_user'), 'shared');
    await postgres.query("alter role scram_user password 'new'");
    await assert.rejects(who(doorman, 'scram_user', 'new'), { code: '28P01' });
    await counted(doorman, 'cache_refetches', 1);
    assert.equal(await who(doorman, 'scram_user', 'new'), 'shared');
    await postgres.query(`alter role scram_user password '${PASSWORD}'`);
    await doorman.stop();
  });

  test('a client that leaves before the answer leaves nothing behind', async () => {
    const doorman = await doormanWith({
      ...DEDICATED,
      query: 'select w.* from pg_sleep(0.2), pooler.who($1) w',
    });
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'scram_user', database: 'app' }));
    await counted(doorman, 'executor_queries', 1);
    client.vanish();
    assert.equal(await who(doorman, 'scram_user'), 'shared');
    const { executor_queries, auth_failure, auth_success } = await counters(doorman);
    assert.deepEqual([executor_queries, auth_failure, auth_success], ['1', '0', '1']);
    await doorman.stop();
  });
});

describe('who is asked for', () => {
  test('static users win, and are not asked for', async () => {
    const doorman = await doormanWith(DEDICATED, {
      users: [{ username: 'lasting_user', password: 'of the file', server_username: 'postgres' }],
    });
    const before = await asked('lasting_user');
    assert.equal(await who(doorman, 'lasting_user', 'of the file'), 'postgres');
    await assert.rejects(who(doorman, 'lasting_user'), { code: '28P01' });
    assert.equal(await asked('lasting_user'), before);
    await doorman.stop();
  });

  test("a client's search_path does not reach the query", async () => {
    const doorman = await doormanWith({
      ...DEDICATED,
      user: 'postgres',
      query: 'select passwd from pg_shadow where usename = $1',
    });
    const evil = { search_path: 'evil, pg_catalog', options: '-c search_path=evil,pg_catalog' };
    assert.equal(await answerTo(doorman, 'scram_user', evil), 'R');
    for (const options of [evil.options, '-csearch_path=evil,pg_catalog']) {
      const client = doorman.client('scram_user', 'app', { password: 'evil', options });
      await assert.rejects(client.connect(), { code: '28P01' });
    }
    assert.equal(await who(doorman, 'scram_user'), 'shared');
    await doorman.stop();
  });

  test('hostile names are names like others, and too long ones are not even asked for', async () => {
    const doorman = await doormanWith(DEDICATED);
    const hostile = ["' or true --", '"', "x'; drop table pooler.asked; --", '$1', '%', '\\', '\n', '☃'];
    for (const name of hostile) {
      await assert.rejects(who(doorman, name), { code: '28P01' });
      assert.equal(await asked(name), 1, name);
    }
    const long = 'x'.repeat(257);
    assert.equal(await answerTo(doorman, long), 'R');
    await assert.rejects(who(doorman, long), { code: '28P01' });
    assert.equal(await asked(long), 0);
    assert.equal(await answerTo(doorman, 'x'.repeat(10_240)), '08P01');
    assert.equal(await answerTo(doorman, 'scram_user\0nonsense'), '08P01');
    assert.equal(await who(doorman, 'scram_user'), 'shared');
    await doorman.stop();
  });

  test('a client that sends too much before it is asked for anything is refused', async () => {
    const doorman = await doormanWith({
      ...DEDICATED,
      query: 'select w.* from pg_sleep(60), pooler.who($1) w',
    });
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'scram_user', database: 'app' }));
    await counted(doorman, 'executor_queries', 1);
    client.send(Buffer.alloc(1024 * 1024));
    assert.equal(sqlstateOf(await client.closed()), '08P01');
    await doorman.stop();
  });

  test('a database without auth_query knows nobody else', async () => {
    const doorman = await Doorman.start({
      pools: { app: { server_host: '127.0.0.1', server_port: postgres.port } },
    });
    assert.equal(await answerTo(doorman, 'scram_user'), '3D000');
    assert.deepEqual(await doorman.admin('show auth_query'), []);
    await doorman.stop();
  });
});

describe('when it cannot be asked', () => {
  test('a query that PostgreSQL refuses: 58000, and the log says why', async () => {
    const doorman = await doormanWith({
      ...DEDICATED,
      query: 'select passwd from pg_shadow where usename = $1',
    });
    assert.equal(await answerTo(doorman, 'scram_user'), '58000');
    await doorman.logged(/auth_query of app: permission denied for view pg_shadow/);
    assert.equal((await counters(doorman)).executor_errors, '1');
    await doorman.stop();
  });

  test('columns that are none of passwd and password: 58000, and the log says so', async () => {
    const doorman = await doormanWith({ ...DEDICATED, query: 'select $1::text as name, 1 as one' });
    assert.equal(await answerTo(doorman, 'scram_user'), '58000');
    await doorman.logged(/it returns 2 columns, and none of them is passwd or password/);
    await doorman.stop();
  });

  test('an executor that cannot log in: 3D000 until it can', async () => {
    const doorman = await doormanWith({ ...DEDICATED, password: 'wrong' });
    assert.equal(await answerTo(doorman, 'scram_user'), '3D000');
    await doorman.logged(
      /auth_query of app: cannot connect: password authentication failed for user "asker"/,
    );
    await postgres.query("alter role asker password 'wrong'");
    while ((await answerTo(doorman, 'scram_user')) !== 'R');
    await postgres.query(`alter role asker password '${EXECUTOR_PASSWORD}'`);
    await doorman.stop();
  });

  test('PostgreSQL that goes away: 58000 for those who are not known yet, until it is back', async () => {
    const doorman = await doormanWith(DEDICATED);
    assert.equal(await who(doorman, 'scram_user'), 'shared');
    await postgres.stop();
    assert.equal(await answerTo(doorman, 'lasting_user'), '58000');
    assert.equal(await answerTo(doorman, 'scram_user'), 'R');
    await postgres.start();
    while ((await answerTo(doorman, 'lasting_user')) !== 'R');
    assert.equal(await who(doorman, 'lasting_user'), 'shared');
    await doorman.stop();
  });
});
