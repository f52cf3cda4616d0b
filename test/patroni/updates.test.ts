/** When what Patroni says comes into force, and what it does to connections. 3.3.1 documentation, "Zero-Downtime
 *  Connection Management", "Hot Upstream Updates". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyProcess } from './proxy-process.js';
import { allRoles, sceneTest } from './scene.js';
import { StandInApi, threeMembers } from './stand-in.js';

sceneTest('only connections of the member that was removed are closed', async ({ proxy, api }) => {
  const greeted = await Promise.all(Array.from({ length: 6 }, () => proxy.greeted('any')));
  api.members = api.members.filter(({ name }) => name !== 'node3');
  await proxy.update();
  for (const { client, by } of greeted) {
    if (by === 'node3') assert.equal(await client.ended(), '');
    else await client.echo('still here');
  }
  assert.deepEqual(await proxy.connections('any'), { node1: 2, node2: 2 });
});

sceneTest('a replica that is added gets clients, and nobody is disturbed', async ({ proxy, api }) => {
  const [third] = api.members.splice(2, 1);
  assert.ok(third);
  await proxy.update();
  const before = await proxy.greeted('replicas');
  api.members.push(third);
  await proxy.update();
  assert.equal((await proxy.greeted('replicas')).by, 'node3');
  await before.client.echo('still here');
});

sceneTest(
  'after a switchover new clients go to the new leader; connections to the old one end on the leader’s port only',
  async ({ proxy, members }) => {
    const [one, two] = members;
    const writer = await proxy.greeted('leader');
    const anybody = await Promise.all([1, 2, 3].map(() => proxy.greeted('any')));
    one.facts.role = 'replica';
    two.facts.role = 'leader';
    await proxy.update();
    assert.equal(await writer.client.ended(), '');
    assert.equal((await proxy.greeted('leader')).by, 'node2');
    for (const { client } of anybody) await client.echo('still here');
    assert.equal((await proxy.cluster()).failovers, 1);
    await proxy.logged(/c: the leader is node2, no longer node1/);
  },
);

sceneTest('an interregnum is no failover of its own', async ({ proxy, members }) => {
  const [one] = members;
  one.facts.role = 'replica';
  await proxy.update();
  assert.equal(await (await proxy.connect('leader')).ended(), '');
  one.facts.role = 'leader';
  await proxy.update();
  assert.equal((await proxy.greeted('leader')).by, 'node1');
  assert.equal((await proxy.cluster()).failovers, 0);
});

for (const [what, instead] of Object.entries({
  'a status of 503': { status: 503, body: '' },
  'something that is not JSON': { status: 200, body: '<html>' },
  'something that is no cluster': { status: 200, body: '{"members": 3}' },
  'no members at all': { status: 200, body: '{"members": []}' },
  'more than a megabyte': { status: 200, body: ' '.repeat(1_100_000) },
})) {
  sceneTest(`a poll that is answered with ${what} changes nothing`, async ({ proxy, api }) => {
    const { client } = await proxy.greeted('leader');
    api.instead = instead;
    const { status, body } = await proxy.get('/update_clusters');
    assert.equal(status, 502);
    assert.match(body, /^c: http:\/\/127\.0\.0\.1:\d+: \S/);
    await client.echo('still here');
    assert.equal((await proxy.greeted('leader')).by, 'node1');
    api.instead = null;
    await proxy.update();
    await proxy.logged(/c: Patroni answers again/);
  });
}

sceneTest(
  'members are asked for every cluster_update_interval, in seconds',
  async ({ proxy, members, api }) => {
    const [one, two] = members;
    const before = api.questions;
    one.facts.role = 'replica';
    two.facts.role = 'leader';
    await proxy.logged(/the leader is node2/);
    assert.ok(api.questions > before);
    assert.equal((await proxy.greeted('leader')).by, 'node2');
  },
  { settings: { cluster_update_interval: 0.2 } },
);

test('the leader is found with one of three Patroni APIs alive', { timeout: 60_000 }, async () => {
  const { port, members, facts } = await threeMembers();
  const apis = await Promise.all([1, 2, 3].map(() => StandInApi.start(facts())));
  const [dead, silent, alive] = apis;
  assert.ok(dead && silent && alive);
  dead.close();
  silent.instead = { status: 500, body: '' };
  const proxy = await ProxyProcess.start({
    clusters: { c: { hosts: apis.map(({ url }) => url), ports: allRoles(port) } },
  });
  assert.equal((await proxy.greeted('leader')).by, 'node1');
  const questions = silent.questions;
  await proxy.update();
  assert.equal(silent.questions, questions, 'an API that has failed is left alone for a while');
  await proxy.stop();
  for (const each of [silent, alive, ...members]) each instanceof StandInApi ? each.close() : each.stop();
});

test('several clusters with several ports each are kept apart', { timeout: 60_000 }, async () => {
  const [blue, green] = [await threeMembers(), await threeMembers()];
  for (const { facts } of green.members) Object.assign(facts, { name: `green-${facts.name}` });
  const [blueApi, greenApi] = [await StandInApi.start(blue.facts()), await StandInApi.start(green.facts())];
  const proxy = await ProxyProcess.start({
    clusters: {
      blue: { hosts: [blueApi.url], ports: allRoles(blue.port) },
      green: { hosts: [greenApi.url], ports: allRoles(green.port) },
    },
  });
  const [inBlue, inGreen] = [await proxy.greeted('leader', 'blue'), await proxy.greeted('sync', 'green')];
  assert.deepEqual([inBlue.by, inGreen.by], ['node1', 'green-node2']);
  greenApi.instead = { status: 500, body: '' };
  blueApi.members = blueApi.members.filter(({ name }) => name !== 'node1');
  assert.equal((await proxy.get('/update_clusters')).status, 502);
  assert.equal(await inBlue.client.ended(), '');
  await inGreen.client.echo('still here');
  await proxy.stop();
  for (const each of [...blue.members, ...green.members]) each.stop();
  blueApi.close();
  greenApi.close();
});

sceneTest(
  'a hundred changes of the cluster under load cost no connection to a member that stays',
  async ({ proxy, members }) => {
    const [one, two, three] = members;
    const stayers = await Promise.all(Array.from({ length: 10 }, () => proxy.greeted('leader')));
    let isOver = false;
    const load = stayers.map(async ({ client }, index) => {
      let rounds = 0;
      while (!isOver) await client.echo(`${index}/${rounds++}`);
      return rounds;
    });
    for (let change = 0; change < 100; change++) {
      two.facts.state = change % 2 === 0 ? 'stopped' : 'running';
      three.facts.role = change % 3 === 0 ? 'sync_standby' : 'replica';
      await proxy.update();
      (await proxy.greeted('any')).client.close();
    }
    isOver = true;
    assert.ok((await Promise.all(load)).every((rounds) => rounds > 0));
    assert.equal(one.sockets.size >= 10, true);
    assert.equal((await proxy.connections('leader')).node1, 10);
  },
);
