/** `npm run chain`: clients → patroni_proxy → pg_doorman → PostgreSQL through switchovers and the sudden death of leaders,
 *  beside HAProxy before the same poolers at the same moments. Tells what clients saw, as a table; docs/patroni-proxy.md
 *  has the figures. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProxyProcess } from '../../patroni/proxy-process.js';
import { portSection } from '../../patroni/scene.js';
import { Doorman } from '../../support/doorman.js';
import { freePort } from '../../support/free-port.js';
import { install, PATRONI } from '../installation.js';
import { NODES, PatroniCluster } from '../patroni-cluster.js';
import { ChainClient } from './chain-client.js';
import { Haproxy } from './haproxy.js';
import { PgbenchLoad } from './pgbench-load.js';

const SWITCHOVERS = Number(process.env.SWITCHOVERS ?? 5);
const KILLS = Number(process.env.KILLS ?? 2);
const WRITERS = 6;
const READERS = 4;
/** Seconds between two questions of a proxy. 3 is the default of both. */
const INTERVALS = [3, 1] as const;
const STEADY_MS = 3000;
const RECOVERED_LIMIT_MS = 60_000;
const LOOK_MS = 100;
const WRITE = 'INSERT INTO chain DEFAULT VALUES RETURNING host(inet_server_addr())';
const READ = 'SELECT host(inet_server_addr())';

/** One proxy and its clients. */
interface Lane {
  readonly name: string;
  readonly writers: readonly ChainClient[];
  readonly readers: readonly ChainClient[];
  readonly pgbench: PgbenchLoad;
}

interface Seen {
  readonly lane: string;
  readonly event: string;
  readonly writersPauseMs: number;
  readonly readersPauseMs: number;
  readonly pgbenchPauseMs: number;
  /** How often pgbench, having ended, was started again. */
  readonly restarts: number;
  readonly errors: ReadonlyMap<string, number>;
  /** Connections that were lost though their node stayed what it was. */
  readonly lostForNothing: number;
}

async function main(): Promise<void> {
  const cluster = await PatroniCluster.start(PATRONI);
  const endings: (() => Promise<unknown>)[] = [() => cluster.remove()];
  try {
    await cluster.query(await cluster.leader(), 'CREATE TABLE chain (at timestamptz DEFAULT now())');
    PgbenchLoad.prepare(addressOf(await cluster.leader()), cluster.port);
    const poolerPort = await freePort();
    for (const name of NODES) {
      const doorman = await startDoorman(name, poolerPort, cluster.port);
      endings.unshift(() => doorman.stop());
    }
    const lanes: Lane[] = [];
    for (const interval of INTERVALS) {
      lanes.push(await oursLane(interval, cluster, poolerPort, endings));
      lanes.push(await haproxyLane(interval, cluster, poolerPort, endings));
    }
    const seen: Seen[] = [];
    for (let i = 0; i < SWITCHOVERS; i++)
      seen.push(...(await watched('switchover', cluster, lanes, switchOver)));
    for (let i = 0; i < KILLS; i++)
      seen.push(...(await watched('kill -9 of the leader', cluster, lanes, kill)));
    console.log(tableOf(seen));
  } finally {
    for (const end of endings) await end();
  }
}

const addressOf = (node: string): string => `127.0.0.${node.at(-1)}`;

function startDoorman(node: string, port: number, serverPort: number): Promise<Doorman> {
  const host = addressOf(node);
  return Doorman.start({
    general: { host, port, pg_hba: 'host all all 127.0.0.0/8 trust' },
    pools: {
      postgres: {
        server_host: host,
        server_port: serverPort,
        users: [{ username: 'postgres', password: '', pool_size: 20 }],
      },
    },
  });
}

async function oursLane(
  interval: number,
  { apis }: PatroniCluster,
  poolerPort: number,
  endings: (() => Promise<unknown>)[],
): Promise<Lane> {
  const proxy = await ProxyProcess.start({
    cluster_update_interval: interval,
    clusters: {
      c: {
        hosts: apis,
        ports: {
          leader: portSection(poolerPort, ['leader']),
          replicas: portSection(poolerPort, ['sync', 'async']),
        },
      },
    },
  });
  endings.unshift(() => proxy.stop());
  const ports = [await proxy.portOf('leader'), await proxy.portOf('replicas')] as const;
  return lane(`patroni_proxy, ${interval} s`, ports, endings);
}

async function haproxyLane(
  interval: number,
  { apis }: PatroniCluster,
  poolerPort: number,
  endings: (() => Promise<unknown>)[],
): Promise<Lane> {
  const apiPort = Number(new URL(apis[0] ?? '').port);
  const haproxy = await Haproxy.start(interval, poolerPort, apiPort);
  endings.unshift(() => haproxy.stop());
  return lane(`HAProxy, inter ${interval}s`, [haproxy.leaderPort, haproxy.replicasPort], endings);
}

function lane(
  name: string,
  [leader, replicas]: readonly [number, number],
  endings: (() => Promise<unknown>)[],
): Lane {
  const writers = Array.from({ length: WRITERS }, () => new ChainClient(leader, WRITE));
  const readers = Array.from({ length: READERS }, () => new ChainClient(replicas, READ));
  const pgbench = new PgbenchLoad(leader);
  endings.unshift(() => Promise.all([...writers, ...readers, pgbench].map((client) => client.end())));
  return { name, writers, readers, pgbench };
}

