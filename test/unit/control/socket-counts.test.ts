/** The sockets of a process, counted from the kernel's tables. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SOCKET_KINDS, socketCounts } from '../../../src/control/socket-counts.js';

/** How many more of each kind there are while a server listens and has one client, both of this process. */
async function grownBy(server: Server, address: { port: number; host: string } | { path: string }) {
  const before = await socketCounts();
  server.listen(address);
  await once(server, 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const client = connect('path' in address ? address : { ...address, port });
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  const after = await socketCounts();
  client.destroy();
  accepted.destroy();
  await once(server.close(), 'close');
  return SOCKET_KINDS.map((kind): [string, number] => [
    kind,
    (after.get(kind) ?? 0) - (before.get(kind) ?? 0),
  ]).filter(([, count]) => count !== 0);
}

test('a TCP server and its client are one that listens and two that are established', async () => {
  const grown = await grownBy(createServer(), { host: '127.0.0.1', port: 0 });
  assert.deepEqual(grown, [
    ['tcp_established', 2],
    ['tcp_listen', 1],
  ]);
});

test('those of a unix socket are told by their states', async () => {
  const grown = await grownBy(createServer(), { path: join(tmpdir(), `sockets-${process.pid}`) });
  assert.deepEqual(grown, [
    ['unix_unconnected', 1],
    ['unix_connected', 2],
  ]);
});
