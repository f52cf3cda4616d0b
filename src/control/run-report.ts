/** What the log says at the beginning and at the end of a run: with what it runs, and what it has done. */
import { readFileSync } from 'node:fs';
import type { LoadedConfiguration } from '../config/load.js';
import { Counter } from '../pooler/counters.js';
import type { LogFields } from '../pooler/log-fields.js';
import type { Resolved } from './data-plane-settings.js';
import type { Statistics } from './statistics.js';
import { VERSION } from './version.js';

const MB = 1024 * 1024;

/** How clients reach it, and how it does its I/O. */
interface Serving {
  readonly port: number;
  readonly backend: string;
  readonly why: string;
}

/** Without what is secret. */
export function startLines(
  { files }: LoadedConfiguration,
  { settings, pools }: Resolved,
  { port, backend, why }: Serving,
): string[] {
  const { host, workerThreads, maxConnections, maxMemoryUsage } = settings;
  const databases = new Set(pools.map(({ database }) => database)).size;
  const servers = pools.reduce((sum, { poolSize }) => sum + poolSize, 0);
  const memory = `${Math.round(maxMemoryUsage / MB)} MB for unfinished messages`;
  return [
    `configuration: ${files.join(', ')}`,
    `pools: ${pools.length} of ${counted(databases, 'database')}, with ${counted(servers, 'server')} at most`,
    `limits: ${counted(maxConnections, 'client')}, ${memory}, ${counted(openFilesMax(), 'open file')}`,
    `I/O by ${backend}: ${why}; ${counted(workerThreads, 'worker thread')}`,
    `listening on ${host}:${port}, pg_doorman ${VERSION}, pid ${process.pid}`,
  ];
}

/** Of all pools, since the start. */
export function totals(statistics: Statistics, pools: Iterable<readonly [number, unknown]>): LogFields {
  const numbers = [...pools].map(([pool]) => pool);
  const sum = (counter: Counter): number => {
    let total = 0;
    for (const pool of numbers) total += statistics.ofPool(pool).total(counter);
    return total;
  };
  return {
    transactions: sum(Counter.Transactions),
    queries: sum(Counter.Queries),
    errors: sum(Counter.Errors),
    duration_ms: Math.round(process.uptime() * 1000),
  };
}

/** How many descriptors the process may have: RLIMIT_NOFILE. Infinity: without limit. */
export function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
}

function counted(count: number, what: string): string {
  return `${Number.isFinite(count) ? count : 'any number of'} ${what}${count === 1 ? '' : 's'}`;
}
