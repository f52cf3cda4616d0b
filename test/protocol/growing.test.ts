/** How a pool grows and shrinks, and which of its servers a client gets: the settings, each with its effect. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Doorman, type Section } from '../support/doorman.js';
import { FakePostgres, type FakeSession, greet, ONE_ROW, READY } from '../support/fake-postgres.js';
import { query } from '../support/messages.js';
import { pool, poolAt } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';

const LONG = '1m';

interface Scene {
  readonly doorman: Doorman;
  login(): Promise<WireClient>;
  count(column: string): Promise<number>;
}

async function withPool(
  options: { readonly general?: Section; readonly pool: Section },
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const doorman = await Doorman.start({ general: options.general ?? {}, pools: { postgres: options.pool } });
  const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');
  const count = async (column: string): Promise<number> =>
    Number((await doorman.admin('show pools'))[0]?.[column] ?? 0);
  await act({ doorman, login, count });
  await doorman.stop();
}

/** Clients that each hold a server. */
async function holders({ login }: Scene, count: number): Promise<WireClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => login()));
  for (const client of clients) await client.query('begin; select 1');
  return clients;
}

describe('who waits for a server hopes for one to come back before another is opened', () => {
  // 20% of 10 servers are opened at once.
  const warm = { scaling_warm_pool_ratio: 20, scaling_fast_retries: 0 };
  const own = { general: { query_wait_timeout: LONG }, pool: pool({ pool_size: 10 }, warm) };

  test('up to scaling_warm_pool_ratio at once, then after scaling_cooldown_sleep', async () => {
    const options = { ...own, pool: { ...own.pool, scaling_cooldown_sleep: LONG } };
    await withPool(options, async (scene) => {
      const [one, other] = await holders(scene, 2);
      const client = await scene.login();
      client.send(query('select pg_backend_pid()'));
      while ((await scene.count('cl_waiting')) === 0);
      assert.equal((await scene.doorman.admin('show servers')).length, 2);
      await one?.query('commit');
      assert.match((await client.until('Z')).map(({ tag }) => tag).join(''), /D/);
      assert.equal((await scene.doorman.admin('show servers')).length, 2);
      for (const each of [one, other, client]) each?.close();
    });
  });

  test('… and when none has been free for that long, however short each client waits', {
    timeout: 60_000,
  }, async () => {
    const cooldown = { scaling_cooldown_sleep: '100ms' };
    await withPool({ ...own, pool: { ...own.pool, ...cooldown } }, async (scene) => {
      const clients = await Promise.all(Array.from({ length: 12 }, () => scene.login()));
      let hasGrown = false;
      const work = clients.map(async (client) => {
        while (!hasGrown) await client.query('select pg_sleep(0.005)'); // of two servers each gets one within 30 ms
      });
      while ((await scene.doorman.admin('show servers')).length < 10);
      hasGrown = true;
      await Promise.all(work);
      for (const each of clients) each.close();
    });
  });

  test('at once with a scaling_cooldown_sleep of 0, in general or of the pool', async () => {
    const general = { scaling_cooldown_sleep: LONG, query_wait_timeout: LONG };
    await withPool({ general, pool: { ...own.pool, scaling_cooldown_sleep: 0 } }, async (scene) => {
      const clients = await holders(scene, 5);
      assert.equal((await scene.doorman.admin('show servers')).length, 5);
      for (const each of clients) each.close();
    });
  });
});

test('max_concurrent_creates of a pool wins: no more of its servers log in at a time', async () => {
  const silent: FakeSession[] = [];
  let isFirst = true;
  const postgres = await FakePostgres.start({
    onStartup: (session) => {
      if (!isFirst) return void silent.push(session);
      isFirst = false;
      greet(session);
    },
  });
  const more = { max_concurrent_creates: 2, scaling_cooldown_sleep: 0 };
  const options = {
    general: { max_concurrent_creates: 9, connect_timeout: LONG, query_wait_timeout: LONG },
    pool: poolAt(postgres.port, { pool_size: 9 }, more),
  };
  await withPool(options, async ({ login, count }) => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => login()));
    // The one server that there is answers nobody.
    for (const client of clients) client.send(query('begin'), query('select 1'));
    while ((await count('sv_login')) < 2 || silent.length < 2);
    assert.equal(await count('sv_login'), 2);
    const [first] = silent;
    assert.ok(first);
    greet(first);
    while (silent.length < 3) await count('sv_login');
    assert.equal(await count('sv_login'), 2);
    for (const client of clients) client.close();
  });
  await postgres.stop();
});

