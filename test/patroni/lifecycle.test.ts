/** Starting, reloading, ending, logging and the HTTP API. 3.3.1 documentation, "Usage", "HTTP API". */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/free-port.js';
import { PROXY_COMMAND, ProxyProcess } from './proxy-process.js';
import { allRoles, portSection, sceneTest } from './scene.js';
import { StandInApi, threeMembers } from './stand-in.js';
import { TcpClient } from './tcp-client.js';

sceneTest('SIGHUP with a new port opens it; the other ports and their connections go on', async (scene) => {
  const { proxy, memberPort, cluster } = scene;
  const { client } = await proxy.greeted('leader');
  const before = await proxy.portOf('leader');
  const extra = portSection(memberPort, ['sync']);
  await proxy.reload({ clusters: { c: cluster({ ...allRoles(memberPort), extra }) } });
  assert.equal((await proxy.greeted('extra')).by, 'node2');
  await client.echo('still here');
  assert.equal(await proxy.portOf('leader'), before);
});

sceneTest('SIGHUP without a port closes it and its connections, and no other', async (scene) => {
  const { proxy, memberPort, cluster } = scene;
  const [leader, any] = [await proxy.greeted('leader'), await proxy.greeted('any')];
  const port = await proxy.portOf('leader');
  const { leader: _, ...others } = allRoles(memberPort);
  await proxy.reload({ clusters: { c: cluster(others) } });
  assert.equal(await leader.client.ended(), '');
  await any.client.echo('still here');
  await assertRefused(port);
});

sceneTest(
  'a port that moves to another address keeps its connections',
  async ({ proxy, memberPort, cluster }) => {
    const { client } = await proxy.greeted('leader');
    const listen = `127.0.0.1:${await freePort()}`;
    const leader = portSection(memberPort, ['leader'], { listen });
    await proxy.reload({ clusters: { c: cluster({ ...allRoles(memberPort), leader }) } });
    await client.echo('still here');
    assert.equal(await proxy.portOf('leader'), Number(listen.split(':')[1]));
    assert.equal((await proxy.greeted('leader')).by, 'node1');
  },
);

sceneTest('an address may change hands between ports', async ({ proxy, memberPort, cluster }) => {
  const [here, there] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const ports = (a: string, b: string) => ({
    leader: portSection(memberPort, ['leader'], { listen: a }),
    async: portSection(memberPort, ['async'], { listen: b }),
  });
  await proxy.reload({ clusters: { c: cluster(ports(here, there)) } });
  const { client } = await proxy.greeted('leader');
  await proxy.reload({ clusters: { c: cluster(ports(there, here)) } });
  await client.echo('still here');
  assert.equal((await proxy.greeted('leader')).by, 'node1');
  assert.equal((await proxy.greeted('async')).by, 'node3');
  assert.equal(await proxy.portOf('leader'), Number(there.split(':')[1]));
});

sceneTest('a change of roles or lag at SIGHUP closes the connections that it is about', async (scene) => {
  const { proxy, memberPort, members, cluster } = scene;
  members[2].facts.lag = 500;
  await proxy.update();
  const greeted = [await proxy.greeted('replicas'), await proxy.greeted('replicas')];
  const replicas = portSection(memberPort, ['sync', 'async'], { max_lag_in_bytes: 499 });
  await proxy.reload({ clusters: { c: cluster({ ...allRoles(memberPort), replicas }) } });
  for (const { client, by } of greeted) {
    if (by === 'node3') assert.equal(await client.ended(), '');
    else await client.echo('still here');
  }
});

sceneTest('SIGHUP with other Patroni APIs keeps connections and asks the new ones', async (scene) => {
  const { proxy, api, memberPort } = scene;
  const { client } = await proxy.greeted('leader');
  const other = await StandInApi.start(api.members);
  await proxy.reload({ clusters: { c: { hosts: [other.url], ports: allRoles(memberPort) } } });
  await proxy.update();
  assert.ok(other.questions > 0);
  await client.echo('still here');
  other.close();
});

