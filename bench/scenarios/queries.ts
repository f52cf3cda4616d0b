/** Small queries: `pgbench -S` by each protocol with few and many clients. The CPU is that of the whole run, its logins
 *  included; the memory is the highest of the run. */

import { NotPossible } from '../errors.js';
import { keepsPreparedStatements } from '../peers.js';
import { cpuTimeOf, cpuTimeSince, forgetPeakOf, peakBytesOf } from '../process-usage.js';
import { type Bench, cpuColumns, type Figures, inTurns, type Row, type Scenario } from './scenario.js';

/** An uncounted run before a protocol is measured: caches fill, V8 compiles. */
const WARM_UP = { clients: 40, length: { seconds: 1 } };

export const queries: Scenario = {
  columns: [
    { figure: 'tps', title: 'TPS', digits: 0, isCompared: true },
    { figure: 'p50Ms', title: 'p50 ms', digits: 3 },
    { figure: 'p95Ms', title: 'p95 ms', digits: 3 },
    { figure: 'p99Ms', title: 'p99 ms', digits: 3 },
    ...cpuColumns('µs/query'),
    { figure: 'rssMB', title: 'RSS MB', digits: 1 },
  ],

  async run(bench: Bench): Promise<Row[]> {
    const { protocols, clients: clientCounts, rounds, seconds } = bench.options;
    const rows: Row[] = [];
    for (const protocol of protocols) {
      const warm = new Set<number>();
      for (const clients of clientCounts) {
        const caseName = `${protocol}, ${clients} clients`;
        const measure = async (pooler: Bench['poolers'][number]): Promise<Figures> => {
          if (protocol === 'prepared' && !keepsPreparedStatements(pooler.contestant))
            throw new NotPossible(`not supported by ${pooler.contestant.version}`);
          const { address, pid } = pooler;
          if (!warm.has(pid)) await bench.pgbench.run({ address, protocol, ...WARM_UP });
          warm.add(pid);
          forgetPeakOf(pid);
          const before = cpuTimeOf(pid);
          const load = { address, protocol, clients, length: { seconds } };
          const { transactions, ...figures } = await bench.pgbench.run(load);
          const cpu = cpuTimeSince(pid, before, transactions);
          return {
            ...figures,
            cpu: cpu.total,
            cpuUser: cpu.user,
            cpuSystem: cpu.system,
            rssMB: peakBytesOf(pid) / 1e6,
          };
        };
        rows.push(...(await inTurns(bench, 'queries', caseName, rounds, measure)));
      }
    }
    return rows;
  },
};