type Event = (
  cluster: PatroniCluster,
) => Promise<{ affected: readonly string[]; after: () => Promise<void> }>;

const switchOver: Event = async (cluster) => {
  const from = await cluster.leader();
  const to = NODES.find((name) => name !== from) ?? from;
  await cluster.switchover(from, to);
  await cluster.untilLeads(to);
  return { affected: [from, to], after: () => cluster.untilWhole() };
};

const kill: Event = async (cluster) => {
  const dead = await cluster.leader();
  await cluster.killNode(dead);
  const next = await cluster.untilLedByAnother(dead);
  const after = async (): Promise<void> => {
    cluster.startNode(dead);
    await cluster.untilWhole();
  };
  return { affected: [dead, next], after };
};

/** What every lane's clients saw of an event. */
async function watched(
  name: string,
  cluster: PatroniCluster,
  lanes: readonly Lane[],
  event: Event,
): Promise<Seen[]> {
  const all = lanes.flatMap(({ writers, readers, pgbench }) => [...writers, ...readers, pgbench]);
  await sleep(STEADY_MS); // checks of HAProxy that count what has been
  await untilServed(all, STEADY_MS);
  for (const client of all) client.forget();
  const { affected, after } = await event(cluster);
  await untilServed(all, STEADY_MS);
  const seen = lanes.map((each) => seenBy(each, name, affected));
  console.error(seen.map((each) => `${each.event}: ${rowOf(each.lane, [each])}`).join('\n'));
  await after();
  return seen;
}

/** Returns when everybody has been answered again and again for so long. */
async function untilServed(clients: readonly (ChainClient | PgbenchLoad)[], stillMs: number): Promise<void> {
  const limitMs = performance.now() + RECOVERED_LIMIT_MS;
  const quietMs = stillMs / 3;
  for (let sinceMs = performance.now(); performance.now() - sinceMs < stillMs; ) {
    if (performance.now() > limitMs) throw new Error('clients are not served again');
    if (clients.some(({ silentMs }) => silentMs > quietMs)) sinceMs = performance.now();
    await sleep(LOOK_MS);
  }
}

function seenBy({ name, writers, readers, pgbench }: Lane, event: string, affected: readonly string[]): Seen {
  const errors = new Map<string, number>();
  for (const client of [...writers, ...readers])
    for (const [code, count] of client.errors) errors.set(code, (errors.get(code) ?? 0) + count);
  const longest = (clients: readonly ChainClient[]) =>
    Math.max(...clients.map(({ longestPauseMs }) => longestPauseMs));
  return {
    lane: name,
    event,
    writersPauseMs: longest(writers),
    readersPauseMs: longest(readers),
    pgbenchPauseMs: pgbench.longestPauseMs,
    restarts: pgbench.restarts,
    errors,
    lostForNothing: readers.flatMap(({ lost }) => lost).filter((node) => !affected.includes(node)).length,
  };
}

function tableOf(seen: readonly Seen[]): string {
  const pauses = 'writers paused s | readers paused s | pgbench paused s';
  const titles = `event | proxy | ${pauses} | errors | pgbench started again | lost for nothing`;
  const rows = [...new Set(seen.map(({ event }) => event))].flatMap((event) => {
    const lanes = [...new Set(seen.map(({ lane }) => lane))];
    return lanes.map((name) => {
      const those = seen.filter((each) => each.event === event && each.lane === name);
      return `${event} × ${those.length} | ${rowOf(name, those)}`;
    });
  });
  return [titles, ...rows].join('\n');
}

/** Pauses: the median and the longest. Errors and lost connections: those of all events. */
function rowOf(name: string, seen: readonly Seen[]): string {
  const errors = new Map<string, number>();
  for (const each of seen)
    for (const [code, count] of each.errors) errors.set(code, (errors.get(code) ?? 0) + count);
  const byCode = [...errors].map(([code, count]) => `${count} × ${code}`).join(', ');
  const lost = seen.reduce((sum, { lostForNothing }) => sum + lostForNothing, 0);
  const restarts = seen.reduce((sum, each) => sum + each.restarts, 0);
  const pauses = [
    seen.map((each) => each.writersPauseMs),
    seen.map((each) => each.readersPauseMs),
    seen.map((each) => each.pgbenchPauseMs),
  ];
  return [name, ...pauses.map(spread), byCode === '' ? 'none' : byCode, restarts, lost].join(' | ');
}

function spread(ms: readonly number[]): string {
  const sorted = ms.toSorted((a, b) => a - b);
  const seconds = (at: number) => ((sorted[at] ?? 0) / 1000).toFixed(1);
  return `${seconds(sorted.length >> 1)} (${seconds(sorted.length - 1)})`;
}

function missingProgram(): string {
  if (!existsSync('/usr/sbin/haproxy')) return 'HAProxy is not on this machine (Debian: haproxy)';
  return existsSync('/usr/bin/pgbench') ? '' : 'pgbench is not on this machine (Debian: postgresql)';
}

const missing = install() || missingProgram();
if (missing === '') await main();
else {
  console.error(`npm run chain: ${missing}`);
  process.exitCode = 1;
}
