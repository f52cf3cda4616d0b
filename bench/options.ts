/** The command line of the benchmark: what to run, for how long, with which programs. */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from './errors.js';

const SCENARIOS = [
  'queries',
  'paced',
  'large',
  'idle',
  'million',
  'fairness',
  'scaling',
  'active',
  'storm',
  'handover',
  'proxy',
  'leaders',
  'tls',
] as const;
/** The query protocols as pgbench calls them (-M). */
export const PROTOCOLS = ['simple', 'extended', 'prepared'] as const;
/** What the scenario tls has. */
const TLS_CASES = ['queries', 'logins', 'idle'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Also what is parsed: an option is a line of it. */
export const USAGE = `npm run bench -- [options]
  --scenarios LIST        of ${SCENARIOS.join(', ')} (all)
  --protocols LIST        of ${PROTOCOLS.join(', ')} (all)
  --clients LIST          numbers of pgbench clients (1,40,120,500)
  --rates LIST            queries a second in paced, one after the other (500,2000,8000)
  --seconds N             length of one run of pgbench (4)
  --rounds N              how often the poolers take turns (2)
  --pool-size N           server connections of a pool (20)
  --workers N             threads of a pooler that can have several (1)
  --many-workers N        the same in fairness, active, storm, handover; processes of PgBouncer (4)
  --worker-counts LIST    the same in scaling, one after the other (1,2,4)
  --idle N                idle clients (10000)
  --large-mb N            MB of a COPY, and of five SELECTs (500)
  --small-queries N       queries of the scenario million (1000000)
  --active N              clients of the scenario active (10000)
  --tls-cases LIST        of ${TLS_CASES.join(', ')} (all)
  --storm N               clients of the scenario storm (5000)
  --plot FILE             draw the scenario fairness there, as SVG
  --only LIST             poolers by name or its beginning: ours, ours-epoll, pgbouncer, … (all)
  --postgres DIR          where initdb and postgres lie (PATH, /usr/lib/postgresql/*/bin)
  --ours FILE             our command (dist/cli/pg_doorman.js)
  --ours-proxy FILE       our command (dist/cli/patroni_proxy.js)
  --pgbouncer FILE        (PATH)
  --odyssey FILE          (PATH)
  --pg-doorman-rust FILE  (pg_doorman on PATH)
  --haproxy FILE          (PATH)
  --json FILE             write the figures there as well
  --help`;

/** What parseOptions returns; what each one means stands in USAGE. */
export type Options = ReturnType<typeof optionsOf>;

/** The options of a command line, defaults filled in. Throws UsageError. `help`: print USAGE and do nothing. */
export function parseOptions(argv: readonly string[]): Options | 'help' {
  const names = [...USAGE.matchAll(/^ {2}--([a-z-]+) +(LIST|N|DIR|FILE)/gm)].map((match) => match[1] ?? '');
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
        help: { type: 'boolean' },
      },
    });
    if (values.help === true) return 'help';
    return optionsOf(new Map(Object.entries(values).map(([name, value]) => [name, String(value)])));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function optionsOf(values: ReadonlyMap<string, string>) {
  const list = (name: string, otherwise: string) => (values.get(name) ?? otherwise).split(',');
  const number = (name: string, otherwise: number, max: number) =>
    count(name, values.get(name) ?? String(otherwise), max);
  const path = (name: string) => {
    const file = values.get(name);
    return file === undefined ? undefined : resolve(file);
  };
  return {
    scenarios: someOf('scenarios', list('scenarios', SCENARIOS.join()), SCENARIOS),
    protocols: someOf('protocols', list('protocols', PROTOCOLS.join()), PROTOCOLS),
    clients: list('clients', '1,40,120,500').map((text) => count('clients', text, 10_000)),
    rates: list('rates', '500,2000,8000').map((text) => count('rates', text, 1_000_000)),
    seconds: number('seconds', 4, 3_600),
    rounds: number('rounds', 2, 100),
    poolSize: number('pool-size', 20, 1_000),
    workers: number('workers', 1, 64),
    manyWorkers: number('many-workers', 4, 64),
    workerCounts: list('worker-counts', '1,2,4').map((text) => count('worker-counts', text, 64)),
    idleClients: number('idle', 10_000, 25_000),
    largeMB: number('large-mb', 500, 100_000),
    smallQueries: number('small-queries', 1_000_000, 100_000_000),
    activeClients: number('active', 10_000, 25_000),
    tlsCases: someOf('tls-cases', list('tls-cases', TLS_CASES.join()), TLS_CASES),
    stormClients: number('storm', 5_000, 25_000),
    plotFile: path('plot'),
    /** Empty: all. */
    only: values.get('only')?.split(',') ?? [],
    postgresBin: path('postgres'),
    ours: path('ours') ?? resolve(import.meta.dirname, '../dist/cli/pg_doorman.js'),
    oursProxy: path('ours-proxy') ?? resolve(import.meta.dirname, '../dist/cli/patroni_proxy.js'),
    pgbouncer: path('pgbouncer'),
    odyssey: path('odyssey'),
    pgDoormanRust: path('pg-doorman-rust'),
    haproxy: path('haproxy'),
    jsonFile: path('json'),
  };
}

function count(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new UsageError(`--${name} takes whole numbers from 1 to ${max}, not "${text}"`);
  return value;
}

/** Those of `all` that are wanted, in the order of `all`. */
function someOf<T extends string>(name: string, wanted: readonly string[], all: readonly T[]): readonly T[] {
  const unknown = wanted.find((word) => !all.some((known) => known === word));
  if (unknown !== undefined) throw new UsageError(`--${name} takes ${all.join(', ')}, not "${unknown}"`);
  return all.filter((known) => wanted.includes(known));
}
