/** Runs the tests that asyncpg ships against PostgreSQL, and through the pooler in session and in transaction mode, and
 *  compares how they end; see asyncpg-suite.sh. Each of the three has a PostgreSQL of its own, so they run at once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Doorman } from '../../support/doorman.js';
import { Postgres } from '../../support/postgres.js';

const MODES = ['session', 'transaction'] as const;
/** More than any test has clients at once: some leave queries behind that keep a server busy for ten seconds. */
const POOL_SIZE = 40;
/** What the tests connect to; the last two they make and drop themselves. */
const DATABASES = ['postgres', 'testdb', 'asyncpg_intro_test'];

interface Result {
  readonly ending: 'passed' | 'failed' | 'skipped';
  readonly why: string;
}

type Results = Map<string, Result>;

/** What runs before and after a whole class is only told of when it fails. */
const PASSED: Result = { ending: 'passed', why: '' };
const LINES_OF_REASON = 4;

const [, , directory = '.'] = process.argv;
const listed = readDifferences(join(import.meta.dirname, 'asyncpg-differences.txt'));
const runs = await Promise.allSettled([runDirectly(), ...MODES.map(runThrough)]);
const [direct = new Map(), ...through] = runs.map((run) => {
  if (run.status === 'rejected') throw run.reason;
  return run.value;
});
const complaints = MODES.flatMap((mode, index) => compare(mode, through[index] ?? new Map()));
for (const complaint of complaints) console.log(complaint);
console.log(summary());
process.exitCode = complaints.length === 0 ? 0 : 1;

async function runDirectly(): Promise<Results> {
  const postgres = await Postgres.create();
  try {
    return await runTests('direct', postgres.port, postgres.port);
  } finally {
    await postgres.remove();
  }
}

async function runThrough(mode: (typeof MODES)[number]): Promise<Results> {
  const postgres = await Postgres.create();
  const pool = (database: string) => ({
    server_host: '127.0.0.1',
    server_port: postgres.port,
    server_database: database,
    pool_mode: mode,
    users: [{ username: 'postgres', pool_size: POOL_SIZE }],
  });
  const pools = Object.fromEntries(DATABASES.map((database) => [database, pool(database)]));
  try {
    const doorman = await Doorman.start({ pools });
    try {
      return await runTests(mode, doorman.port, postgres.port);
    } finally {
      await doorman.stop();
    }
  } finally {
    await postgres.remove();
  }
}

async function runTests(name: string, port: number, postgresPort: number): Promise<Results> {
  const program = join(import.meta.dirname, 'asyncpg-tests.py');
  const results = join(directory, `${name}.json`);
  const log = openSync(join(directory, `${name}.log`), 'w');
  const leftOut = [...listed]
    .map((line) => line.split(' '))
    .flatMap(([mode, test]) => (mode === 'skip-any' || mode === `skip-${name}` ? [test ?? ''] : []));
  const child = spawn(
    join(directory, 'venv/bin/python'),
    [program, join(directory, 'tests'), results, String(postgresPort), ...leftOut],
    {
      env: {
        ...process.env,
        PGHOST: '127.0.0.1',
        PGPORT: String(port),
        PGUSER: 'postgres',
        PGDATABASE: 'postgres',
      },
      stdio: ['ignore', log, log],
    },
  );
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`the tests ended with ${status}, see ${name}.log in ${directory}`);
  return new Map(Object.entries<Result>(JSON.parse(readFileSync(results, 'utf8'))));
}

/** The lines without their reasons: `MODE TEST`. */
function readDifferences(file: string): Set<string> {
  const lines = readFileSync(file, 'utf8').split('\n');
  return new Set(lines.map((line) => line.replace(/ *#.*/, '')).filter((line) => line !== ''));
}

/** What is not as it is listed. */
function compare(mode: string, results: Results): string[] {
  const names = new Set([...direct.keys(), ...results.keys()]);
  return [...names].sort().flatMap((name) => {
    const [expected, got] = [direct.get(name) ?? PASSED, results.get(name) ?? PASSED];
    const differs = expected.ending !== got.ending;
    if (listed.has(`skip-${mode} ${name}`) || differs === listed.has(`${mode} ${name}`)) return [];
    if (!differs) return [`${mode} ${name}: is listed, but ends as it does without the pooler`];
    const why = `${expected.why}${got.why}`.trimEnd().split('\n').slice(-LINES_OF_REASON);
    return [
      `${mode} ${name}: ${expected.ending} without the pooler, ${got.ending} with it`,
      ...why.map((line) => `    ${line}`),
    ].join('\n');
  });
}

function summary(): string {
  const count = (ending: string) => [...direct.values()].filter((result) => result.ending === ending).length;
  const failed = [...direct].filter(([, { ending }]) => ending === 'failed').map(([name]) => name);
  const known = MODES.map(
    (mode) => `${[...listed].filter((line) => line.startsWith(`${mode} `)).length} in ${mode} mode`,
  );
  return [
    `without the pooler: ${count('passed')} passed, ${count('skipped')} skipped, ${failed.length} failed`,
    ...failed.map((name) => `    ${name}`),
    `known differences: ${known.join(', ')}; not as listed: ${complaints.length}`,
  ].join('\n');
}
