/** pgbench through a pooler for some seconds, and what that cost the pooler. */

import type { Load, Pgbench } from '../pgbench.js';
import type { Pooler } from '../pooler.js';
import { difference } from '../process-usage.js';
import { type Column, cpuColumns, cpuFigures, type Figures } from './scenario.js';

export const STEADY_LOAD_COLUMNS: readonly Column[] = [
  { figure: 'tps', title: 'TPS', digits: 0, isCompared: true },
  { figure: 'p50Ms', title: 'p50 ms', digits: 3 },
  { figure: 'p95Ms', title: 'p95 ms', digits: 3 },
  { figure: 'p99Ms', title: 'p99 ms', digits: 3 },
  ...cpuColumns('µs/query'),
  { figure: 'rssMB', title: 'RSS MB', digits: 1 },
];

/** Figures of STEADY_LOAD_COLUMNS. */
export async function steadyLoad(
  pgbench: Pgbench,
  pooler: Pooler,
  what: Omit<Load, 'address' | 'length'>,
  seconds: number,
): Promise<Figures> {
  const load = { ...what, address: pooler.address };
  pooler.forgetPeak();
  const begin = pooler.cpuTime();
  // Logins are no queries: what a run of one transaction per client costs is taken off.
  await pgbench.run({ ...load, length: { transactions: load.clients } });
  const middle = pooler.cpuTime();
  const { transactions, ...figures } = await pgbench.run({ ...load, length: { seconds } });
  const cpu = difference(difference(begin, middle), difference(middle, pooler.cpuTime()));
  return { ...figures, ...cpuFigures(cpu, transactions - load.clients), rssMB: pooler.peakBytes() / 1e6 };
}
