/** Who gets which client. 3.3.1 documentation, "Role-Based Routing", "Intelligent Load Balancing", "Replication Lag
 *  Awareness", "Member State Filtering". */
import assert from 'node:assert/strict';
import { portSection, sceneTest } from './scene.js';

/** Names of those who greet so many clients of a port, sorted. The clients leave again. */
async function greeters(
  proxy: Parameters<Parameters<typeof sceneTest>[1]>[0]['proxy'],
  port: string,
  count: number,
) {
  const greeted = await Promise.all(Array.from({ length: count }, () => proxy.greeted(port)));
  for (const { client } of greeted) client.close();
  return greeted.map(({ by }) => by).sort();
}

sceneTest('each role gets the clients of its ports, and any gets them all', async ({ proxy }) => {
  assert.deepEqual(await greeters(proxy, 'leader', 2), ['node1', 'node1']);
  assert.deepEqual(await greeters(proxy, 'sync', 2), ['node2', 'node2']);
  assert.deepEqual(await greeters(proxy, 'async', 2), ['node3', 'node3']);
  assert.deepEqual(await greeters(proxy, 'replicas', 2), ['node2', 'node3']);
  assert.deepEqual(await greeters(proxy, 'any', 3), ['node1', 'node2', 'node3']);
});

sceneTest('standby_leader is a leader, quorum_standby is sync', async ({ proxy, members, api }) => {
  const [one, two] = members;
  one.facts.role = 'standby_leader';
  two.facts.role = 'quorum_standby';
  assert.equal(api.members.length, 3);
  await proxy.update();
  assert.deepEqual(await greeters(proxy, 'leader', 1), ['node1']);
  assert.deepEqual(await greeters(proxy, 'sync', 1), ['node2']);
});

sceneTest('a role that is not known is nobody’s, of `any` neither', async ({ proxy, members }) => {
  members[2].facts.role = 'demoted';
  await proxy.update();
  assert.deepEqual(Object.keys(await proxy.connections('any')), ['node1', 'node2']);
});

sceneTest('a new client goes to the member with the fewest connections', async ({ proxy }) => {
  const clients = [];
  for (let i = 0; i < 6; i++) clients.push(await proxy.greeted('replicas'));
  assert.deepEqual(await proxy.connections('replicas'), { node2: 3, node3: 3 });
  for (const { client, by } of clients) {
    if (by !== 'node3') continue;
    client.socket.end();
    await client.ended();
  }
  while ((await proxy.connections('replicas')).node3 !== 0);
  for (let i = 0; i < 3; i++) assert.equal((await proxy.greeted('replicas')).by, 'node3');
});

sceneTest('counts of connections outlive updates', async ({ proxy, members }) => {
  members[2].facts.state = 'stopped';
  await proxy.update();
  for (let i = 0; i < 3; i++) assert.equal((await proxy.greeted('replicas')).by, 'node2');
  members[2].facts.state = 'streaming';
  await proxy.update();
  assert.deepEqual(await proxy.connections('replicas'), { node2: 3, node3: 0 });
  for (let i = 0; i < 3; i++) assert.equal((await proxy.greeted('replicas')).by, 'node3');
});

sceneTest('a member tagged noloadbalance gets no clients', async ({ proxy, members }) => {
  members[2].facts.tags = { noloadbalance: true };
  await proxy.update();
  assert.deepEqual(await greeters(proxy, 'replicas', 2), ['node2', 'node2']);
  members[2].facts.tags = { noloadbalance: false };
  await proxy.update();
  assert.deepEqual(await greeters(proxy, 'replicas', 2), ['node2', 'node3']);
});

for (const state of ['starting', 'stopped', 'crashed']) {
  sceneTest(`a member that is ${state} gets no clients until it is running`, async ({ proxy, members }) => {
    members[2].facts.state = state;
    await proxy.update();
    assert.deepEqual(await greeters(proxy, 'replicas', 2), ['node2', 'node2']);
    members[2].facts.state = 'running';
    await proxy.update();
    assert.deepEqual(await greeters(proxy, 'replicas', 2), ['node2', 'node3']);
  });
}

const limited = (memberPort: number) => ({
  replicas: portSection(memberPort, ['sync', 'async'], { max_lag_in_bytes: 1000 }),
  all: portSection(memberPort, ['any'], { max_lag_in_bytes: 1000 }),
  unlimited: portSection(memberPort, ['sync', 'async']),
});

sceneTest(
  'a replica over max_lag_in_bytes loses its clients; the other replica, the leader and other ports keep theirs',
  async ({ proxy, members }) => {
    const [leader, two, three] = members;
    leader.facts.lag = 5000; // means nothing
    const greeted = await Promise.all(
      ['replicas', 'replicas', 'all', 'all', 'all', 'unlimited', 'unlimited'].map((port) =>
        proxy.greeted(port),
      ),
    );
    const of = (port: string) => proxy.connections(port);
    assert.deepEqual(await of('all'), { node1: 1, node2: 1, node3: 1 });
    two.facts.lag = 1000;
    three.facts.lag = 1001;
    await proxy.update();
    assert.deepEqual(await of('replicas'), { node2: 1 });
    assert.deepEqual(await of('all'), { node1: 1, node2: 1 });
    assert.deepEqual(await of('unlimited'), { node2: 1, node3: 1 });
    for (const [index, { client, by }] of greeted.entries()) {
      if (by === 'node3' && index < 5) assert.equal(await client.ended(), '');
      else await client.echo(`still here ${index}`);
    }
  },
  { ports: limited },
);

sceneTest(
  'lag may be a text; one that is unknown does not do where there is a limit',
  async ({ proxy, members }) => {
    const [, two, three] = members;
    two.facts.lag = '12';
    three.facts.lag = 'unknown';
    await proxy.update();
    assert.deepEqual(Object.keys(await proxy.connections('replicas')), ['node2']);
    assert.deepEqual(Object.keys(await proxy.connections('unlimited')), ['node2', 'node3']);
  },
  { ports: limited },
);

sceneTest(
  'without a member the client is closed at once, and the log says why',
  async ({ proxy, members }) => {
    members[0].facts.state = 'stopped';
    await proxy.update();
    const client = await proxy.connect('leader');
    assert.equal(await client.ended(), '');
    await proxy.logged(/WARN {2}c\/leader: no backends available: client 127\.0\.0\.1:\d+ is closed/);
    await proxy.logged(/WARN {2}c\/leader: served by nobody, not by node1 \(its state is stopped\)/);
  },
);

sceneTest(
  'a member that refuses is passed over for the next, and is not asked again at once',
  async (scene) => {
    const { proxy, members } = scene;
    members[1].stop();
    assert.deepEqual(await greeters(proxy, 'replicas', 6), Array(6).fill('node3'));
    await proxy.logged(/node2 \(127\.0\.0\.2:\d+\) cannot be reached \(ECONNREFUSED\): passed over/);
    assert.equal(proxy.log.match(/passed over/g)?.length, 1);
  },
);

sceneTest('when all members refuse the client is closed', async ({ proxy, members }) => {
  members[1].stop();
  members[2].stop();
  assert.equal(await (await proxy.connect('replicas')).ended(), '');
});
