/** Binary upgrade: another process takes the place of the running one, and nobody notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { allRoles, portSection, sceneTest } from './scene.js';
import { TcpClient } from './tcp-client.js';

sceneTest(
  'SIGUSR2: another process takes new clients, nobody is refused; connections go on, and the old process ends with them',
  async ({ proxy }) => {
    const port = await proxy.portOf('leader');
    const stayers = [await proxy.greeted('leader'), await proxy.greeted('any')];
    let isOver = false;
    const comers = Array.from({ length: 4 }, async () => {
      let served = 0;
      for (; !isOver; served++) {
        const client = await TcpClient.connect(port);
        assert.equal(await client.line(), 'node1');
        client.close();
      }
      return served;
    });
    await proxy.upgrade();
    assert.equal(await proxy.portOf('leader'), port);
    for (const { client } of stayers) await client.echo('still here');
    const fresh = await proxy.greeted('leader');
    isOver = true;
    for (const served of await Promise.all(comers)) assert.ok(served > 0);
    for (const { client } of stayers) {
      await client.echo('still here');
      client.socket.end();
      await client.ended();
    }
    assert.equal(await proxy.ended(), 0);
    await fresh.client.echo('still here');
  },
);

sceneTest(
  'connections in the old process still end when their member must not have them',
  async ({ proxy, members }) => {
    const [leader, any] = [await proxy.greeted('leader'), await proxy.greeted('any')];
    await proxy.upgrade();
    members[0].facts.role = 'replica';
    members[1].facts.role = 'leader';
    assert.equal(await leader.client.ended(), '');
    await any.client.echo('still here');
    await proxy.update();
    assert.equal((await proxy.greeted('leader')).by, 'node2');
    any.client.close();
  },
  { settings: { cluster_update_interval: 0.2 } },
);

sceneTest('two upgrades in a row', async ({ proxy }) => {
  const first = await proxy.greeted('leader');
  await proxy.upgrade();
  const second = await proxy.greeted('leader');
  await proxy.upgrade();
  assert.equal((await proxy.greeted('leader')).by, 'node1');
  for (const { client } of [first, second]) {
    await client.echo('still here');
    client.close();
  }
});

sceneTest('a new program that does not accept its configuration changes nothing', async ({ proxy }) => {
  const { client } = await proxy.greeted('leader');
  proxy.write({ colour: 'red' });
  await assert.rejects(proxy.upgrade(), /does not accept its configuration: .*colour: is no setting/);
  await client.echo('still here');
  assert.equal((await proxy.greeted('leader')).by, 'node1');
});

sceneTest('a new process that cannot listen gives everything back', async (scene) => {
  const { proxy, memberPort, cluster } = scene;
  const somebody = createServer().listen(0, '127.0.0.1');
  await once(somebody, 'listening');
  const address = somebody.address();
  const listen = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const taken = portSection(memberPort, ['any'], { listen });
  const { client } = await proxy.greeted('leader');
  const port = await proxy.portOf('leader');
  proxy.write({ clusters: { c: cluster({ ...allRoles(memberPort), taken }) } });
  await assert.rejects(proxy.upgrade(), /the new process has ended \(exit status 1\)/);
  await client.echo('still here');
  const later = await TcpClient.connect(port);
  assert.equal(await later.line(), 'node1');
  later.close();
  somebody.close();
});

sceneTest('SIGTERM in the middle of an upgrade ends the new process too', async ({ proxy }) => {
  const port = await proxy.portOf('leader');
  proxy.signal('SIGUSR2');
  await proxy.logged(/SIGUSR2: the program on disk is started/);
  proxy.signal('SIGTERM');
  await proxy.allEnded();
  await assert.rejects(TcpClient.connect(port), { code: 'ECONNREFUSED' });
});
