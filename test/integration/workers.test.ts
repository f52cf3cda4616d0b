/** Several worker threads, one pool: from the outside. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { after, describe, test } from 'node:test';
import type pg from 'pg';
import { Doorman } from '../support/doorman.js';
import { Postgres } from '../support/postgres.js';

const WORKERS = 4;
const POOL_SIZE = 3;
const CLIENTS = 24;
const ROUNDS = 40;

describe('four workers before one PostgreSQL', () => {
  const started = start();
  after(async () => {
    const { doorman, postgres } = await started;
    await doorman.stop();
    await postgres.remove();
  });

  test('every client gets its own answers, and PostgreSQL never has more sessions than pool_size', async () => {
    const { doorman, postgres } = await started;
    const clients = await connect(doorman, CLIENTS);
    let isOver = false;
    const most = watchSessions(postgres, () => isOver);
    await Promise.all(
      clients.map(async (client, number) => {
        for (let round = 0; round < ROUNDS; round++) {
          const stamp = `${number}-${round}`;
          const text = round % 2 === 0 ? 'select $1::text as stamp' : `select '${stamp}' as stamp`;
          const values = round % 2 === 0 ? [stamp] : [];
          assert.equal((await client.query(text, values)).rows[0]?.stamp, stamp);
        }
      }),
    );
    isOver = true;
    assert.ok((await most) <= POOL_SIZE, `${await most} sessions`);
    const workers = await doorman.admin('show workers');
    assert.deepEqual(
      workers.map(({ state }) => state),
      Array.from({ length: WORKERS }, () => 'serving'),
    );
    // Three servers for clients of four workers: without hand-overs somebody would have waited in vain.
    assert.ok(workers.every(({ clients: count }) => Number(count) >= CLIENTS / WORKERS));
    assert.ok(workers.reduce((sum, { handovers }) => sum + Number(handovers), 0) > 0);
    await Promise.all(clients.map((client) => client.end()));
  });

  test('a transaction of one worker’s client does not hold up those of the others', async () => {
    const { doorman } = await started;
    const clients = await connect(doorman, WORKERS * 2);
    const holders = clients.slice(0, POOL_SIZE - 1);
    for (const holder of holders) await holder.query('begin; select 1');
    // One server is left for everybody, wherever it is.
    for (const client of clients.slice(POOL_SIZE - 1)) assert.equal(await one(client), 1);
    for (const holder of holders) await holder.query('commit');
    for (const client of clients) assert.equal(await one(client), 1);
    await Promise.all(clients.map((client) => client.end()));
  });

  test('SHOW POOLS and SHOW STATS are of all workers together', async () => {
    const { doorman } = await started;
    const clients = await connect(doorman, WORKERS);
    const queries = async (): Promise<number> =>
      Number(
        (await doorman.admin('show stats')).find(({ database }) => database === 'postgres')
          ?.total_query_count,
      );
    const before = await queries();
    for (const client of clients) await one(client);
    assert.equal((await queries()) - before, WORKERS);
    const [pool, ...others] = await doorman.admin('show pools');
    assert.deepEqual([pool?.cl_idle, others.length], [String(WORKERS), 0]);
    await Promise.all(clients.map((client) => client.end()));
  });
});

test('min_pool_size servers are there from the start, and again when they were ended', async () => {
  const { doorman, postgres } = await start({ min_pool_size: 2 }, { retain_connections_time: '50ms' });
  const both = async (): Promise<boolean> =>
    (await doorman.admin('show servers')).filter(({ state }) => state === 'idle').length === 2;
  while (!(await both()));
  await postgres.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg_doorman'",
  );
  await doorman.logged(/was ended by PostgreSQL while idle(.|\n)*was ended by PostgreSQL while idle/);
  while (!(await both()));
  await doorman.stop();
  await postgres.remove();
});

test('with worker_fill_percent the clients of a process that has little to do share one worker', async () => {
  const { doorman, postgres } = await start({}, { worker_fill_percent: 50 });
  const clients = await connect(doorman, 8);
  const workers = await doorman.admin('show workers');
  const counts = workers.map(({ clients: count }) => Number(count)).sort((a, b) => b - a);
  assert.deepEqual(counts, [9, 0, 0, 0]); // the console's client is there, too
  await Promise.all(clients.map((client) => client.end()));
  await doorman.stop();
  await postgres.remove();
});

describe('worker_cpu_affinity_pinning', () => {
  async function processorsOfThreads(under: readonly string[]): Promise<string[]> {
    const { doorman, postgres } = await start({}, { worker_cpu_affinity_pinning: true }, under);
    const tasks = `/proc/${doorman.pid}/task`;
    const statuses = readdirSync(tasks).map((task) => readFileSync(`${tasks}/${task}/status`, 'latin1'));
    await doorman.stop();
    await postgres.remove();
    return statuses.map((status) => /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '');
  }

  test('each worker has a processor of its own, as long as there are enough', async (t) => {
    if (availableParallelism() < 2) return t.skip('there is one processor only');
    const pinned = (await processorsOfThreads([])).filter((list) => /^\d+$/.test(list));
    assert.equal(pinned.length, WORKERS);
    assert.equal(new Set(pinned).size, Math.min(WORKERS, availableParallelism()));
  });

  test('it is one of those that the process may use', async (t) => {
    const last = availableParallelism() - 1;
    if (last === 0) return t.skip('there is one processor only');
    assert.deepEqual(
      new Set(await processorsOfThreads(['taskset', '-c', String(last)])),
      new Set([String(last)]),
    );
  });
});

async function start(
  user = {},
  general = {},
  under: readonly string[] = [],
): Promise<{ doorman: Doorman; postgres: Postgres }> {
  const postgres = await Postgres.create();
  const users = [{ username: 'postgres', password: '', pool_size: POOL_SIZE, ...user }];
  const doorman = await Doorman.start({
    general: { worker_threads: WORKERS, ...general },
    pools: { postgres: { server_host: '127.0.0.1', server_port: postgres.port, users } },
    under,
  });
  return { doorman, postgres };
}

async function connect(doorman: Doorman, count: number): Promise<pg.Client[]> {
  const clients = Array.from({ length: count }, () => doorman.client('postgres', 'postgres'));
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}

async function one(client: pg.Client): Promise<unknown> {
  return (await client.query('select 1 as one')).rows[0]?.one;
}

/** The most sessions of the pooler that PostgreSQL has had until it is over. */
async function watchSessions(postgres: Postgres, isOver: () => boolean): Promise<number> {
  let most = 0;
  while (!isOver()) {
    const { rows } = await postgres.query(
      "select count(*)::int as count from pg_stat_activity where application_name = 'pg_doorman'",
    );
    most = Math.max(most, rows[0].count);
  }
  return most;
}
