/** A short run of the fuzzer; `npm run fuzz` makes long ones. */
import { test } from 'node:test';
import { Postgres } from '../support/postgres.js';
import { fuzz } from './fuzz-run.js';

const SEED = 20261121;
const MESSAGES = 80_000;

test('hostile clients and hostile servers harm nobody else, and leave nothing behind', async (t) => {
  const postgres = await Postgres.create();
  t.after(() => postgres.remove());
  const report = (line: string): void => t.diagnostic(line);
  report(await fuzz({ seed: SEED, messages: MESSAGES, side: 'both', cases: [], postgres, report }));
});
