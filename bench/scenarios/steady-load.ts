/** pgbench through a pooler for some seconds, and what that cost the pooler. */

import { ProgramFailed } from '../errors.js';
import type { Load, Pgbench, Progress } from '../pgbench.js';
import type { Pooler } from '../pooler.js';
import { type CpuTime, difference } from '../process-usage.js';
import { type Column, cpuColumns, cpuFigures, type Figures } from './scenario.js';

export const STEADY_LOAD_COLUMNS: readonly Column[] = [
  { figure: 'tps', title: 'TPS', digits: 0, isCompared: true },
  { figure: 'p50Ms', title: 'p50 ms', digits: 3 },
  { figure: 'p95Ms', title: 'p95 ms', digits: 3 },
  { figure: 'p99Ms', title: 'p99 ms', digits: 3 },
  ...cpuColumns('µs/query'),
  { figure: 'rssMB', title: 'RSS MB', digits: 1 },
];

/** Figures of STEADY_LOAD_COLUMNS. CPU is that of whole seconds in the middle: neither logins nor the end count. */
export async function steadyLoad(
  pgbench: Pgbench,
  pooler: Pooler,
  what: Omit<Load, 'address' | 'length'>,
  seconds: number,
): Promise<Figures> {
  const marks: (Progress & { readonly cpu: CpuTime })[] = [];
  pooler.forgetPeak();
  const { transactions: _, ...figures } = await pgbench.run({
    ...what,
    address: pooler.address,
    length: { seconds: seconds + 2 },
    onProgress: (progress) => marks.push({ ...progress, cpu: pooler.cpuTime() }),
  });
  const first = marks[0];
  const last = marks.at(seconds);
  if (first === undefined || last === undefined)
    throw new ProgramFailed('pgbench', `told of ${marks.length} seconds only`, '');
  let queries = 0;
  let before = first.seconds;
  for (const { seconds: until, tps } of marks.slice(1, seconds + 1)) {
    queries += tps * (until - before);
    before = until;
  }
  return {
    ...figures,
    ...cpuFigures(difference(first.cpu, last.cpu), queries),
    rssMB: pooler.peakBytes() / 1e6,
  };
}
