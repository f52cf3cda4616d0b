/** The bytes between clients and members: whole, in order, held back by slow readers, and ended as the peers end them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { SOCK_CLOEXEC, SOCK_STREAM } from '../../src/reactor/kernel-structs.js';
import { bind, close, type Fd, listen, socket, socketName } from '../../src/reactor/libc.js';
import { decodePeerAddress, encodeSocketAddress, familyOf } from '../../src/reactor/socket-address.js';
import { allRoles, portSection, sceneTest } from './scene.js';

const MEGABYTE = 1024 * 1024;
const block = Buffer.from(Array.from({ length: MEGABYTE }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

function hashOf(pieces: Iterable<Buffer>): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** All that comes until the end. (`for await` would destroy the stream then, with what is still to be written.) */
async function hashUntilEnd(stream: Socket): Promise<{ hash: string; length: number }> {
  const hash = createHash('sha256');
  let length = 0;
  stream.on('data', (piece) => {
    hash.update(piece);
    length += piece.length;
  });
  await once(stream, 'end');
  return { hash: hash.digest('hex'), length };
}

sceneTest('64 MB come through whole in both directions at once', async ({ proxy, members }) => {
  const COUNT = 64;
  const expected = hashOf(Array.from({ length: COUNT }, () => block));
  const sendAll = (peer: Socket): void => {
    for (let i = 0; i < COUNT; i++) peer.write(block);
    peer.end();
  };
  const atMember = new Promise<{ hash: string; length: number }>((resolve) => {
    members[0].onConnection = (peer) => {
      sendAll(peer);
      resolve(hashUntilEnd(peer));
    };
  });
  const client = connectTcp({ port: await proxy.portOf('leader'), host: '127.0.0.1', allowHalfOpen: true });
  sendAll(client);
  const wanted = { hash: expected, length: COUNT * MEGABYTE };
  assert.deepEqual(await hashUntilEnd(client), wanted);
  assert.deepEqual(await atMember, wanted);
  const { body } = await proxy.get('/metrics');
  assert.match(
    body,
    new RegExp(`bytes_total\\{cluster="c",port="leader",direction="sent"\\} ${COUNT * MEGABYTE}\n`),
  );
  assert.match(body, new RegExp(`port="leader",direction="received"\\} ${COUNT * MEGABYTE}\n`));
});

sceneTest(
  'a client that sends and ends its side gets the answer that comes afterwards',
  async ({ proxy, members }) => {
    members[0].onConnection = (peer) => {
      let request = '';
      peer.setEncoding('utf8').on('data', (piece) => {
        request += piece;
      });
      peer.on('end', () => peer.end(`you have said ${request}`));
    };
    const client = await proxy.connect('leader');
    client.socket.end('hello');
    assert.equal(await client.ended(), 'you have said hello');
    while ((await proxy.connections('leader')).node1 !== 0);
  },
);

sceneTest(
  'a member that ends its side still gets what the client sends afterwards',
  async ({ proxy, members }) => {
    const heard = new Promise<string>((resolve) => {
      members[0].onConnection = (peer) => {
        peer.end('nothing more from me\n');
        let text = '';
        peer.setEncoding('utf8').on('data', (piece) => {
          text += piece;
        });
        peer.on('end', () => resolve(text));
      };
    });
    const client = await proxy.connect('leader');
    assert.equal(await client.line(), 'nothing more from me');
    await once(client.socket, 'end');
    client.socket.end('but from me');
    assert.equal(await heard, 'but from me');
    while ((await proxy.connections('leader')).node1 !== 0);
  },
);

for (const who of ['client', 'member'] as const) {
  sceneTest(`when the ${who} resets the connection the other one is told`, async ({ proxy, members }) => {
    const accepted = new Promise<Socket>((resolve) => {
      members[0].onConnection = (peer) => {
        peer.resume().on('error', () => undefined);
        resolve(peer);
      };
    });
    const client = await proxy.connect('leader');
    const member = await accepted;
    const [resets, told] = who === 'client' ? [client.socket, member] : [member, client.socket];
    const end = once(told, 'end');
    resets.resetAndDestroy();
    await end;
    client.close();
    while ((await proxy.connections('leader')).node1 !== 0);
  });
}

