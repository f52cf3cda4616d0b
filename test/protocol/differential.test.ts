/** Random scripts through pg_doorman and to PostgreSQL itself: what comes back is the same, message by message.
 *  PG_DOORMAN_DIFFERENTIAL_SEED: the first seed instead of the fixed one; PG_DOORMAN_DIFFERENTIAL_RUNS: how many. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ensemble } from '../support/differential-ensemble.js';
import { Doorman, type Section } from '../support/doorman.js';
import { pool } from '../support/shared-postgres.js';

const FIRST_SEED = Number(process.env.PG_DOORMAN_DIFFERENTIAL_SEED ?? 1);
const RUNS = Number(process.env.PG_DOORMAN_DIFFERENTIAL_RUNS ?? 10);

const SERVERS_WAIT = { query_wait_timeout: 60_000 };

for (const [name, clients, user] of [
  ['one client', 1, { pool_size: 1 }],
  ['three clients on one server', 3, { pool_size: 1 }],
  ['four clients on two servers', 4, { pool_size: 2 }],
  ['five clients on three servers', 5, { pool_size: 3 }],
  ['three clients in session mode', 3, { pool_size: 3, pool_mode: 'session' }],
] satisfies [string, number, Section][]) {
  test(`PostgreSQL and the pooler say the same to ${name}`, async (t) => {
    const doorman = await Doorman.start({ general: SERVERS_WAIT, pools: { postgres: pool(user) } });
    const ensemble = await Ensemble.assemble(doorman.port, clients);
    try {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
        const report = await ensemble.run(seed);
        if (report === '') continue;
        t.diagnostic(`seed ${seed}\n${report}`); // in case it cannot even be stopped
        assert.fail(`seed ${seed}\n${report}`);
      }
    } finally {
      await doorman.stop();
    }
    assert.doesNotMatch(doorman.log, /broke the protocol/);
  });
}
