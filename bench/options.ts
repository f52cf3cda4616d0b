/** The command line of the benchmark: what to run, for how long, with which programs. */

import { parseArgs } from 'node:util';
import { UsageError } from './errors.js';

export const CASES = ['simple', 'extended', 'prepared', 'large', 'idle', 'connect', 'heap'] as const;
export type Case = (typeof CASES)[number];

export const IO_BACKENDS = ['io_uring', 'epoll'] as const;
export type IoBackend = (typeof IO_BACKENDS)[number];

/** A peer that was named by hand: `--peer pgbouncer-head=/opt/pgbouncer/bin/pgbouncer`. */
export interface NamedPeer {
  readonly name: string;
  readonly executable: string;
}

export interface Options {
  readonly cases: readonly Case[];
  /** Numbers of pgbench clients. */
  readonly clients: readonly number[];
  readonly rounds: number;
  /** Length of one run of pgbench. */
  readonly seconds: number;
  readonly poolSize: number;
  /** Threads of a pooler that has a setting for it. */
  readonly workers: number;
  /** Of pgbench's tables. */
  readonly scale: number;
  /** Size of a large result. Millions of bytes. */
  readonly largeMB: number;
  readonly idleClients: number;
  /** Of the heap case. */
  readonly heapQueries: number;
  readonly backends: readonly IoBackend[];
  /** Our compiled command. */
  readonly ours: string;
  readonly peers: readonly NamedPeer[];
  /** Run only poolers of these names; empty: all. */
  readonly poolers: readonly string[];
  /** Where initdb and postgres lie; null: look for them. */
  readonly postgresBin: string | null;
  readonly pgbench: string;
  readonly jsonFile: string | null;
}

export const USAGE = `npm run bench -- [options]
  --only LIST          of ${CASES.join(', ')} (all)
  --clients LIST       clients of pgbench (1,40,120,500)
  --rounds N           rounds in which the poolers take turns (3)
  --seconds N          length of one run (5)
  --quick              one round, 3 seconds, 1 and 40 clients, small sizes
  --pool-size N        server connections of a pool (20)
  --workers N          threads of a pooler that can have several (1)
  --scale N            of pgbench's tables (10)
  --large-mb N         size of a large result in MB (500)
  --idle-clients N     (10000)
  --heap-queries N     (1000000)
  --backends LIST      of ${IO_BACKENDS.join(', ')} (both)
  --ours FILE          our command (dist/cli/pg_doorman.js)
  --peer NAME=FILE     one more peer; NAME begins with pgbouncer, odyssey, pg_doorman or ours
  --poolers LIST       only poolers of these names
  --postgres-bin DIR   where initdb and postgres lie
  --pgbench FILE       (pgbench from PATH)
  --json FILE          write all figures there as well
  --help`;

/** The options of a command line, defaults filled in. Throws UsageError. `help`: print USAGE and do nothing. */
export function parseOptions(argv: readonly string[]): Options | 'help' {
  const { values } = parseValues(argv);
  if (values.help === true) return 'help';
  const quick = values.quick === true;
  return {
    cases: oneOf('--only', values.only, CASES),
    clients: (values.clients ?? (quick ? '1,40' : '1,40,120,500'))
      .split(',')
      .map((text) => positive('--clients', text, 10_000)),
    rounds: positive('--rounds', values.rounds ?? (quick ? '1' : '3'), 100),
    seconds: positive('--seconds', values.seconds ?? (quick ? '3' : '5'), 3_600),
    poolSize: positive('--pool-size', values['pool-size'] ?? '20', 1_000),
    workers: positive('--workers', values.workers ?? '1', 64),
    scale: positive('--scale', values.scale ?? '10', 1_000),
    largeMB: positive('--large-mb', values['large-mb'] ?? (quick ? '100' : '500'), 100_000),
    idleClients: positive('--idle-clients', values['idle-clients'] ?? (quick ? '1000' : '10000'), 10_000),
    heapQueries: positive(
      '--heap-queries',
      values['heap-queries'] ?? (quick ? '100000' : '1000000'),
      100_000_000,
    ),
    backends: oneOf('--backends', values.backends, IO_BACKENDS),
    ours: values.ours ?? 'dist/cli/pg_doorman.js',
    peers: (values.peer ?? []).map(namedPeer),
    poolers: values.poolers?.split(',') ?? [],
    postgresBin: values['postgres-bin'] ?? null,
    pgbench: values.pgbench ?? 'pgbench',
    jsonFile: values.json ?? null,
  };
}

function parseValues(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        only: text,
        clients: text,
        rounds: text,
        seconds: text,
        quick: { type: 'boolean' },
        'pool-size': text,
        workers: text,
        scale: text,
        'large-mb': text,
        'idle-clients': text,
        'heap-queries': text,
        backends: text,
        ours: text,
        peer: { type: 'string', multiple: true },
        poolers: text,
        'postgres-bin': text,
        pgbench: text,
        json: text,
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function positive(option: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new UsageError(`${option} takes whole numbers from 1 to ${max}, not "${text}"`);
  return value;
}

function oneOf<T extends string>(option: string, text: string | undefined, all: readonly T[]): readonly T[] {
  if (text === undefined) return all;
  const wanted = text.split(',');
  for (const word of wanted)
    if (!all.some((known) => known === word))
      throw new UsageError(`${option} takes ${all.join(', ')}, not "${word}"`);
  return all.filter((known) => wanted.includes(known));
}

function namedPeer(text: string): NamedPeer {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw new UsageError(`--peer takes NAME=FILE, not "${text}"`);
  return { name: text.slice(0, at), executable: text.slice(at + 1) };
}
