/** Small queries: `pgbench -S` by each protocol with few and many clients. */

import { NotPossible } from '../errors.js';
import type { Protocol } from '../options.js';
import { keepsPreparedStatements } from '../peers.js';
import type { Pooler } from '../pooler.js';
import { type Bench, type Figures, inTurns, type Scenario } from './scenario.js';
import { STEADY_LOAD_COLUMNS, steadyLoad } from './steady-load.js';

/** An uncounted run before a protocol is measured: caches fill, and V8 goes on to compile for so long. */
const WARM_UP = { clients: 40, length: { seconds: 15 } };

export const queries: Scenario = {
  columns: STEADY_LOAD_COLUMNS,

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
  const load = { transaction: 'account', protocol } as const;
  if (!warmPids.has(pid)) await pgbench.run({ address, ...load, ...WARM_UP });
  warmPids.add(pid);
  return steadyLoad(pgbench, pooler, { ...load, clients }, options.seconds);
}
