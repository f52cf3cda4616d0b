/** All processes of PostgreSQL are stopped by a signal, as by a debugger, a snapshot or a disk that does not answer, and
 *  go on later. The kernel acknowledges what is sent meanwhile. */
import { after, test } from 'node:test';
import { query } from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { WireClient } from '../support/wire-client.js';
import { freeze } from './support/postgres-processes.js';
import { Scene } from './support/scene.js';

const postgres = await Postgres.create();
after(() => postgres.remove());

test('PostgreSQL is frozen under load and thawed, and one of its clients has vanished meanwhile', async () => {
  const scene = await Scene.begin(postgres, { query_wait_timeout: '1s', connect_timeout: '1s' });
  after(() => scene.remove());
  const vanishing = await WireClient.login(scene.doorman.port, 'postgres', 'postgres');
  await vanishing.query('begin; select 1');
  const thaw = freeze(postgres);
  try {
    vanishing.send(query('select 2'));
    await scene.load.isRefused('53300', 16);
    vanishing.vanish();
  } finally {
    thaw(); // or it does not end
  }
  await scene.survived(['53300'], ['08006']);
});
