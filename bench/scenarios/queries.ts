/** Small queries: `pgbench -S` by each protocol with few and many clients. */

import { NotPossible } from '../errors.js';
import type { Protocol } from '../options.js';
import { keepsPreparedStatements } from '../peers.js';
import type { Pooler } from '../pooler.js';
import { cpuTimeOf, difference, forgetPeakOf, peakBytesOf } from '../process-usage.js';
import { type Bench, cpuColumns, cpuFigures, type Figures, inTurns, type Scenario } from './scenario.js';

/** An uncounted run before a protocol is measured: caches fill, V8 compiles. */
const WARM_UP = { clients: 40, length: { seconds: 5 } };

export const queries: Scenario = {
  columns: [
    { figure: 'tps', title: 'TPS', digits: 0, isCompared: true },
    { figure: 'p50Ms', title: 'p50 ms', digits: 3 },
    { figure: 'p95Ms', title: 'p95 ms', digits: 3 },
    { figure: 'p99Ms', title: 'p99 ms', digits: 3 },
    ...cpuColumns('µs/query'),
    { figure: 'rssMB', title: 'RSS MB', digits: 1 },
  ],

  async run(bench) {
    const rows = [];
    for (const protocol of bench.options.protocols) {
      const warmPids = new Set<number>();
      for (const clients of bench.options.clients)
        rows.push(
          ...(await inTurns(bench, 'queries', `${protocol} × ${clients}`, bench.options.rounds, (pooler) =>
            measure(bench, pooler, protocol, clients, warmPids),
          )),
        );
    }
    return rows;
  },
};

async function measure(
  { pgbench, options }: Bench,
  pooler: Pooler,
  protocol: Protocol,
  clients: number,
  warmPids: Set<number>,
): Promise<Figures> {
  if (protocol === 'prepared' && !keepsPreparedStatements(pooler.contestant))
    throw new NotPossible(`not supported by ${pooler.contestant.version}`);
  const { address, pid } = pooler;
  if (!warmPids.has(pid)) await pgbench.run({ address, protocol, ...WARM_UP });
  warmPids.add(pid);

  forgetPeakOf(pid);
  const begin = cpuTimeOf(pid);
  // Logins are no queries: what a run of one transaction per client costs is taken off.
  await pgbench.run({ address, protocol, clients, length: { transactions: clients } });
  const middle = cpuTimeOf(pid);
  const load = { address, protocol, clients, length: { seconds: options.seconds } };
  const { transactions, ...figures } = await pgbench.run(load);
  const cpu = difference(difference(begin, middle), difference(middle, cpuTimeOf(pid)));
  return { ...figures, ...cpuFigures(cpu, transactions - clients), rssMB: peakBytesOf(pid) / 1e6 };
}
