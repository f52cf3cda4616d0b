/** Socket options: the kernel has what was asked for, on both sides of a connection. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SocketOptions } from '../../../src/reactor/reactor.js';
import { type Bench, LOCALHOST, onEachReactor, PLAIN } from './bench.js';

const folder = mkdtempSync(join(tmpdir(), 'reactor-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let socketFiles = 0;

const EVERYTHING: SocketOptions = {
  noDelay: true,
  keepaliveCount: 4,
  keepaliveIdleS: 77,
  keepaliveIntervalS: 9,
  userTimeoutS: 30,
  lingerS: 1,
  unixBufferBytes: 100_000,
};

/** The timer of the connection between two ports, from the first one's side: proc(5), /proc/net/tcp. Kind 2 is
 *  keep-alive; the moment is in hundredths of a second from now. */
function kernelTimer(localPort: number, remotePort: number): { kind: number; afterS: number } {
  const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const [, local = '', remote = '', , , timer = ''] = line.trim().split(/\s+/);
    if (!local.endsWith(hex(localPort)) || !remote.endsWith(hex(remotePort))) continue;
    const [kind = '', when = ''] = timer.split(':');
    return { kind: Number.parseInt(kind, 16), afterS: Number.parseInt(when, 16) / 100 };
  }
  assert.fail('the kernel does not know the connection');
}

onEachReactor('connections with every option set carry bytes, over TCP and unix sockets', (bench) => {
  const unix = { kind: 'unix', path: join(folder, `socket-${socketFiles++}`) } as const;
  let delivered = 0;
  for (const address of [LOCALHOST, unix]) {
    bench.pair(
      (client, server) => {
        server.onBytes = (_bytes, begin, end) => {
          delivered += end - begin;
          if (delivered === 10) bench.done();
          return end;
        };
        client.send(Buffer.from('hello'));
      },
      EVERYTHING,
      address,
    );
  }
  bench.run();
  assert.equal(delivered, 10);
});

onEachReactor('keep-alive begins after the time that was asked for, on both sides', (bench) => {
  const timers: { kind: number; afterS: number }[] = [];
  bench.pair((client, server) => {
    const [toServer, toClient] = [client.socket.peerAddress().port, server.socket.peerAddress().port];
    timers.push(kernelTimer(toClient, toServer), kernelTimer(toServer, toClient));
    bench.done();
  }, EVERYTHING);
  bench.run();
  assert.equal(timers.length, 2);
  for (const { kind, afterS } of timers) {
    assert.equal(kind, 2);
    assert.ok(afterS > 60 && afterS <= 78, `${afterS}`);
  }
});

/** How much the kernel takes for a peer that does not read. */
function taken(bench: Bench, unixBufferBytes: number): number {
  let amount = 0;
  bench.pair(
    (client, server) => {
      server.socket.pause(false);
      client.send(Buffer.alloc(2_000_000));
      server.onClosed = () => {
        amount = server.received;
        bench.done();
      };
      bench.whenStill(
        () => client.socket.unsent,
        () => {
          client.socket.close(); // what the kernel has not taken by now is lost
          server.socket.resume();
        },
      );
    },
    { ...PLAIN, unixBufferBytes },
    { kind: 'unix', path: join(folder, `socket-${socketFiles++}`) },
  );
  bench.run();
  return amount;
}

const amounts = new Map<string, number[]>();
for (const bytes of [20_000, 150_000]) {
  onEachReactor(`a unix socket takes what its buffer of ${bytes} bytes has room for`, (bench) => {
    const amount = taken(bench, bytes);
    amounts.set(bench.reactor.name, [...(amounts.get(bench.reactor.name) ?? []), amount]);
    assert.ok(amount > 0);
  });
}

test('a larger buffer of a unix socket takes more', () => {
  for (const [name, [small = 0, large = 0]] of amounts)
    assert.ok(large > small + 50_000, `${name}: ${small}, ${large}`);
  assert.ok(amounts.size > 0);
});
