/** A worker dies when it is least expected: while the process is reloaded, paused, shut down or replaced. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Doorman } from '../support/doorman.js';
import { oneOfEachWorker } from '../support/one-of-each-worker.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';

const FAULT = fileURLToPath(new URL('../support/worker-fault.mjs', import.meta.url));
/** KILL_CLIENT with this number has worker 1 fail, see worker-fault.mjs. */
const ASSERTION = 2_000_000_001;
/** … and with this worker 0 when somebody connects. */
const AT_ACCEPT = 2_000_000_007;

const WORKERS = 2;
const CONFIGURATION = { general: { worker_threads: WORKERS }, pools: { postgres: pool() } };

/** Workers fail when this message comes; with @1 worker 1 alone. */
function doormanThatFailsAt(message: string): Promise<Doorman> {
  return Doorman.start({
    ...CONFIGURATION,
    environment: { NODE_OPTIONS: `--import=${FAULT}`, PG_DOORMAN_TEST_FAULT: message },
  });
}

/** A file that workers wait for, see worker-fault.mjs. */
function newFile(): string {
  const file = join(mkdtempSync(join(tmpdir(), 'pg-doorman-dying-')), 'state');
  writeFileSync(file, '');
  return file;
}

async function isWaitedFor(file: string): Promise<void> {
  while (readFileSync(file, 'utf8') !== 'waiting') await setImmediate();
}

test('at the first of many who connect at once: nobody is left hanging', async () => {
  const file = newFile();
  const doorman = await Doorman.start({
    ...CONFIGURATION,
    environment: { NODE_OPTIONS: `--import=${FAULT}`, PG_DOORMAN_TEST_DYING: file },
  });
  doorman.admin(`kill_client ${AT_ACCEPT}`).catch(() => undefined); // the console's client may be of that worker
  await isWaitedFor(file);
  const clients = await Promise.all(Array.from({ length: 5 }, () => WireClient.open(doorman.port)));
  writeFileSync(file, '');
  await doorman.logged(/worker 0 has died/);
  // Those that the kernel had not handed to it are served by the next.
  for (const client of clients) await client.logIn('postgres', 'postgres').catch(() => undefined);
  for (const client of clients) client.close();
  await serves(doorman);
  await doorman.stop();
});

/** A client in a transaction of each. */
async function inBoth(doorman: Doorman): Promise<[WireClient, WireClient]> {
  const [first, second] = await oneOfEachWorker(doorman, WORKERS);
  assert.ok(first && second);
  return [first, second];
}

async function serves(doorman: Doorman): Promise<void> {
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  assert.equal(await client.value('select 1'), '1');
  client.close();
}

test('at RELOAD: it is answered, and the one in its place has the new settings', async () => {
  const doorman = await doormanThatFailsAt('settings@1');
  const [inWorker0, inWorker1] = await inBoth(doorman);
  doorman.rewrite({ ...CONFIGURATION, general: { ...CONFIGURATION.general, max_connections: 2 } });
  doorman.signal('SIGHUP');
  await doorman.logged(/SIGHUP: the configuration is in force/);
  assert.equal(sqlstateOf(await inWorker1.closed()), '57P02');
  await doorman.logged(/worker 1 serves again/);
  await inWorker0.query('commit');
  const next = await WireClient.login(doorman.port, 'postgres', 'postgres');
  await assert.rejects(WireClient.login(doorman.port, 'postgres', 'postgres'), /53300/);
  for (const client of [inWorker0, next]) client.close();
  await doorman.stop();
});

test('while PAUSE waits for its server: nobody has that any more, and the one in its place is paused', async () => {
  const doorman = await doormanThatFailsAt('none');
  const [inWorker0, inWorker1] = await inBoth(doorman);
  const isPaused = doorman.admin('pause').then(
    () => true,
    () => false, // its console's client may be of the worker that dies
  );
  while ((await doorman.admin('show pools')).some((each) => each.paused !== '1'));
  await inWorker0.query('commit');
  doorman.admin(`kill_client ${ASSERTION}`).catch(() => undefined); // the console's client may be of that worker
  assert.equal(sqlstateOf(await inWorker1.closed()), '57P02');
  await doorman.logged(/worker 1 has died/);
  if (!(await isPaused)) await doorman.admin('pause');
  await doorman.logged(/worker 1 serves again/);
  const clients = await Promise.all(
    Array.from({ length: 4 }, () => WireClient.login(doorman.port, 'postgres', 'postgres')),
  );
  const answers = clients.map((client) => client.value('select 1'));
  let waiting = 0;
  while (waiting < clients.length) waiting = (await doorman.admin('show waits')).length;
  await doorman.admin('resume');
  assert.deepEqual(
    await Promise.all(answers),
    clients.map(() => '1'),
  );
  for (const client of [inWorker0, ...clients]) client.close();
  await doorman.stop();
});

