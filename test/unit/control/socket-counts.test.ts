/** Sockets of a process, as /proc tells them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { socketCounts } from '../../../src/control/socket-counts.js';
import { socketTypes } from '../../../src/control/sockets.js';

const TCP =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const UNIX = 'Num       RefCount Protocol Flags    Type St Inode Path\n';

/** A directory as /proc has one for a process, with these links and files. */
function processDirectory(
  context: TestContext,
  links: readonly string[],
  files: Readonly<Record<string, string>>,
): string {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-proc-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'fd'));
  mkdirSync(join(directory, 'net'));
  for (const [fd, link] of links.entries()) symlinkSync(link, join(directory, 'fd', String(fd)));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, 'net', name), text);
  return directory;
}

function tcpRow(state: string, inode: number): string {
  return `   0: 0100007F:1538 0100007F:C5F6 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 20 4 30 10 -1\n`;
}

test('the sockets of the process are counted by type and state, and those of others are not', (context) => {
  const directory = processDirectory(
    context,
    [
      '/dev/null',
      'socket:[1]',
      'socket:[2]',
      'socket:[3]',
      'socket:[4]',
      'socket:[5]',
      'socket:[6]',
      'pipe:[7]',
    ],
    {
      tcp: TCP + tcpRow('01', 1) + tcpRow('0A', 2) + tcpRow('01', 99),
      tcp6: TCP + tcpRow('08', 3),
      unix: `${UNIX}ffff: 00000002 00000000 00010000 0001 01 4 /run/a\nffff: 00000003 00000000 00000000 0001 03 5\n`,
    },
  );
  const counts = socketCounts(directory);
  assert.deepEqual(Object.fromEntries(counts), {
    tcp_established: 1,
    tcp_listen: 1,
    tcp6_close_wait: 1,
    unix_unconnected: 1,
    unix_connected: 1,
    unknown: 1,
  });
  assert.deepEqual(socketTypes(counts), { tcp: 2, tcp6: 1, unix: 2, unknown: 1 });
});

test('where the kernel has no IPv6 there are none of its sockets', (context) => {
  const directory = processDirectory(context, ['socket:[1]'], { tcp: TCP + tcpRow('01', 1) });
  assert.deepEqual(socketTypes(socketCounts(directory)), { tcp: 1, tcp6: 0, unix: 0, unknown: 0 });
});

test('of a real process they are found', async (context) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const address = server.address();
  const before = socketCounts().get('tcp_established') ?? 0;
  const client = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  const [accepted] = await once(server, 'connection');
  context.after(() => {
    client.destroy();
    accepted.destroy();
  });
  const counts = socketCounts();
  assert.equal(counts.get('tcp_established'), before + 2);
  assert.ok((counts.get('tcp_listen') ?? 0) >= 1);
});
