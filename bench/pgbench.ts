/** Runs pgbench and reads what it says: throughput from its summary, latencies from a sampled log.
 *  PostgreSQL manual, "pgbench". */

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Children } from './children.js';
import { ProgramFailed } from './errors.js';
import type { Address } from './messages.js';
import type { Protocol } from './options.js';
import type { Postgres } from './postgres.js';

/** The transaction: `SELECT abalance FROM pgbench_accounts WHERE aid = …`, or the least that there is. */
type Transaction = 'account' | 'SELECT 1';

/** One run. */
export interface Load {
  readonly address: Address;
  readonly transaction: Transaction;
  readonly protocol: Protocol;
  readonly clients: number;
  /** Transactions a second; as many as there can be if it is not said. */
  readonly rate?: number;
  /** How long, or how many transactions in all. */
  readonly length: { readonly seconds: number } | { readonly transactions: number };
  /** Whether every transaction has a connection of its own (-C). */
  readonly reconnects?: boolean;
  /** Of libpq: PGSSLMODE, PGPASSWORD. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Told each second, once all clients have logged in. */
  readonly onProgress?: (progress: Progress) => void;
}

/** A line of pgbench's -P. */
export interface Progress {
  /** Since the beginning. */
  readonly seconds: number;
  /** Of the time since the line before. */
  readonly tps: number;
}

export interface LoadResult {
  /** Transactions per second, without the time for connecting. */
  readonly tps: number;
  readonly transactions: number;
  /** Latencies in milliseconds. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** A hundred thousand accounts each. */
const SCALE = 10;
/** Of all transactions this share gets into the log: enough for p99, too few to cost anything. */
const SAMPLING_RATE = 0.1;
/** How much longer than asked for a run may take. */
const GRACE_MS = 60_000;
/** Slowest pace that a run of a given number of transactions is expected to have, per second. */
const SLOWEST_PACE = 3_000;

export class Pgbench {
  private readonly program: string;
  private runs = 0;

  constructor(
    private readonly children: Children,
    postgres: Postgres,
    /** For its logs. */
    private readonly directory: string,
  ) {
    const beside = join(postgres.bin, 'pgbench');
    this.program = existsSync(beside) ? beside : 'pgbench';
  }

  /** Makes pgbench's tables. Throws ProgramFailed. */
  async initialize(address: Address): Promise<void> {
    const args = ['-i', '-q', '-s', String(SCALE), ...addressArgs(address)];
    await this.children.run(this.program, args, 2 * GRACE_MS, { env: environment() });
  }

  /** Throws ProgramFailed, also when any transaction failed. */
  async run(load: Load): Promise<LoadResult> {
    const { address, transaction, protocol, clients, rate, length, reconnects = false, onProgress } = load;
    const prefix = join(this.directory, `pgbench-${++this.runs}`);
    const jobs = Math.min(Math.max(2, availableParallelism() >> 2), availableParallelism(), clients);
    const byTime = 'seconds' in length;
    const args = [
      ...(transaction === 'account' ? ['-S'] : ['-f', this.scriptOf(transaction)]),
      ...['-n', '-M', protocol, '-c', String(clients), '-j', String(jobs)],
      ...(rate === undefined ? [] : ['-R', String(rate)]),
      ...(reconnects ? ['-C'] : []),
      ...['-l', `--sampling-rate=${SAMPLING_RATE}`, `--log-prefix=${prefix}`],
      ...(byTime ? ['-T', `${length.seconds}`] : ['-t', `${Math.ceil(length.transactions / clients)}`]),
      ...(onProgress === undefined ? [] : ['-P', '1']),
      ...addressArgs(address),
    ];
    const seconds = byTime ? length.seconds : length.transactions / SLOWEST_PACE;
    const onErrorText = (text: string) => {
      for (const progress of progressIn(text)) onProgress?.(progress);
    };
    const options = { env: { ...environment(), ...load.environment }, cwd: this.directory, onErrorText };
    try {
      const output = await this.children.run(this.program, args, seconds * 1000 + GRACE_MS, options);
      return { ...summaryOf(output), ...latenciesOf(prefix) };
    } finally {
      for (const file of logFilesOf(prefix)) rmSync(file);
    }
  }

  private scriptOf(sql: string): string {
    const file = join(this.directory, 'script.sql');
    writeFileSync(file, `${sql};\n`);
    return file;
  }
}

function addressArgs({ port, user, database }: Address): string[] {
  return ['-h', '127.0.0.1', '-p', String(port), '-U', user, database];
}

/** No settings of the user's own (PGPORT, PGSERVICE, …), and no question for TLS unless the load has it. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, LD_LIBRARY_PATH } = process.env;
  return { PATH, LD_LIBRARY_PATH, LC_ALL: 'C', PGSSLMODE: 'disable', PGGSSENCMODE: 'disable' };
}

/** pgbench writes each line at once. */
function progressIn(text: string): Progress[] {
  return [...text.matchAll(/^progress: ([\d.]+) s, ([\d.]+) tps/gm)].map(([, seconds, tps]) => ({
    seconds: Number(seconds),
    tps: Number(tps),
  }));
}

function summaryOf(output: string) {
  const tps = Number(/^tps = ([\d.]+)/m.exec(output)?.[1]);
  const transactions = Number(/^number of transactions actually processed: (\d+)/m.exec(output)?.[1]);
  const failed = Number(/^number of failed transactions: (\d+)/m.exec(output)?.[1] ?? 0);
  if (!(transactions > 0) || failed > 0)
    throw new ProgramFailed('pgbench', `${failed} transactions failed`, output);
  return { tps, transactions };
}

/** The log has a line for each transaction; the third field is its time in microseconds. */
function latenciesOf(prefix: string) {
  const times = logFilesOf(prefix).flatMap((file) =>
    readFileSync(file, 'latin1')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Number(line.split(' ', 3)[2])),
  );
  const sorted = Float64Array.from(times).sort();
  /** The smallest time that `share` of all are not above (nearest rank). */
  const milliseconds = (share: number) =>
    (sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN) / 1000;
  return { p50Ms: milliseconds(0.5), p95Ms: milliseconds(0.95), p99Ms: milliseconds(0.99) };
}

function logFilesOf(prefix: string): string[] {
  const directory = dirname(prefix);
  return readdirSync(directory)
    .filter((name) => name.startsWith(`${basename(prefix)}.`))
    .map((name) => join(directory, name));
}
