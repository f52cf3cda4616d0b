/** More threads: throughput and cost per query with 1, 2 and 4 of them, before a PostgreSQL that has the least to do
 *  (SELECT 1 over its unix socket). PgBouncer is run as so many processes. */

import type { Pooler } from '../pooler.js';
import { type Bench, type Figures, oneByOne, type Row, type Scenario } from './scenario.js';
import { STEADY_LOAD_COLUMNS, steadyLoad } from './steady-load.js';

const LOAD = { transaction: 'SELECT 1', protocol: 'simple', clients: 40 } as const;
/** Every pooler is new: caches fill, and V8 compiles for each thread anew. Of each thread. */
const WARM_UP_SECONDS = 4;

export const scaling: Scenario = {
  columns: [
    ...STEADY_LOAD_COLUMNS,
    { figure: 'tpsOfFirst', title: 'TPS ×', digits: 2 },
    { figure: 'cpuOfFirst', title: 'CPU × (≤ 1.15)', digits: 2 },
  ],

  async run(bench) {
    const { workerCounts, rounds, poolSize } = bench.options;
    const { socketDirectory, address } = bench.postgres;
    const poolers = bench.contestants.flatMap((contestant) =>
      workerCounts.map((workers) =>
        bench.newPooler(
          contestant.kind === 'pgbouncer' ? { ...contestant, processes: workers } : contestant,
          { workers, poolSize, server: { host: socketDirectory, port: address.port } },
        ),
      ),
    );
    const rows = await oneByOne(bench, poolers, 'scaling', 'workers', rounds, (pooler) =>
      measure(bench, pooler),
    );
    const named = rows.map((row, at) => ({ ...row, case: `${poolers[at]?.setup.workers ?? 0} workers` }));
    return named.map((row) => besideFirst(row, named));
  },
};

async function measure({ pgbench, options }: Bench, pooler: Pooler): Promise<Figures> {
  await pgbench.run({
    ...LOAD,
    address: pooler.address,
    length: { seconds: WARM_UP_SECONDS * pooler.setup.workers },
  });
  return steadyLoad(pgbench, pooler, LOAD, options.seconds);
}

/** With its ratios to the same pooler with the first number of workers. */
function besideFirst(row: Row, rows: readonly Row[]): Row {
  const first = rows.find(({ pooler }) => pooler === row.pooler)?.figures;
  if (row.figures === null) return row;
  const ratio = (figure: string) => (row.figures?.[figure] ?? Number.NaN) / (first?.[figure] ?? Number.NaN);
  return { ...row, figures: { ...row.figures, tpsOfFirst: ratio('tps'), cpuOfFirst: ratio('cpu') } };
}
