/** patroni_proxy beside HAProxy in TCP mode, both before one PostgreSQL that a Patroni API says is the leader: small
 *  queries, large results, and idle connections, which cost a proxy two sockets each. */

import { setTimeout as sleep } from 'node:timers/promises';
import { NotPossible } from '../errors.js';
import { IdleMember } from '../idle-member.js';
import { NODE_HOSTS, PatroniStandIn } from '../patroni-stand-in.js';
import { findProxies } from '../peers.js';
import type { Pooler } from '../pooler.js';
import { freePort } from '../ports.js';
import { RawConnection } from '../raw-connection.js';
import { measureIdle } from './idle.js';
import { measureTransfer, TRANSFERS } from './large.js';
import { type Bench, cpuColumns, type Figures, inTurns, type Row, type Scenario } from './scenario.js';
import { steadyLoad } from './steady-load.js';

/** Each has a server of its own. */
export const PROXY_CLIENTS = [40, 120] as const;
const LOAD = { transaction: 'account', protocol: 'simple' } as const;
const WARM_UP = { clients: 40, length: { seconds: 5 } };
/** Changes of the leader, at any moment between two questions of the proxy. */
const CHANGES = 10;
/** The default of both proxies. */
const INTERVAL_MS = 3000;
const CHANGE_LIMIT_MS = 60_000;
const LOGIN_PAUSE_MS = 10;

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
    { figure: 'movedMs', title: 'at the new leader after ms', digits: 0 },
    { figure: 'movedMaxMs', title: 'at most (≤ 3100)', digits: 0 },
  ],

  async run(bench) {
    for (const pooler of bench.poolers) await pooler.stop();
    const proxies = await findProxies(bench.options, bench.children, bench.note);
    const api = await PatroniStandIn.start();
    const idlePort = await freePort();
    const members = await Promise.all(NODE_HOSTS.map((host) => IdleMember.start(host, idlePort)));
    const before = (port: number): Bench => ({
      ...bench,
      poolers: proxies.map((contestant) =>
        bench.newPooler(contestant, { patroniApi: api.port, server: { host: '127.0.0.1', port } }),
      ),
    });
    try {
      const postgres = before(bench.postgres.address.port);
      const rows = [...(await queries(postgres)), ...(await transfers(postgres))];
      for (const pooler of postgres.poolers) await pooler.stop();
      const { idleClients } = bench.options;
      const idle = before(idlePort);
      rows.push(
        ...(await inTurns(idle, 'proxy', `${idleClients} idle`, 1, (pooler) =>
          measureIdle(pooler, idleClients, 2),
        )),
        ...(await inTurns(idle, 'proxy', `${CHANGES} leader changes`, 1, (pooler) =>
          measureChanges(pooler, api, members),
        )),
      );
      for (const pooler of idle.poolers) await pooler.stop();
      return rows;
    } finally {
      api.stop();
      for (const member of members) member.stop();
    }
  },
};

async function queries(bench: Bench): Promise<Row[]> {
  const { pgbench, options } = bench;
  const warmPids = new Set<number>();
  const measure = async (pooler: Pooler, clients: number): Promise<Figures> => {
    const { address, pid } = pooler;
    if (!warmPids.has(pid)) await pgbench.run({ address, ...LOAD, ...WARM_UP });
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

async function measureChanges(
  pooler: Pooler,
  api: PatroniStandIn,
  members: readonly IdleMember[],
): Promise<Figures> {
  const took: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    await sleep(INTERVAL_MS * (1 + change / CHANGES));
    const next = members.find(({ host }) => host !== api.leader);
    if (next === undefined) throw new NotPossible('there is nobody else to lead');
    api.leader = next.host;
    took.push(await loginReaches(pooler, next));
  }
  took.sort((a, b) => a - b);
  return { movedMs: took[took.length >> 1] ?? Number.NaN, movedMaxMs: took.at(-1) ?? Number.NaN };
}

/** Logs in again and again until it is at this member; returns how long that took. Milliseconds. */
async function loginReaches({ address }: Pooler, member: IdleMember): Promise<number> {
  const [begunMs, logins] = [performance.now(), member.logins];
  while (member.logins === logins) {
    if (performance.now() - begunMs > CHANGE_LIMIT_MS)
      throw new NotPossible(`no client reaches the new leader in ${CHANGE_LIMIT_MS / 1000} s`);
    const connection = await RawConnection.open(address, CHANGE_LIMIT_MS).catch(() => null);
    connection?.close();
    await sleep(LOGIN_PAUSE_MS);
  }
  return performance.now() - begunMs;
}
