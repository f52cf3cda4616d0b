/** kill -9 of the postmaster, and another one in its place. */
import { after, test } from 'node:test';
import { Postgres } from '../support/postgres.js';
import { killPostmaster } from './support/postgres-processes.js';
import { Scene } from './support/scene.js';

const postgres = await Postgres.create();
after(() => postgres.remove());

test('PostgreSQL is killed with -9 under load and started again', async () => {
  const scene = await Scene.begin(postgres);
  after(() => scene.remove());
  await killPostmaster(postgres);
  await scene.load.isRefused('08006', 20);
  await postgres.start();
  await scene.survived(['08006'], ['57P01', '57P03']);
});
