/** A load far from what the pooler can do, as most poolers have it most of the time: queries come one by one, at a fixed
 *  rate, and each wakes the pooler: nothing is shared among many. */

import type { Pooler } from '../pooler.js';
import { type Bench, type Figures, inTurns, type Row, type Scenario } from './scenario.js';
import { STEADY_LOAD_COLUMNS, steadyLoad } from './steady-load.js';

const LOAD = { transaction: 'account', protocol: 'simple', clients: 40 } as const;
/** Uncounted: V8 compiles what is used often, and some seconds after such a burst it collects and compiles anew. */
const WARM_UP = { length: { seconds: 5 } };
const SETTLING = { length: { seconds: 15 } };

export const paced: Scenario = {
  columns: STEADY_LOAD_COLUMNS,

  async run(bench) {
    const rows: Row[] = [];
    const warmPids = new Set<number>();
    for (const rate of bench.options.rates) {
      const caseName = `${LOAD.clients} clients, ${rate} queries a second`;
      const added = await inTurns(bench, 'paced', caseName, bench.options.rounds, (pooler) =>
        measure(bench, pooler, rate, warmPids),
      );
      rows.push(...added);
    }
    return rows;
  },
};

async function measure(
  { pgbench, options }: Bench,
  pooler: Pooler,
  rate: number,
  warmPids: Set<number>,
): Promise<Figures> {
  const { address, pid } = pooler;
  if (!warmPids.has(pid)) {
    await pgbench.run({ address, ...LOAD, ...WARM_UP });
    await pgbench.run({ address, ...LOAD, ...SETTLING, rate });
  }
  warmPids.add(pid);
  return steadyLoad(pgbench, pooler, { ...LOAD, rate }, options.seconds);
}
