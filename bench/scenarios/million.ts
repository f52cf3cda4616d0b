/** Very many small queries: whether memory grows with them. Measured from a warm start and in two halves: what grows in
 *  the first only is a heap finding its size, what grows in both is lost. */

import type { Pooler } from '../pooler.js';
import { settledBytesOf } from '../process-usage.js';
import { type Bench, type Figures, inTurns, type Scenario } from './scenario.js';

const CLIENTS = 40;
/** Of the queries, run before the first look. */
const WARM_UP_SHARE = 0.05;

export const million: Scenario = {
  columns: [
    { figure: 'beforeMB', title: 'RSS MB before', digits: 1 },
    { figure: 'halfMB', title: 'after half', digits: 1 },
    { figure: 'afterMB', title: 'after all', digits: 1 },
    { figure: 'grownBytesPerQuery', title: 'bytes/query', digits: 2 },
    { figure: 'tps', title: 'TPS', digits: 0, isCompared: true },
  ],

  run(bench) {
    const { smallQueries } = bench.options;
    return inTurns(bench, 'million', `${smallQueries} queries`, 1, (pooler) =>
      measure(bench, pooler, smallQueries),
    );
  },
};

async function measure(bench: Bench, pooler: Pooler, count: number): Promise<Figures> {
  await pooler.restart();
  const { address, pid } = pooler;
  const bytesAfter = async (transactions: number) => {
    const { tps } = await bench.pgbench.run({
      address,
      transaction: 'account',
      protocol: 'extended',
      clients: CLIENTS,
      length: { transactions },
    });
    return { tps, bytes: await settledBytesOf(pid) };
  };
  const warm = await bytesAfter(Math.ceil(count * WARM_UP_SHARE));
  const half = await bytesAfter(Math.ceil(count / 2));
  const all = await bytesAfter(Math.ceil(count / 2));
  await pooler.stop();
  return {
    beforeMB: warm.bytes / 1e6,
    halfMB: half.bytes / 1e6,
    afterMB: all.bytes / 1e6,
    grownBytesPerQuery: (all.bytes - warm.bytes) / count,
    tps: (half.tps + all.tps) / 2,
  };
}