describe('servers that are past their time', () => {
  test('idle_timeout: the oldest go first, retain_connections_max at a time; a pool’s 0 is never', async () => {
    const general = {
      worker_threads: 1, // or another's server may be used first
      idle_timeout: '50ms',
      retain_connections_time: '20ms',
      retain_connections_max: 1,
      scaling_cooldown_sleep: 0,
    };
    await withPool({ general, pool: pool() }, async (scene) => {
      for (const client of await holders(scene, 3)) {
        await client.query('commit'); // the one with the oldest server first
        client.close();
      }
      const closed = await scene.doorman.logged(
        /(?:server closed: idle_timeout \[server_id=\d(?:.|\n)*?){3}/,
      );
      assert.deepEqual(
        [...closed[0].matchAll(/idle_timeout \[server_id=(\d)/g)].map(([, id]) => id),
        ['1', '2', '3'],
      );
      assert.equal((await scene.doorman.admin('show servers')).length, 0);
    });
    await withPool({ general, pool: pool({}, { idle_timeout: 0, server_lifetime: '1s' }) }, async (scene) => {
      for (const client of await holders(scene, 1)) client.close();
      await scene.doorman.logged(/server closed: server_lifetime/);
      assert.doesNotMatch(scene.doorman.log, /server closed: idle_timeout/);
    });
  });

  test('server_lifetime of the user wins, give or take a fifth of it', async () => {
    const general = {
      server_lifetime: LONG,
      retain_connections_time: '10ms',
      retain_connections_max: 0,
      scaling_cooldown_sleep: 0,
      max_concurrent_creates: 20,
    };
    const user = { pool_size: 20, server_lifetime: '1s' };
    await withPool({ general, pool: pool(user, { server_lifetime: LONG }) }, async (scene) => {
      for (const client of await holders(scene, 20)) client.close();
      await scene.doorman.logged(/(?:server closed: server_lifetime(?:.|\n)*?){20}/);
      const ages = [...scene.doorman.log.matchAll(/server_lifetime \[.*duration_ms=(\d+)/g)].map(([, age]) =>
        Number(age),
      );
      assert.ok(Math.min(...ages) >= 800, `${ages}`);
      // Of twenty, all within a tenth of the range: that is no chance.
      assert.ok(Math.max(...ages) - Math.min(...ages) > 40, `${ages}`);
    });
  });
});

test('server_idle_check_timeout: one that has idled for longer is asked first, and replaced if it is silent', async () => {
  const asked: string[] = [];
  const postgres = await FakePostgres.start({
    onMessage: ({ tag, body }, { socket }) => {
      if (tag !== 'Q') return;
      asked.push(body.toString('latin1'));
      if (body.toString('latin1') !== ';\0') socket.write(Buffer.concat([ONE_ROW, READY]));
    },
  });
  const general = { server_idle_check_timeout: 1, connect_timeout: 200 };
  await withPool({ general, pool: poolAt(postgres.port, { pool_size: 1 }) }, async ({ doorman, login }) => {
    const client = await login();
    while (postgres.sessions.length < 2) assert.equal(await client.value('select 1'), 'fake');
    assert.equal(asked.at(-2), ';\0');
    assert.match(doorman.log, /server closed: (?!idle_timeout).*server_id=1/);
    client.close();
  });
  await postgres.stop();
});

test('… and meanwhile nobody waits behind who waits for it: the next one is asked', {
  timeout: 20_000,
}, async () => {
  const ANSWER = Buffer.concat([ONE_ROW, READY]);
  let checksAreHeld = false;
  const held: FakeSession[] = [];
  let twoAreHeld: () => void = () => undefined;
  const postgres = await FakePostgres.start({
    onMessage: ({ tag, body }, session) => {
      if (tag !== 'Q') return;
      if ((body.toString('latin1') === ';\0') !== checksAreHeld) return session.socket.write(ANSWER);
      if (held.push(session) === 2) twoAreHeld();
    },
  });
  const answersToTwo = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      twoAreHeld = resolve;
    });
    for (const { socket } of held.splice(0)) socket.write(ANSWER);
  };
  const general = { server_idle_check_timeout: 1, worker_threads: 1, scaling_cooldown_sleep: 0 };
  await withPool({ general, pool: poolAt(postgres.port, { pool_size: 2 }) }, async ({ login, count }) => {
    const clients = [await login(), await login()];
    for (checksAreHeld of [false, true]) {
      const answers = answersToTwo();
      for (const client of clients) client.send(query('select 1'));
      await answers;
      for (const client of clients) await client.until('Z');
      assert.equal(await count('sv_idle'), 2); // which takes a millisecond
    }
    for (const client of clients) client.close();
  });
  await postgres.stop();
});

