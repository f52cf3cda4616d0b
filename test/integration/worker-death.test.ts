/** A worker thread that fails, in whatever way: its clients are told, nobody else notices, and another takes its place. */
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Doorman } from '../support/doorman.js';
import { oneOfEachWorker } from '../support/one-of-each-worker.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';

const WORKERS = 3;
const POOL_SIZE = 20;
const FAILING = 1;
const FAULT = fileURLToPath(new URL('../support/worker-fault.mjs', import.meta.url));
/** Each worker's, so that it is full soon. Megabytes. */
const HEAP_MB = 128;

/** What is asked of worker-fault.mjs. */
const enum Fault {
  Assertion = 2_000_000_001,
  Loop = 2_000_000_002,
  HeapGone = 2_000_000_003,
  HeapFull = 2_000_000_004,
  /** Of all workers, and of those that take their place. */
  AllDie = 2_000_000_005,
  HeapFullForAMoment = 2_000_000_006,
}

describe('a worker of three fails', async () => {
  const doorman = await Doorman.start({
    general: { worker_threads: WORKERS, worker_fill_percent: 0 },
    pools: { postgres: pool({ pool_size: POOL_SIZE }) },
    environment: { NODE_OPTIONS: `--import=${FAULT} --max-old-space-size=${HEAP_MB}` },
  });
  after(() => doorman.stop());

  /** Returns what the clients of the worker that fails are told: SQLSTATEs, '' for nothing but the end. */
  async function fails(fault: Fault, ...logged: RegExp[]): Promise<string[]> {
    while (!(await allServe()));
    doorman.takeLog();
    const clients = await oneOfEachWorker(doorman, WORKERS);
    const lost = clients.filter((_, worker) => worker === FAILING);
    const others = clients.filter((_, worker) => worker !== FAILING);
    doorman.admin(`kill_client ${fault}`).catch(() => undefined); // the console's client may be of that worker
    const told = await Promise.all(lost.map(async (client) => sqlstateOf(await client.closed())));
    for (const each of logged) await doorman.logged(each);
    await doorman.logged(/worker 1 serves again/);
    for (const client of others) {
      await client.query('commit');
      assert.equal(await client.value('select 2'), '2');
      client.close();
    }
    // What the dead one had is there again for others: all of the pool can be used.
    const next = await Promise.all(Array.from({ length: POOL_SIZE }, () => login()));
    for (const client of next) assert.equal(await client.value('begin; select 1'), '1');
    for (const client of next) client.close();
    return told;
  }

  function login(): Promise<WireClient> {
    return WireClient.login(doorman.port, 'postgres', 'postgres');
  }

  async function allServe(): Promise<boolean> {
    const workers = await doorman.admin('show workers');
    return workers.every(({ state }) => state === 'serving');
  }

  test('by an assertion: they get an error', async () => {
    const told = await fails(
      Fault.Assertion,
      /worker 1 has died.*an assertion of the test(.|\n)*clients=\d servers=\d/,
    );
    assert.deepEqual(new Set(told), new Set(['57P02']));
  });

  test('by a heap that is nearly full: they get an error', async () => {
    const told = await fails(Fault.HeapFull, /worker 1 has died.*out of memory/);
    assert.deepEqual(new Set(told), new Set(['57P02']));
  });

  test('by a heap that was full when it was looked at: they get an error, though there is room meanwhile', async () => {
    const told = await fails(Fault.HeapFullForAMoment, /worker 1 has died.*out of memory/);
    assert.deepEqual(new Set(told), new Set(['57P02']));
  });

  test('by a heap that fills at once: they lose their connections', async () => {
    await fails(Fault.HeapGone, /worker 1 has died.*out of memory|memory limit/);
  });

  test('by a loop without an end: that is noticed, said, and ended', async () => {
    await fails(
      Fault.Loop,
      /worker 1 has not come round for 5 s: its clients wait.*clients=\d servers=\d/,
      /worker 1 has died.*it has not come round for 15 s/,
    );
  });
});

describe('no worker lives', () => {
  const WORKERS_DIE = /worker (0|1) has died(.|\n)*worker (?!\1)(0|1) has died/;

  async function withoutWorkers(
    file = join(mkdtempSync(join(tmpdir(), 'pg-doorman-dying-')), 'pid'),
  ): Promise<Doorman> {
    writeFileSync(file, '');
    const doorman = await Doorman.start({
      general: { worker_threads: 2 },
      pools: { postgres: pool() },
      environment: { NODE_OPTIONS: `--import=${FAULT}`, PG_DOORMAN_TEST_DYING: file },
    });
    doorman.admin(`kill_client ${Fault.AllDie}`).catch(() => undefined); // the console is of a worker, too
    await doorman.logged(WORKERS_DIE);
    return doorman;
  }

  test('nor can one start: they are tried more and more seldom, and serve when they can', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'pg-doorman-dying-')), 'pid');
    const doorman = await withoutWorkers(file);
    await doorman.logged(/(worker 0 cannot start(.|\n)*){3}/);
    const [first = 0, second = 0, third = 0] = Array.from(
      doorman.log.matchAll(/^(\S+) ERROR worker 0 cannot start/gm),
      ([, time = '']) => Date.parse(time),
    );
    assert.ok(second - first >= 2000 && third - second >= 4000, doorman.log);
    writeFileSync(file, '');
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    assert.equal(await client.value('select 1'), '1');
    client.close();
    await doorman.stop();
  });

  test('SIGTERM ends the process all the same', async () => {
    const doorman = await withoutWorkers();
    await doorman.stop();
  });

  test('an upgrade replaces the process all the same', async () => {
    const doorman = await withoutWorkers();
    const old = doorman.pid;
    await doorman.upgrade();
    await doorman.isReplaced(old);
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    assert.equal(await client.value('select 1'), '1');
    client.close();
    await doorman.stop();
  });

  test('clients that come over from the old process are served by the next that lives', async () => {
    const doorman = await Doorman.start({
      general: { worker_threads: 2 },
      pools: { postgres: pool() },
      environment: { NODE_OPTIONS: `--import=${FAULT}`, PG_DOORMAN_TEST_FAULT: 'poolFacts' },
    });
    const clients = await Promise.all(
      Array.from({ length: 3 }, () => WireClient.login(doorman.port, 'postgres', 'postgres')),
    );
    for (const client of clients) await client.query('begin; select 1');
    const old = doorman.pid;
    await doorman.upgrade();
    await doorman.logged(WORKERS_DIE);
    for (const client of clients) await client.query('commit');
    for (const client of clients) assert.equal(await client.value('select 2'), '2');
    for (const client of clients) client.close();
    await doorman.isReplaced(old);
    await doorman.stop();
  });
});