/** Writes until nothing more is taken for a while; returns how many bytes the peer has accepted. */
async function floodUntilStuck(socket: Socket): Promise<number> {
  for (;;) {
    if (socket.write(block)) continue;
    const drained = await Promise.race([
      once(socket, 'drain').then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, 500, false)),
    ]);
    if (!drained) return socket.bytesWritten - socket.writableLength;
  }
}

for (const who of ['client', 'member'] as const) {
  sceneTest(`a ${who} that does not read stops the one who sends to it`, async ({ proxy, members }) => {
    const accepted = new Promise<Socket>((resolve) => {
      members[0].onConnection = (peer) => resolve(peer.pause());
    });
    const client = connectTcp({ port: await proxy.portOf('leader'), host: '127.0.0.1' }).pause();
    const member = await accepted;
    const [reader, writer] = who === 'client' ? [client, member] : [member, client];
    const taken = await floodUntilStuck(writer);
    // The sockets' buffers of the kernel, which grow to some megabytes each, and half a megabyte of our own.
    assert.ok(taken < 40 * MEGABYTE, `${taken} bytes were taken for somebody who does not read`);
    const written = writer.bytesWritten;
    writer.end();
    const { length } = await hashUntilEnd(reader.resume());
    assert.equal(length, written);
    client.destroy();
    member.destroy();
  });
}

sceneTest('what a client sends before its member is found arrives', async ({ proxy, members }) => {
  members[1].stop();
  for (let i = 0; i < 4; i++) {
    const client = await proxy.connect('replicas');
    client.socket.write('early\n');
    assert.deepEqual([await client.line(), await client.line()], ['node3', 'early']);
  }
});

/** Listens on an address and never accepts; its queue is full, so that the kernel answers nobody. */
async function deafListener(host: string, port: number): Promise<() => void> {
  const address = { kind: 'tcp', host, port } as const;
  const fd = socket(familyOf(address), SOCK_STREAM | SOCK_CLOEXEC) as Fd;
  assert.equal(bind(fd, encodeSocketAddress(address)), 0);
  assert.equal(listen(fd, 0), 0);
  const { port: bound } = decodePeerAddress(socketName(fd));
  const filler = connectTcp(bound, host);
  await once(filler, 'connect');
  return () => {
    filler.destroy();
    close(fd);
  };
}

sceneTest(
  'a member that does not answer is passed over after connect_timeout',
  async ({ proxy, members, memberPort }) => {
    members[1].stop();
    const end = await deafListener('127.0.0.2', memberPort);
    for (let i = 0; i < 4; i++) assert.equal((await proxy.greeted('replicas')).by, 'node3');
    await proxy.logged(/node2 .* cannot be reached \(no answer in 200 ms\): passed over/);
    end();
  },
  { settings: { connect_timeout: '200ms' } },
);

sceneTest(
  'a client that leaves while its member is being connected to leaves nothing behind',
  async (scene) => {
    const { proxy, members, memberPort } = scene;
    members[1].stop();
    const end = await deafListener('127.0.0.2', memberPort);
    const client = await proxy.connect('sync');
    while ((await proxy.connections('sync')).node2 !== 1);
    client.socket.resetAndDestroy();
    while ((await proxy.connections('sync')).node2 !== 0);
    end();
  },
);

sceneTest(
  'PostgreSQL’s clients and members on IPv6 are served',
  async ({ proxy, api, memberPort, cluster }) => {
    const six = createServer((peer) => peer.end('six\n')).listen(memberPort, '::1');
    await once(six, 'listening');
    api.members = [{ name: 'six', host: '::1', role: 'leader', state: 'running' }];
    await proxy.reload({
      clusters: {
        c: cluster({
          ...allRoles(memberPort),
          six: portSection(memberPort, ['leader'], { listen: '[::1]:0' }),
        }),
      },
    });
    await proxy.update();
    const client = connectTcp({ host: '::1', port: await proxy.portOf('six') });
    const [piece] = await once(client, 'data');
    assert.equal(String(piece), 'six\n');
    client.destroy();
    six.close();
  },
);