for (const isRoundRobin of [false, true]) {
  test(`server_round_robin: ${isRoundRobin}`, async () => {
    const general = { server_round_robin: isRoundRobin, scaling_cooldown_sleep: 0, worker_threads: 1 };
    await withPool({ general, pool: pool({ pool_size: 3 }) }, async (scene) => {
      const [client, ...others] = await holders(scene, 3);
      assert.ok(client);
      for (const each of [client, ...others]) await each.query('commit');
      const pids: (string | null)[] = [];
      while (pids.length < 6) pids.push(await client.value('select pg_backend_pid()'));
      assert.equal(new Set(pids).size, isRoundRobin ? 3 : 1);
      assert.deepEqual(pids.slice(3), pids.slice(0, 3));
      for (const each of [client, ...others]) each.close();
    });
  });
}

for (const threads of [1, 4]) {
  const across = `a query_wait_timeout of 0, ${threads} threads`;
  const tags = async (client: WireClient): Promise<string> =>
    (await client.query('select 1')).map(({ tag }) => tag).join('');
  const refused = 'EZ';
  const served = 'TDCZ';

  test(`${across}: no wait for a server that others hold, but one that is free is found wherever it is`, async () => {
    const general = { query_wait_timeout: 0, worker_threads: threads };
    await withPool({ general, pool: pool({ pool_size: 1 }) }, async (scene) => {
      const clients: WireClient[] = [];
      while (clients.length < threads * 2) clients.push(await scene.login());
      for (const client of clients) assert.equal(await tags(client), served);
      const [holder] = await holders(scene, 1);
      for (const client of clients) assert.equal(await tags(client), refused);
      await holder?.query('commit');
      for (const client of clients) assert.equal(await tags(client), served);
      for (const each of [...clients, holder]) each?.close();
    });
  });

  test(`${across}: one that may be opened is`, async () => {
    const general = { query_wait_timeout: 0, worker_threads: threads };
    await withPool({ general, pool: pool({ pool_size: 6 }) }, async (scene) => {
      const clients = await holders(scene, 6);
      const servers = await scene.doorman.admin('show servers');
      assert.deepEqual(
        servers.map(({ state }) => state),
        Array(6).fill('used'),
      );
      const client = await scene.login();
      assert.equal(await tags(client), refused);
      for (const each of [client, ...clients]) each.close();
    });
  });
}

test('a query_wait_timeout of 0: one that is being opened is waited for, for connect_timeout at most', async () => {
  let isFirst = true;
  const postgres = await FakePostgres.start({
    onStartup: (session) => {
      if (isFirst) greet(session);
      isFirst = false;
    },
    onMessage: () => undefined,
  });
  const general = { query_wait_timeout: 0, connect_timeout: 100, worker_threads: 1 };
  await withPool({ general, pool: poolAt(postgres.port, { pool_size: 2 }) }, async ({ login }) => {
    const holder = await login();
    holder.send(query('select 1')); // this PostgreSQL answers nothing
    const client = await login();
    const [error] = await client.query('select 1');
    assert.equal(error?.tag, 'E');
    for (const each of [holder, client]) each.close();
  });
  await postgres.stop();
});

for (const limit of ['10ms', 0]) {
  test(`RELOAD with a query_wait_timeout of ${limit}: it holds for those who wait already`, async () => {
    const pools = { postgres: pool({ pool_size: 1 }) };
    const general = { query_wait_timeout: '1h' };
    await withPool({ general, pool: pools.postgres }, async (scene) => {
      const [holder] = await holders(scene, 1);
      const client = await scene.login();
      client.send(query('select 1'));
      while ((await scene.count('cl_waiting')) === 0);
      scene.doorman.rewrite({ general: { ...general, query_wait_timeout: limit }, pools });
      await scene.doorman.admin('reload');
      assert.equal((await client.until('Z')).map(({ tag }) => tag).join(''), 'EZ');
      for (const each of [client, holder]) each?.close();
    });
  });
}
