/** What is measured every few seconds: the process from /proc, the pooler from its admin console, the flows. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Interval } from './open-loop.js';
import type { Pooler } from './pooler.js';

export interface Sample {
  /** Since the load began. */
  readonly second: number;
  /** Resident, and its part of what it shares with others; bytes. */
  readonly rss: number;
  readonly pss: number;
  readonly descriptors: number;
  readonly clients: number;
  readonly servers: number;
  /** Prepared on all servers together. */
  readonly statements: number;
  readonly flowsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** `seconds` is how long the interval was. */
export async function sample(
  pooler: Pooler,
  second: number,
  seconds: number,
  { flows, latenciesMs }: Interval,
): Promise<Sample> {
  const memory = readFileSync(`/proc/${pooler.pid}/smaps_rollup`, 'latin1');
  const descriptors = readdirSync(`/proc/${pooler.pid}/fd`).length;
  const servers = await pooler.admin('show servers');
  return {
    second: Math.round(second),
    rss: kilobytes(memory, 'Rss') * 1024,
    pss: kilobytes(memory, 'Pss') * 1024,
    descriptors,
    clients: (await pooler.admin('show clients')).length,
    servers: servers.length,
    statements: servers.reduce((sum, server) => sum + Number(server.prepare_cache_size), 0),
    flowsPerSecond: Math.round((flows / seconds) * 10) / 10,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
  };
}

/** Of sorted values; 0 when there are none. To the microsecond. */
function percentile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return Math.round(value * 1000) / 1000;
}

/** proc_pid_smaps_rollup(5). */
function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN);
}
