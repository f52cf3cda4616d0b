/** The network between the pooler and PostgreSQL fails in each of its ways. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Postgres } from '../support/postgres.js';
import { Scene } from './support/scene.js';

const postgres = await Postgres.create();
after(() => postgres.remove());

const CUTS = 5;
const SHORT_TIMEOUTS = { query_wait_timeout: '1s', connect_timeout: '1s' };

test('every connection is reset, again and again', async () => {
  const scene = await Scene.begin(postgres);
  after(() => scene.remove());
  for (let i = 0; i < CUTS; i++) {
    scene.network.cut();
    await scene.load.serves(1);
  }
  await scene.survived(['08006']);
});

test('every connection is closed in one direction, then in the other', async () => {
  const scene = await Scene.begin(postgres);
  after(() => scene.remove());
  for (let i = 0; i < CUTS; i++) {
    scene.network.halfClose(i % 2 === 0 ? 'pooler' : 'postgres');
    await scene.load.serves(1);
  }
  await scene.survived(['08006']);
});

test('new connections are refused after all were reset', async () => {
  const scene = await Scene.begin(postgres);
  after(() => scene.remove());
  const refused = scene.network.refuse();
  scene.network.cut();
  await refused;
  await scene.load.isRefused('08006', 20);
  await scene.network.refuseNoMore();
  await scene.survived(['08006']);
});

test('what is sent is swallowed without a word, until a reset comes', async () => {
  const scene = await Scene.begin(postgres, SHORT_TIMEOUTS);
  after(() => scene.remove());
  scene.network.swallow();
  await scene.load.isRefused('53300', 16);
  scene.network.swallowNoMore();
  await scene.survived(['08006', '53300']);
});

test('everything arrives late: nobody is refused', async () => {
  const scene = await Scene.begin(postgres);
  after(() => scene.remove());
  scene.network.delayMs = 20;
  await scene.load.serves(2);
  scene.network.delayMs = 0;
  await scene.survived([]);
});

test('servers that fell silent in the pool are found out before a client gets them', async () => {
  const scene = await Scene.begin(postgres, { connect_timeout: '1s', server_idle_check_timeout: '1ms' });
  after(() => scene.remove());
  await scene.survived([]);
  scene.network.swallowOpen();
  const client = scene.doorman.client('postgres', 'postgres');
  await client.connect();
  const { rows } = await client.query("select 'served' as answer");
  await client.end();
  scene.network.swallowNoMore();
  assert.deepEqual(rows, [{ answer: 'served' }]);
});