sceneTest('a file that cannot be used changes nothing, and the log says all that is wrong', async (scene) => {
  const { proxy } = scene;
  const { client } = await proxy.greeted('leader');
  await proxy.reload('clusters:\n  c:\n    hosts: []\n    ports: {}\n    colour: red\n');
  await proxy.logged(/reload: .*:3: clusters\.c\.hosts: names no Patroni API/);
  await proxy.logged(/reload: .*:4: clusters\.c\.ports: names no port/);
  await proxy.logged(/reload: .*:5: clusters\.c\.colour: is no setting/);
  await client.echo('still here');
  assert.equal((await proxy.greeted('leader')).by, 'node1');
});

sceneTest('a reload that would listen on an address of somebody else’s changes nothing', async (scene) => {
  const { proxy, memberPort, cluster } = scene;
  const somebody = createServer().listen(0, '127.0.0.1');
  await once(somebody, 'listening');
  const address = somebody.address();
  const listen = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const { client } = await proxy.greeted('leader');
  const extra = [portSection(memberPort, ['any']), portSection(memberPort, ['any'], { listen })];
  await proxy.reload({ clusters: { c: cluster({ fresh: extra[0], taken: extra[1] }) } });
  await proxy.logged(new RegExp(`reload: cannot listen on ${listen}: EADDRINUSE`));
  await client.echo('still here');
  assert.deepEqual(Object.keys((await proxy.cluster()).ports), Object.keys(allRoles(memberPort)));
  somebody.close();
});

sceneTest('SIGHUP can move the HTTP API', async ({ proxy }) => {
  const port = await freePort();
  await proxy.reload({ listen_address: `127.0.0.1:${port}` });
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'OK');
  await assert.rejects(proxy.get('/'));
});

sceneTest(
  'SIGTERM takes no more clients, is not ready any more, and ends when the last one has left',
  async (scene) => {
    const { proxy } = scene;
    const { client } = await proxy.greeted('leader');
    const port = await proxy.portOf('leader');
    assert.equal((await proxy.get('/ready')).status, 200);
    proxy.signal('SIGTERM');
    await proxy.logged(/SIGTERM: no more clients/);
    assert.equal((await proxy.get('/ready')).status, 503);
    await assertRefused(port);
    await client.echo('still here');
    client.socket.end();
    await client.ended();
    assert.equal(await proxy.ended(), 0);
  },
);

sceneTest('a client that had connected when SIGTERM came is served', async ({ proxy }) => {
  const port = await proxy.portOf('leader');
  proxy.signal('SIGSTOP');
  const queued = await Promise.all(Array.from({ length: 20 }, () => TcpClient.connect(port)));
  proxy.signal('SIGTERM');
  proxy.signal('SIGCONT');
  for (const client of queued) {
    assert.equal(await client.line(), 'node1');
    await client.echo('served');
    client.socket.end();
    await client.ended();
  }
  assert.equal(await proxy.ended(), 0);
});

sceneTest(
  'after shutdown_timeout it ends with clients connected',
  async ({ proxy }) => {
    const { client } = await proxy.greeted('leader');
    proxy.signal('SIGTERM');
    assert.equal(await proxy.ended(), 0);
    await client.ended();
    await proxy.logged(/WARN {2}shutdown_timeout is over: 1 connections are closed/);
  },
  { settings: { shutdown_timeout: '200ms' } },
);

sceneTest('the HTTP API says OK, and what there is else', async ({ proxy }) => {
  assert.deepEqual(await proxy.get('/'), { status: 200, body: 'OK' });
  assert.deepEqual(await proxy.get('/update_clusters'), { status: 200, body: 'OK' });
  assert.deepEqual(await proxy.get('/ready'), { status: 200, body: 'OK' });
  assert.equal((await proxy.get('/', { method: 'HEAD' })).status, 200);
  assert.equal((await proxy.get('/', { method: 'POST' })).status, 405);
  const { status, body } = await proxy.get('/toString');
  assert.equal(status, 404);
  assert.match(body, /\/update_clusters/);
});

