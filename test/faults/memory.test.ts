/** Memory runs short: the budget for unfinished messages, and the heap of the process. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Doorman, type DoormanOptions } from '../support/doorman.js';
import { readExposition, sampleValue } from '../support/exposition.js';
import { bind, execute, parse, query, sync, values } from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';
import { eventually } from './support/eventually.js';
import { descriptorsBeside, fallsQuiet } from './support/quiet.js';
import { POOL_SIZE, poolAt, Scene } from './support/scene.js';

const postgres = await Postgres.create();
after(() => postgres.remove());

/** Two of them fit into a megabyte, three do not. */
const LARGE = 400 * 1024;
const SENDERS = 8;
const ROUNDS = 3;
const MANY_CLIENTS = 1000;
const TOLD_MS = 10_000;
const BATCHES_MAX = 200;

test('max_memory_usage: who exceeds it is told, the others are served, and it is given back', async () => {
  const scene = await Scene.begin(postgres, { max_memory_usage: '1MB' });
  after(() => scene.remove());
  const { port } = scene.doorman;
  const login = () => WireClient.login(port, 'postgres', 'postgres');
  const message = query(`select length('${'x'.repeat(LARGE)}')`);
  const half = LARGE / 2;
  for (let round = 0; round < ROUNDS; round++) {
    const senders = await Promise.all(Array.from({ length: SENDERS }, login));
    const told: string[] = [];
    for (const client of senders) {
      client.send(message.subarray(0, half));
      void client.closed().then((answer) => told.push(sqlstateOf(answer)));
    }
    await eventually(
      'all but two are refused',
      TOLD_MS,
      () => told.length,
      (count) => count === SENDERS - 2,
    );
    assert.deepEqual(new Set(told), new Set(['53200']));
    await scene.load.serves(1);
    for (const client of senders) client.vanish();
  }
  const client = await login();
  await client.query('select 1');
  client.send(message.subarray(0, half));
  client.send(message.subarray(half));
  assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
  client.close();
  await scene.survived([]);
});

test('a small heap suffices for many clients with statements of their own', async () => {
  const doorman = await withHeap(32);
  after(() => doorman.stop());
  const descriptors = await descriptorsBeside(doorman);
  const login = () => WireClient.login(doorman.port, 'postgres', 'postgres');
  const clients: WireClient[] = [];
  while (clients.length < MANY_CLIENTS)
    clients.push(...(await Promise.all(Array.from({ length: 50 }, login))));
  for (let round = 0; round < ROUNDS; round++) {
    const answers = clients.map(async (client, index) => {
      const stamp = `${index}-${round}`;
      client.send(parse(`s${round}`, `select '${stamp}'`), bind('', `s${round}`), execute(), sync());
      const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
      return row !== undefined && values(row)[0] === stamp;
    });
    assert.deepEqual(new Set(await Promise.all(answers)), new Set([true]));
  }
  for (const client of clients) client.close();
  await fallsQuiet(doorman, postgres, POOL_SIZE, descriptors);
});

test('a worker whose heap does not suffice takes down its own clients alone, and is replaced', async () => {
  const doorman = await withHeap(20, 3);
  after(() => doorman.stop());
  const descriptors = await descriptorsBeside(doorman);
  const login = () => WireClient.login(doorman.port, 'postgres', 'postgres');
  const [greedy, ...others] = [await login(), await login(), await login()];
  const bystander = await WireClient.login(doorman.port, 'postgres', 'postgres'); // of the same worker
  for (const each of [...others, bystander]) assert.equal(await each.value('select 1'), '1');
  await useUpTheHeap(greedy);
  await bystander.closed();
  await doorman.logged(/worker \d has died, and its clients have lost their connections: .*memory limit/);
  for (const each of others) assert.equal(await each.value('select 2'), '2');
  await doorman.logged(/worker \d serves again/);
  const newcomers = await Promise.all(Array.from({ length: 6 }, login));
  for (const each of newcomers) assert.equal(await each.value('select 3'), '3');
  for (const each of [...others, ...newcomers]) each.close();
  await fallsQuiet(doorman, postgres, POOL_SIZE, descriptors);
});

test('metrics do not count what a worker had that has died', async () => {
  const prometheus = { enabled: true, host: '127.0.0.1', port: 0 };
  const doorman = await withHeap(20, 2, { prometheus });
  after(() => doorman.stop());
  const [, page = ''] = await doorman.logged(/metrics on (http:.*\/metrics)/);
  const login = () => WireClient.login(doorman.port, 'postgres', 'postgres');
  await useUpTheHeap(await login());
  await doorman.logged(/worker \d serves again/);
  const newcomer = await login();
  assert.equal(await newcomer.value('select 1'), '1');
  // Of the dead worker's servers and clients nothing is left; the page is not always a new one.
  for (let isRight = false; !isRight; ) {
    const families = readExposition(await (await fetch(page)).text());
    const of = (what: string): number =>
      (families.get(`pg_doorman_pools_${what}`)?.samples ?? []).reduce((sum, { value }) => sum + value, 0);
    isRight = of('clients') === 1 && of('servers') === 1;
    if (isRight) {
      assert.equal(sampleValue(families, 'pg_doorman_worker_deaths_total'), 1);
      assert.equal(sampleValue(families, 'pg_doorman_connections_accepted_total'), 2);
      assert.equal(sampleValue(families, 'pg_doorman_worker_up', { worker: '0' }), 1);
    }
  }
  newcomer.close();
});

/** Has its worker die of too many statements. */
async function useUpTheHeap(client: WireClient): Promise<void> {
  for (let batch = 0; batch < BATCHES_MAX; batch++) {
    const statements = Array.from({ length: 1000 }, (_, index) => `s${batch}_${index}`);
    client.send(...statements.map((name) => parse(name, `select '${name}'`)), sync());
    if ((await client.until('Z')).at(-1)?.tag !== 'Z') return;
  }
  assert.fail('the heap was large enough');
}

function withHeap(
  megabytes: number,
  worker_threads = 1,
  more: Partial<DoormanOptions> = {},
): Promise<Doorman> {
  return Doorman.start({
    ...more,
    general: { worker_threads, query_wait_timeout: 60_000 },
    under: ['env', `NODE_OPTIONS=--max-old-space-size=${megabytes}`],
    pools: { postgres: poolAt(postgres.port) },
  });
}
