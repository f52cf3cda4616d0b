/** patroni_proxy beside HAProxy in TCP mode, both before one PostgreSQL that a Patroni API says is the leader: small
 *  queries, large results, and idle connections, which cost a proxy two sockets each. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Pooler } from '../pooler.js';
import { CHECK_INTERVAL_MS, withProxies } from '../proxies.js';
import { idleFigures, openPlain } from './idle.js';
import { measureTransfer, TRANSFERS } from './large.js';
import { type Bench, cpuColumns, type Figures, inTurns, type Row, type Scenario } from './scenario.js';
import { steadyLoad } from './steady-load.js';

/** Each has a server of its own. */
export const PROXY_CLIENTS = [40, 120] as const;
const LOAD = { transaction: 'account', protocol: 'simple' } as const;
const WARM_UP = { clients: 40, length: { seconds: 5 } };

export const proxy: Scenario = {
  columns: [
    { figure: 'tps', title: 'TPS', digits: 0, isCompared: true },
    { figure: 'mbPerSecond', title: 'MB/s', digits: 0, isCompared: true },
    { figure: 'p50Ms', title: 'p50 ms', digits: 3 },
    { figure: 'p99Ms', title: 'p99 ms', digits: 3 },
    ...cpuColumns('µs/query, ms/MB'),
    { figure: 'rssMB', title: 'RSS MB', digits: 1 },
    { figure: 'startMB', title: 'at start', digits: 1 },
    { figure: 'idleMB', title: 'with clients', digits: 1 },
    { figure: 'leftMB', title: 'after them', digits: 1 },
    { figure: 'bytesPerClient', title: 'bytes/client (≤ 1024)', digits: 0, isCompared: true },
  ],

  run(bench) {
    return withProxies(bench, async (before, members) => {
      const postgres = before(bench.postgres.address.port);
      const rows = [...(await queries(postgres)), ...(await transfers(postgres))];
      for (const pooler of postgres.poolers) await pooler.stop();
      const { idleClients } = bench.options;
      const idle = before(members.port);
      return [
        ...rows,
        ...(await inTurns(idle, 'proxy', `${idleClients} idle`, 1, (pooler) =>
          idleFigures(pooler, idleClients, openPlain(pooler), 2),
        )),
      ];
    });
  },
};

async function queries(bench: Bench): Promise<Row[]> {
  const { pgbench, options } = bench;
  const warmPids = new Set<number>();
  const measure = async (pooler: Pooler, clients: number): Promise<Figures> => {
    const { address, pid } = pooler;
    if (!warmPids.has(pid)) {
      await sleep(CHECK_INTERVAL_MS); // HAProxy believes in every server until it has looked
      await pgbench.run({ address, ...LOAD, ...WARM_UP });
    }
    warmPids.add(pid);
    return steadyLoad(pgbench, pooler, { ...LOAD, clients }, options.seconds);
  };
  const rows: Row[] = [];
  for (const clients of PROXY_CLIENTS) {
    const name = `${LOAD.protocol} × ${clients}`;
    rows.push(...(await inTurns(bench, 'proxy', name, options.rounds, (pooler) => measure(pooler, clients))));
  }
  return rows;
}

async function transfers(bench: Bench): Promise<Row[]> {
  const { largeMB, rounds } = bench.options;
  const rows: Row[] = [];
  for (const { name, transfer } of TRANSFERS)
    rows.push(
      ...(await inTurns(bench, 'proxy', `${name} ${largeMB} MB`, rounds, (pooler) =>
        measureTransfer(pooler, largeMB, 1, transfer),
      )),
    );
  return rows;
}