sceneTest('metrics tell of connections, members, polls and failovers', async ({ proxy, members, api }) => {
  const held = await proxy.greeted('leader');
  members[2].stop();
  assert.equal(await (await proxy.connect('async')).ended(), '');
  api.instead = { status: 500, body: '' };
  await proxy.get('/update_clusters');
  const { body } = await proxy.get('/metrics');
  const value = (name: string) => Number(new RegExp(`^patroni_proxy_${name} (\\S+)$`, 'm').exec(body)?.[1]);
  assert.equal(value('connections{cluster="c",port="leader",backend="node1"}'.replace(/[{}]/g, '\\$&')), 1);
  const expected = {
    'connections_total{cluster="c",port="leader",backend="node1"}': 1,
    'connect_failures_total{cluster="c",port="async",backend="node3"}': 1,
    'clients_turned_away_total{cluster="c",port="async"}': 1,
    'clients_total{cluster="c",port="async"}': 1,
    'backends{cluster="c",port="replicas"}': 2,
    'bytes_total{cluster="c",port="leader",direction="sent"}': 'node1\n'.length,
    'members{cluster="c",role="leader",state="running"}': 1,
    'member_lag_bytes{cluster="c",member="node3"}': 0,
    'polls_total{cluster="c"}': 2,
    'poll_failures_total{cluster="c"}': 1,
    'failovers_total{cluster="c"}': 0,
  };
  for (const [name, count] of Object.entries(expected)) {
    assert.equal(value(name.replace(/[{}]/g, '\\$&')), count, name);
  }
  assert.ok(value('poll_age_seconds\\{cluster="c"\\}') > 0);
  await held.client.echo('still here');
});

test('it is not ready before Patroni has answered once, and serves when it has', {
  timeout: 60_000,
}, async () => {
  const { port, members, facts } = await threeMembers();
  const api = await StandInApi.start(facts());
  api.instead = { status: 503, body: '' };
  const proxy = await ProxyProcess.start({ clusters: { c: { hosts: [api.url], ports: allRoles(port) } } });
  const { status, body } = await proxy.get('/ready');
  assert.deepEqual([status, body], [503, 'Patroni has not answered yet: c\n']);
  assert.equal(await (await proxy.connect('leader')).ended(), '');
  api.instead = null;
  await proxy.update();
  assert.equal((await proxy.get('/ready')).status, 200);
  assert.equal((await proxy.greeted('leader')).by, 'node1');
  await proxy.stop();
  api.close();
  for (const member of members) member.stop();
});

test('the ports open though a Patroni API takes questions and never answers', {
  timeout: 60_000,
}, async () => {
  const { port, members, facts } = await threeMembers();
  const [silent, other] = [await StandInApi.start(facts()), await StandInApi.start(facts())];
  silent.isSilent = true;
  const hosts = [silent.url, other.url];
  const proxy = await ProxyProcess.start({ clusters: { c: { hosts, ports: allRoles(port) } } });
  await proxy.logged(/c\/leader: served by node1/); // after the five seconds that an API has
  assert.equal((await proxy.greeted('leader')).by, 'node1');
  await proxy.stop();
  for (const each of [silent, other]) each.close();
  for (const member of members) member.stop();
});

for (const [environment, isDebug] of [
  [{ RUST_LOG: 'debug' }, true],
  [{ LOG_LEVEL: 'debug' }, true],
  [{ RUST_LOG: 'debug', LOG_LEVEL: 'warn' }, false],
  [{}, false],
] as const) {
  const name = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
  const what = isDebug ? 'tells' : 'does not tell';
  test(`the log ${what} the life of connections with ${name.join(' ') || 'nothing said'}`, async () => {
    const { port, members, facts } = await threeMembers();
    const api = await StandInApi.start(facts());
    const settings = { clusters: { c: { hosts: [api.url], ports: allRoles(port) } } };
    const silenced = 'LOG_LEVEL' in environment && environment.LOG_LEVEL === 'warn';
    if (silenced) {
      // Nothing to wait for in its log: it is started until it says that it cannot.
      const { stdout } = runOnce(
        `listen_address: "${'192.0.2.1'}:1"\nclusters: {c: {hosts: ["${api.url}"], ports: {a: {listen: "127.0.0.1:0", roles: [any], host_port: 1}}}}\n`,
        environment,
      );
      assert.match(stdout, /ERROR cannot start/);
      assert.doesNotMatch(stdout, /INFO|DEBUG/);
    } else {
      const proxy = await ProxyProcess.start(settings, [], environment);
      (await proxy.greeted('leader')).client.close();
      while ((await proxy.connections('leader')).node1 !== 0);
      await proxy.stop();
      assert.equal(/DEBUG c\/leader: client 127\.0\.0\.1:\d+ is connected to node1/.test(proxy.log), isDebug);
      assert.equal(/DEBUG c\/leader: a connection to node1 .* is over/.test(proxy.log), isDebug);
    }
    api.close();
    for (const member of members) member.stop();
  });
}

