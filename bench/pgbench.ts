/** Runs pgbench and reads what it says: throughput from its summary, latencies from a sampled log, the pace from its
 *  progress lines. PostgreSQL manual, "pgbench". */

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Children } from './children.js';
import { ProgramFailed } from './errors.js';
import type { Address } from './raw-connection.js';
import { percentile } from './statistics.js';

export type Protocol = 'simple' | 'extended' | 'prepared';

/** One run of `pgbench -S`. */
export interface Load {
  readonly address: Address;
  readonly protocol: Protocol;
  readonly clients: number;
  /** How long, or how many transactions in all. */
  readonly length: { readonly seconds: number } | { readonly transactions: number };
  /** A connection for each transaction (-C). */
  readonly reconnects?: boolean;
  /** Called about once a second with the transactions since the run's begin. */
  readonly onProgress?: (transactions: number) => void;
}

export interface LoadResult {
  /** Without the time for connecting, unless that is what is measured. */
  readonly transactionsPerSecond: number;
  readonly transactions: number;
  /** Milliseconds. */
  readonly latencyP50: number;
  readonly latencyP95: number;
  readonly latencyP99: number;
}

/** Of all transactions this share gets into the log: enough for p99, too few to cost anything. */
const SAMPLING_RATE = 0.1;
/** How much longer than asked for a run may take. */
const GRACE_MS = 60_000;
/** Slowest pace that a run of a given number of transactions is expected to have, per second. */
const SLOWEST_PACE = 3_000;

export class Pgbench {
  private runs = 0;

  constructor(
    private readonly children: Children,
    private readonly program: string,
    private readonly directory: string,
  ) {}

  /** "15.20". Throws ProgramFailed when there is no pgbench. */
  async version(): Promise<string> {
    const text = await this.children.run(this.program, ['--version'], GRACE_MS);
    return /\d+(\.\d+)+/.exec(text)?.[0] ?? text.trim();
  }

  /** Makes pgbench's tables. Throws ProgramFailed. */
  async initialize(address: Address, scale: number): Promise<void> {
    const args = ['-i', '-q', '-s', String(scale), ...addressArgs(address)];
    await this.children.run(this.program, args, GRACE_MS * (1 + scale / 10), { env: environment() });
  }

  /** Throws ProgramFailed, also when any transaction failed. */
  async run(load: Load): Promise<LoadResult> {
    const prefix = join(this.directory, `pgbench-${++this.runs}`);
    const jobs = Math.min(2, availableParallelism(), load.clients);
    const args = [
      ...['-n', '-S', '-M', load.protocol, '-c', String(load.clients), '-j', String(jobs), '-P', '1'],
      ...['-l', `--sampling-rate=${SAMPLING_RATE}`, `--log-prefix=${prefix}`],
      ...lengthArgs(load),
      ...(load.reconnects === true ? ['-C'] : []),
      ...addressArgs(load.address),
    ];
    const pace = new Pace(load.onProgress);
    const options = { env: environment(), cwd: this.directory };
    try {
      const output = await this.children.run(this.program, args, timeoutMs(load), options, (line) => {
        pace.onErrorLine(line);
      });
      return { ...summaryOf(output), ...latenciesOf(prefix) };
    } finally {
      for (const file of logFilesOf(prefix)) rmSync(file);
    }
  }
}

/** Counts transactions by the progress lines ("progress: 2.0 s, 31270.9 tps, …"): each tells the pace since the last. */
class Pace {
  private seconds = 0;
  private transactions = 0;

  constructor(private readonly onProgress: ((transactions: number) => void) | undefined) {}

  onErrorLine(line: string): void {
    const match = /^progress: ([\d.]+) s, ([\d.]+) tps/.exec(line);
    if (match === null) return;
    const seconds = Number(match[1]);
    this.transactions += Number(match[2]) * (seconds - this.seconds);
    this.seconds = seconds;
    this.onProgress?.(this.transactions);
  }
}

function lengthArgs({ length, clients }: Load): string[] {
  return 'seconds' in length
    ? ['-T', String(length.seconds)]
    : ['-t', String(Math.ceil(length.transactions / clients))];
}

function timeoutMs({ length }: Load): number {
  const seconds = 'seconds' in length ? length.seconds : length.transactions / SLOWEST_PACE;
  return seconds * 1000 + GRACE_MS;
}

function addressArgs({ port, user, database }: Address): string[] {
  return ['-h', '127.0.0.1', '-p', String(port), '-U', user, database];
}

/** No settings of the user's own (PGPORT, PGSERVICE, …), and no question for TLS. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, LD_LIBRARY_PATH } = process.env;
  return { PATH, LD_LIBRARY_PATH, LC_ALL: 'C', PGSSLMODE: 'disable', PGGSSENCMODE: 'disable' };
}

function summaryOf(output: string) {
  const rates = [...output.matchAll(/^tps = ([\d.]+)/gm)];
  const transactions = Number(/^number of transactions actually processed: (\d+)/m.exec(output)?.[1]);
  const failed = Number(/^number of failed transactions: (\d+)/m.exec(output)?.[1] ?? 0);
  if (!(transactions > 0) || failed > 0)
    throw new ProgramFailed('pgbench', `${failed} transactions failed`, output);
  return { transactionsPerSecond: Number(rates.at(-1)?.[1]), transactions };
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
  const milliseconds = (percent: number) => percentile(sorted, percent) / 1000;
  return { latencyP50: milliseconds(50), latencyP95: milliseconds(95), latencyP99: milliseconds(99) };
}

function logFilesOf(prefix: string): string[] {
  const directory = dirname(prefix);
  return readdirSync(directory)
    .filter((name) => name.startsWith(`${basename(prefix)}.`))
    .map((name) => join(directory, name));
}