test('at SHUTDOWN: the transactions of others are finished, and the process ends in good order', async () => {
  const doorman = await doormanThatFailsAt('shutdown@1');
  const [inWorker0, inWorker1] = await inBoth(doorman);
  await doorman.admin('shutdown').catch(() => undefined); // the console's client may be of that worker
  assert.equal(sqlstateOf(await inWorker1.closed()), '57P02');
  await doorman.logged(/worker 1 has died/);
  await inWorker0.query('commit');
  assert.equal(sqlstateOf(await inWorker0.closed()), '58006');
  assert.equal(await doorman.ended(), 0);
});

test('all of them at SHUTDOWN: the process ends in good order', async () => {
  const doorman = await doormanThatFailsAt('shutdown');
  const clients = await inBoth(doorman);
  await doorman.admin('shutdown').catch(() => undefined);
  for (const client of clients) assert.equal(sqlstateOf(await client.closed()), '57P02');
  assert.equal(await doorman.ended(), 0);
});

test('at an upgrade: the clients of others finish, and move', async () => {
  const doorman = await doormanThatFailsAt('depart@1');
  const [inWorker0, inWorker1] = await inBoth(doorman);
  const old = doorman.pid;
  await doorman.upgrade();
  assert.equal(sqlstateOf(await inWorker1.closed()), '57P02');
  await inWorker0.query('commit');
  assert.equal(await inWorker0.value('select 2'), '2');
  inWorker0.close();
  await doorman.isReplaced(old);
  await serves(doorman);
  await doorman.stop();
});

test('all of them at an upgrade: the new process is the service before the old one ends', async () => {
  const doorman = await doormanThatFailsAt('depart');
  const clients = await inBoth(doorman);
  const old = doorman.pid;
  await doorman.upgrade();
  for (const client of clients) assert.equal(sqlstateOf(await client.closed()), '57P02');
  await doorman.isReplaced(old);
  assert.match(doorman.log, /serves in place of(.|\n)* stopped \[(.|\n)*has ended/);
  await serves(doorman);
  await doorman.stop();
});

test('at an upgrade that fails afterwards: another takes its place, and the old process serves again', async () => {
  const doorman = await doormanThatFailsAt('depart@1');
  const [inWorker0] = await inBoth(doorman);
  const old = doorman.pid;
  await doorman.upgrade();
  await doorman.logged(/worker 1 has died/);
  doorman.signal('SIGKILL');
  doorman.serves(old);
  await doorman.logged(/the new process has failed \(SIGKILL\): this one goes on/);
  await doorman.logged(/worker 1 serves again/);
  assert.equal(await inWorker0.value('select 2'), '2');
  await inWorker0.query('commit');
  inWorker0.close();
  await serves(doorman);
  assert.deepEqual(
    (await doorman.admin('show workers')).map(({ state }) => state),
    ['serving', 'serving'],
  );
  await doorman.stop();
});

test('of the new process at an upgrade: the clients that are on their way to it are told', async () => {
  const file = newFile();
  const doorman = await Doorman.start({
    general: { worker_threads: 1 },
    pools: { postgres: pool() },
    environment: {
      NODE_OPTIONS: `--import=${FAULT}`,
      PG_DOORMAN_TEST_DYING: file,
      PG_DOORMAN_TEST_FAULT: 'clientArrives',
    },
  });
  const clients = await Promise.all(
    Array.from({ length: 4 }, () => WireClient.login(doorman.port, 'postgres', 'postgres')),
  );
  const old = doorman.pid;
  await doorman.upgrade();
  await isWaitedFor(file);
  await doorman.isReplaced(old);
  writeFileSync(file, '');
  const told = await Promise.all(clients.map(async (client) => sqlstateOf(await client.closed())));
  // One was being taken.
  assert.deepEqual(told.sort(), ['', '57P02', '57P02', '57P02']);
  await serves(doorman);
  await doorman.stop();
});
