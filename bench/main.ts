/** The benchmark: ours on io_uring and on epoll beside the other poolers of this machine, in the same minutes, on loopback.
 *  `npm run bench -- --help` says what can be chosen; README.md how to read what comes out. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Children } from './children.js';
import { NotPossible, ProgramFailed, UsageError } from './errors.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { findContestants } from './peers.js';
import { Pgbench } from './pgbench.js';
import { Pooler } from './pooler.js';
import { findPostgresBin, startPostgres } from './postgres.js';
import { tableOf, withRatios } from './report.js';
import { ACTIVE_POOL_SIZE, active } from './scenarios/active.js';
import { fairness } from './scenarios/fairness.js';
import { handover } from './scenarios/handover.js';
import { idle } from './scenarios/idle.js';
import { large } from './scenarios/large.js';
import { leaders } from './scenarios/leaders.js';
import { million } from './scenarios/million.js';
import { paced } from './scenarios/paced.js';
import { PROXY_CLIENTS, proxy } from './scenarios/proxy.js';
import { queries } from './scenarios/queries.js';
import { scaling } from './scenarios/scaling.js';
import type { Bench } from './scenarios/scenario.js';
import { storm } from './scenarios/storm.js';
import { tls } from './scenarios/tls.js';
import { unprivilegedUser } from './unprivileged-user.js';

const SCENARIO_BY_NAME = {
  queries,
  paced,
  large,
  idle,
  million,
  fairness,
  scaling,
  active,
  storm,
  handover,
  proxy,
  leaders,
  tls,
};
/** Room for clients beside those of a scenario. */
const SPARE_CLIENTS = 100;

const note = (text: string) => process.stderr.write(`${text}\n`);

async function bench(options: Options, children: Children, directory: string): Promise<void> {
  const contestants = await findContestants(options, children, note);
  const runAs = unprivilegedUser();
  const bin = options.postgresBin ?? findPostgresBin();
  // What one scenario's poolers keep open, and the servers of the last that are still ending.
  const connections =
    contestants.length * options.poolSize +
    2 * Math.max(options.poolSize, ACTIVE_POOL_SIZE, ...PROXY_CLIENTS);
  const postgres = await startPostgres(children, directory, runAs, bin, connections);
  const pgbench = new Pgbench(children, postgres, directory);
  await pgbench.initialize(postgres.address);
  const machine = {
    postgres: postgres.version,
    poolers: Object.fromEntries(contestants.map(({ name, version }) => [name, version])),
    node: process.versions.node,
    kernel: release(),
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
  };
  console.log(headingOf(machine));

  const newPooler: Bench['newPooler'] = (contestant, setup) => {
    const {
      poolSize,
      workers,
      spreadsClients = false,
      patroniApi = 0,
      server = { host: '127.0.0.1', port: postgres.address.port },
      identity = null,
      verifier = '',
    } = { ...options, ...setup };
    const maxClients =
      (setup.maxClients ?? Math.max(options.idleClients, ...options.clients)) + SPARE_CLIENTS;
    return new Pooler({ children, directory, runAs }, contestant, {
      poolSize,
      workers,
      spreadsClients,
      maxClients,
      server,
      patroniApi,
      identity,
      verifier,
    });
  };
  const poolers = contestants.map((contestant) => newPooler(contestant, {}));
  const around = { options, children, contestants, poolers, newPooler, postgres, pgbench, note };
  const all: unknown[] = [];
  for (const name of options.scenarios) {
    const scenario = SCENARIO_BY_NAME[name];
    const results = await scenario.run(around);
    const rows = withRatios(results, scenario.columns);
    console.log(`\n${name}\n${tableOf(rows, scenario.columns)}`);
    all.push(...rows);
    // As far as it got, also when it is interrupted later.
    if (options.jsonFile !== undefined)
      writeFileSync(options.jsonFile, jsonOf({ machine, options, rows: all }));
  }
}

/** Without the paths of this machine, which mean nothing to another reader. What is not a number is null. */
function jsonOf(document: object): string {
  const withoutPaths = (_: string, value: unknown) =>
    typeof value === 'string' && value.startsWith('/') ? undefined : value;
  const text = JSON.stringify(document, withoutPaths, 2);
  // A series is a line.
  return `${text.replace(/\[[\s\d.,nul]+\]/g, (numbers) => numbers.replace(/\s+/g, ' '))}\n`;
}

function headingOf({ poolers, ...rest }: { readonly poolers: Readonly<Record<string, string>> }): string {
  const words = [...Object.entries(rest), ...Object.entries(poolers)];
  return words.map(([name, value]) => `${name} ${value}`).join(', ');
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') {
    console.log(USAGE);
    return 0;
  }
  process.umask(0o022); // PostgreSQL's user reads and passes through what lies in the directory
  const children = new Children();
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-bench-'));
  chmodSync(directory, 0o755);
  // Registered behind that of Children, which kills what still runs: nobody writes there much longer.
  process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      note(`${signal}: ending what was started`);
      void children.endAll().finally(() => process.exit(130));
    });
  try {
    await bench(options, children, directory);
    return 0;
  } finally {
    await children.endAll();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  const isExpected = [UsageError, NotPossible, ProgramFailed].some((known) => error instanceof known);
  console.error(isExpected && error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
