/** pg_terminate_backend, again and again, of whatever session chance picks. */
import { after, test } from 'node:test';
import { Postgres } from '../support/postgres.js';
import { eventually } from './support/eventually.js';
import { Scene } from './support/scene.js';

const postgres = await Postgres.create();
after(() => postgres.remove());

const SESSIONS = 25;
const RETURN_MS = 10_000;
const KILL_ONE = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid() order by random() limit 1`;

test('sessions are terminated at random under load', async () => {
  const scene = await Scene.begin(postgres);
  after(() => scene.remove());
  for (let i = 0; i < SESSIONS; i++) {
    const terminate = async () => (await postgres.query(KILL_ONE)).rows.length;
    await eventually('there is a session', RETURN_MS, terminate, (count) => count === 1);
  }
  await scene.survived(['57P01'], ['08006']);
});
