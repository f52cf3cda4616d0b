/** patroni_proxy before a real Patroni cluster. `install.sh` brings what that needs; where it cannot, nothing is tried,
 *  and the run says so. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ProxyProcess } from '../patroni/proxy-process.js';
import { portSection } from '../patroni/scene.js';
import { install, PATRONI } from './installation.js';
import { NODES, PatroniCluster } from './patroni-cluster.js';

const START_LIMIT_MS = 180_000;
const TEST_LIMIT_MS = 120_000;
const INTERVAL_S = 1;

const why = install();
if (why === '') describe('before a real Patroni cluster', { timeout: 1_500_000 }, tests);
else {
  console.error(`\nTHE TESTS WITH A REAL PATRONI CLUSTER ARE NOT TRIED: ${why}\n`);
  test('before a real Patroni cluster', { skip: `NOT TRIED: ${why}` });
}

function tests(): void {
  let cluster: PatroniCluster;
  let proxy: ProxyProcess;

  before(
    async () => {
      cluster = await PatroniCluster.start(PATRONI);
      proxy = await ProxyProcess.start({
        cluster_update_interval: INTERVAL_S,
        clusters: {
          c: {
            hosts: cluster.apis,
            ports: {
              leader: portSection(cluster.port, ['leader']),
              replicas: portSection(cluster.port, ['sync', 'async'], { max_lag_in_bytes: 1024 * 1024 }),
              any: portSection(cluster.port, ['any']),
            },
          },
        },
      });
    },
    { timeout: START_LIMIT_MS },
  );
  after(async () => {
    await proxy.stop();
    await cluster.remove();
  });

  /** A session through the proxy, and the node that it is on. */
  async function session(port: string): Promise<{ client: pg.Client; node: string }> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: await proxy.portOf(port),
      user: 'postgres',
      database: 'postgres',
    });
    client.on('error', () => undefined); // its server may be killed
    await client.connect();
    const { rows } = await client.query<{ host: string }>('SELECT host(inet_server_addr())');
    return { client, node: `node${rows[0]?.host.split('.').at(-1)}` };
  }

  const isAlive = async ({ client }: { client: pg.Client }): Promise<boolean> =>
    client.query('SELECT 1').then(
      () => true,
      () => false,
    );

  /** Asks until a session on the port can be had, on this node when one is named. Returns milliseconds. */
  async function untilServed(port: string, node = ''): Promise<number> {
    const begunMs = performance.now();
    for (;;) {
      const got = await session(port).catch(() => null);
      await got?.client.end().catch(() => undefined);
      if (got !== null && (node === '' || got.node === node)) return performance.now() - begunMs;
      await sleep(20);
    }
  }

  const others = (leader: string) => NODES.filter((name) => name !== leader);

  test('the leader’s port writes, the replicas’ ports take turns and only read', {
    timeout: TEST_LIMIT_MS,
  }, async () => {
    const leader = await cluster.leader();
    const writer = await session('leader');
    assert.equal(writer.node, leader);
    await writer.client.query('CREATE TABLE IF NOT EXISTS filler (text text)');
    const readers = [await session('replicas'), await session('replicas')];
    assert.deepEqual(readers.map(({ node }) => node).sort(), others(leader));
    await assert.rejects(readers[0]?.client.query('CREATE TABLE t (i int)') ?? Promise.resolve(), {
      code: '25006',
    });
    for (const { client } of [writer, ...readers]) await client.end();
  });

  test('a switchover moves the leader’s port; a session on a replica that stays one goes on', {
    timeout: TEST_LIMIT_MS,
  }, async () => {
    const from = await cluster.leader();
    const [to, third] = others(from);
    assert.ok(to && third);
    const readers = [await session('any'), await session('any'), await session('any')];
    await cluster.switchover(from, to);
    await cluster.untilLeads(to);
    const ms = await untilServed('leader', to);
    console.log(`# new clients are with the new leader ${Math.round(ms)} ms after Patroni names it`);
    // One interval, and what a loaded machine takes to ask and to connect.
    assert.ok(ms < INTERVAL_S * 1000 + 1000, `${ms} ms`);
    for (const each of readers)
      if (each.node === third) assert.ok(await isAlive(each), `${third} has lost its session`);
    for (const { client } of readers) await client.end().catch(() => undefined);
    await cluster.untilWhole();
    assert.equal((await proxy.cluster()).failovers, 1);
  });

  test('a replica that is removed takes its sessions along, and serves again when it is back', {
    timeout: TEST_LIMIT_MS,
  }, async () => {
    const leader = await cluster.leader();
    const [gone, stays] = others(leader);
    assert.ok(gone && stays);
    const readers = [await session('replicas'), await session('replicas')];
    const writer = await session('leader');
    await cluster.stopNode(gone);
    await untilConnections(gone, false);
    for (const each of readers) assert.equal(await isAlive(each), each.node === stays);
    assert.ok(await isAlive(writer));
    cluster.startNode(gone);
    await cluster.untilWhole();
    await untilConnections(gone, true);
    assert.equal((await session('replicas')).node, gone); // it has fewer
    for (const { client } of [writer, ...readers]) await client.end().catch(() => undefined);
  });

  /** Waits until a node is, or is not, among those that serve the replicas' port. */
  async function untilConnections(node: string, isThere: boolean): Promise<void> {
    while (node in (await proxy.connections('replicas')) !== isThere) await sleep(50);
  }

  test('a replica held back beyond its lag loses its sessions; others keep theirs', {
    timeout: TEST_LIMIT_MS,
  }, async () => {
    const leader = await cluster.leader();
    const [slow, fast] = others(leader);
    assert.ok(slow && fast);
    const readers = [await session('replicas'), await session('replicas')];
    const { rows } = await cluster.query(slow, 'SELECT pid FROM pg_stat_wal_receiver');
    const receiver = Number(rows[0]?.pid);
    process.kill(receiver, 'SIGSTOP');
    try {
      await cluster.query(
        leader,
        "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 5000)",
      );
      await untilConnections(slow, false);
      for (const each of readers) assert.equal(await isAlive(each), each.node === fast);
      assert.equal((await session('replicas')).node, fast);
      await proxy.logged(new RegExp(`c/replicas: served by ${fast}, not by ${slow} \\(\\d+ bytes behind\\)`));
    } finally {
      process.kill(receiver, 'SIGCONT');
    }
    await untilConnections(slow, true);
    for (const { client } of readers) await client.end().catch(() => undefined);
  });

  test('a paused Patroni changes nothing', { timeout: TEST_LIMIT_MS }, async () => {
    const writer = await session('leader');
    const { failovers } = await proxy.cluster();
    await cluster.configure({ pause: true });
    await proxy.update();
    assert.ok(await isAlive(writer));
    assert.equal((await session('leader')).node, writer.node);
    await cluster.configure({ pause: null });
    await proxy.update();
    assert.ok(await isAlive(writer));
    assert.equal((await proxy.cluster()).failovers, failovers);
    await writer.client.end();
  });

  test('without etcd replicas keep their sessions and get new ones; with it all is well again', {
    timeout: TEST_LIMIT_MS,
  }, async () => {
    const readers = [await session('replicas'), await session('replicas')];
    await cluster.stopEtcd();
    while ((await proxy.cluster()).failure === '') await sleep(50);
    for (const each of readers) assert.ok(await isAlive(each), `${each.node} has lost its session`);
    await (await session('replicas')).client.end();
    cluster.startEtcd();
    await cluster.untilWhole();
    await untilServed('leader', await cluster.leader());
    for (const { client } of readers) await client.end().catch(() => undefined);
  });

  test('when the leader is killed another one takes its port over; sessions on the third go on', {
    timeout: TEST_LIMIT_MS,
  }, async () => {
    const dead = await cluster.leader();
    const readers = [await session('replicas'), await session('replicas')];
    const writer = await session('leader');
    await cluster.killNode(dead);
    assert.equal(await isAlive(writer), false);
    const next = await cluster.untilLedByAnother(dead);
    const ms = await untilServed('leader', next);
    console.log(`# new clients are with the new leader ${Math.round(ms)} ms after Patroni names it`);
    for (const each of readers) assert.equal(await isAlive(each), each.node !== next);
    cluster.startNode(dead);
    await cluster.untilWhole();
    await untilConnections(dead, true);
    for (const { client } of readers) await client.end().catch(() => undefined);
  });
}
