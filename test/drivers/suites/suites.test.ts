/** Tests that drivers ship themselves: they are to end through the pooler as they do against PostgreSQL, but for those
 *  that a list names with a reason. A suite that cannot be brought here is skipped, and says why. Chosen with
 *  PG_DOORMAN_TEST_DRIVERS=pgx-suite, as the drivers are. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Doorman } from '../../support/doorman.js';
import { pool } from '../../support/shared-postgres.js';

const SCRIPT = fileURLToPath(new URL('pgx-suite.sh', import.meta.url));
const INSTALLED = fileURLToPath(new URL('../../../.cache/drivers/pgx-suite', import.meta.url));
/** What the script ends with when it cannot bring the suite here. */
const NOT_HERE = 77;
/** The suite's pools of connections are as large as this, together. */
const SESSIONS = 40;

const chosen = process.env.PG_DOORMAN_TEST_DRIVERS?.split(',');

test('the tests of pgx', { skip: chosen?.includes('pgx-suite') === false }, async (context) => {
  mkdirSync(INSTALLED, { recursive: true });
  const inSession = pool({ pool_size: SESSIONS }, { pool_mode: 'session', server_database: 'pgx_session' });
  const inTransaction = pool({ pool_size: 4 }, { server_database: 'pgx_transaction' });
  const doorman = await Doorman.start({ pools: { pgx_session: inSession, pgx_transaction: inTransaction } });
  const child = spawn('sh', [SCRIPT, INSTALLED, String(inSession.server_port), String(doorman.port)]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  await doorman.stop();
  if (child.exitCode === NOT_HERE) return context.skip(`NOT TRIED: ${output.trimEnd().split('\n').at(-1)}`);
  for (const line of output.split('\n').filter((each) => /^(direct|session|transaction): /.test(each)))
    context.diagnostic(line);
  assert.equal(child.exitCode, 0, output);
});