/** Nobody listens there: whoever comes is told so at once. */
async function assertRefused(port: number): Promise<void> {
  const [error] = await once(connect(port, '127.0.0.1'), 'error');
  assert.equal(error.code, 'ECONNREFUSED');
}

/** Runs it to its end with this file. */
function runOnce(file: string, environment: NodeJS.ProcessEnv = {}, args: string[] = []) {
  const directory = mkdtempSync(join(tmpdir(), 'patroni-proxy-'));
  const path = join(directory, 'patroni_proxy.yaml');
  writeFileSync(path, file);
  const ended = spawnSync(process.execPath, [PROXY_COMMAND, ...args, path], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, ...environment },
  });
  rmSync(directory, { recursive: true, force: true });
  return ended;
}

const RIGHT =
  'clusters: {c: {hosts: ["http://127.0.0.1:1"], ports: {a: {listen: "127.0.0.1:0", roles: [any], host_port: 1}}}}\n';

test('-t says whether the file is in order, with all that is wrong at once', () => {
  const right = runOnce(RIGHT, {}, ['-t']);
  assert.deepEqual([right.status, right.stderr], [0, '']);
  assert.match(right.stdout, /is in order/);
  const wrong = runOnce('clusters: {c: {hosts: [a], ports: {a: {roles: [any]}}}}\n', {}, ['-t']);
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /patroni_proxy: .*:1: clusters\.c\.hosts\[0\]: is no address of a Patroni API/);
  assert.match(wrong.stderr, /clusters\.c\.ports\.a\.listen: is missing/);
  assert.match(wrong.stderr, /clusters\.c\.ports\.a\.host_port: is missing/);
});

test('without a file it says how it is used, with status 2; --version says which it is', () => {
  const usage = spawnSync(process.execPath, [PROXY_COMMAND], { encoding: 'utf8' });
  assert.equal(usage.status, 2);
  assert.match(usage.stderr, /missing required argument/);
  const version = spawnSync(process.execPath, [PROXY_COMMAND, '--version'], { encoding: 'utf8' });
  assert.match(version.stdout, /^patroni_proxy \d/);
});

test('an address that cannot be listened on ends the start with status 1', async () => {
  const somebody = createServer().listen(0, '127.0.0.1');
  await once(somebody, 'listening');
  const address = somebody.address();
  const taken = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const asPort = runOnce(`listen_address: "127.0.0.1:0"\n${RIGHT.replace('127.0.0.1:0', taken)}`);
  assert.equal(asPort.status, 1);
  assert.match(asPort.stdout, /cannot start: cannot listen on 127\.0\.0\.1:\d+: EADDRINUSE/);
  const asApi = runOnce(`listen_address: "${taken}"\n${RIGHT}`);
  assert.equal(asApi.status, 1);
  assert.match(asApi.stdout, /cannot start: cannot listen on 127\.0\.0\.1:\d+: EADDRINUSE/);
  somebody.close();
});

test('a limit of open files that is too low to start with is told', () => {
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 64; exec "$0" "$@"', process.execPath, PROXY_COMMAND, '--help'],
    { encoding: 'utf8', timeout: 20_000 },
  );
  assert.equal(status, 1);
  assert.match(stderr, /^patroni_proxy: too few open files are allowed.*\n$/);
});
