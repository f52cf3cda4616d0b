/** RLIMIT_NOFILE is reached: the pooler has no descriptor left for another client, or for a server. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import { startup } from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';
import { eventually } from './support/eventually.js';
import { descriptorsBeside, fallsQuiet } from './support/quiet.js';
import { POOL_SIZE, poolAt } from './support/scene.js';

/** Node.js wants some two hundred to load the program, and gives most of them back. */
const UNDER_A_LIMIT = ['sh', '-c', 'ulimit -n 256 && exec "$@"', 'sh'];
const MORE_CLIENTS_THAN_THAT = 400;
const NO_DESCRIPTOR = /cannot accept a client: EMFILE/;
const SERVED_MS = 20_000;

const postgres = await Postgres.create();
after(() => postgres.remove());
const pool = poolAt(postgres.port);
const doorman = await Doorman.start({ under: UNDER_A_LIMIT, pools: { postgres: pool, template1: pool } });
after(() => doorman.stop());
const descriptors = await descriptorsBeside(doorman);

/** Clients that come all at once; `inside` are those that have been let in. */
function crowd(): { inside: WireClient[]; leave: () => Promise<void> } {
  const inside: WireClient[] = [];
  let hasLeft = 0;
  for (let i = 0; i < MORE_CLIENTS_THAN_THAT; i++) {
    void WireClient.login(doorman.port, 'postgres', 'postgres').then((client) => inside.push(client));
  }
  /** Each that leaves lets another one in. Returns when the last has been in. */
  const leave = async (): Promise<void> => {
    const go = (): number => {
      for (; hasLeft < inside.length; hasLeft++) inside[hasLeft]?.close();
      return hasLeft;
    };
    await eventually('everybody comes in', SERVED_MS, go, (count) => count === MORE_CLIENTS_THAN_THAT);
  };
  return { inside, leave };
}

test('more clients than descriptors: those inside are served, the others when some have left', async () => {
  const first = await WireClient.login(doorman.port, 'postgres', 'postgres');
  const { inside, leave } = crowd();
  await doorman.logged(NO_DESCRIPTOR);
  assert.equal(await first.value("select 'served'"), 'served');
  const answers = await Promise.all(inside.map((client, index) => client.value(`select 'stamp ${index}'`)));
  assert.deepEqual(
    answers,
    answers.map((_, index) => `stamp ${index}`),
  );
  first.close();
  await leave();
  await fallsQuiet(doorman, postgres, POOL_SIZE, descriptors);
});

test('no descriptor for a server: a client that needs one is told, one that does not is served', async () => {
  const before = doorman.log.length;
  const early = await WireClient.open(doorman.port);
  const first = await WireClient.login(doorman.port, 'postgres', 'postgres');
  const { leave } = crowd();
  await eventually(
    'no descriptor is left',
    SERVED_MS,
    () => NO_DESCRIPTOR.test(doorman.log.slice(before)),
    Boolean,
  );
  early.send(startup({ user: 'postgres', database: 'template1' }));
  assert.equal(sqlstateOf(await early.closed()), '53000');
  assert.equal(await first.value("select 'served'"), 'served');
  first.close();
  await leave();
  const later = await WireClient.login(doorman.port, 'postgres', 'template1');
  assert.equal(await later.value('select current_database()'), 'template1');
  later.close();
  await fallsQuiet(doorman, postgres, 2 * POOL_SIZE, descriptors);
});
