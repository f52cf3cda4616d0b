/** `npm run fuzz -- --seed N --messages M --side client|server|both`: a long run. One that fails tells the shortest
 *  conversation that it finds, in hex; `--cases` plays the cases
 *  that it names again. */
import { parseArgs } from 'node:util';
import { Postgres } from '../support/postgres.js';
import { fuzz } from './fuzz-run.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    messages: { type: 'string', default: '1000000' },
    side: { type: 'string', default: 'both' },
    cases: { type: 'string', default: '' },
  },
});
const [seed, messages] = [values.seed, values.messages].map(Number);
const side = (['client', 'server', 'both'] as const).find((each) => each === values.side);
const cases = values.cases.split(',').flatMap((each) => {
  const [, of, number] = /^(client|server):(\d+)$/.exec(each) ?? [];
  return of === 'client' || of === 'server' ? [{ side: of, seed: Number(number) } as const] : [];
});
if (!seed || !messages || seed < 1 || messages < 1 || side === undefined) {
  console.error('fuzz [--seed N] [--messages M], each a whole number from 1 on, [--side client|server|both]');
  process.exit(2);
}

const postgres = await Postgres.create();
try {
  console.log(await fuzz({ seed, cases, messages, side, postgres, report: (line) => console.log(line) }));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await postgres.remove();
}
// With sockets that were reset Node.js may turn in circles when it tidies up at its end.
process.exit();
