/** Clients that begin TLS and do not go on, in virtual time: the login timeout ends them, wherever they have stopped. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationSchema } from '../../src/config/settings/configuration.js';
import { resolveSettings } from '../../src/control/data-plane-settings.js';
import { DataPlane } from '../../src/pooler/data-plane.js';
import { LOGIN_TIMEOUT_MS } from '../../src/pooler/limits.js';
import { sharedState } from '../../src/pooler/thread-messages.js';
import { enginesAlive } from '../../src/reactor/tls-engine.js';
import { Authority } from '../support/certificates.js';
import { packet, SSL_REQUEST } from '../support/messages.js';
import { NO_TOKEN_KEYS } from '../support/token-keys.js';
import { End } from './network.js';
import { SimulatedReactor } from './simulated-reactor.js';
import { workerStart } from './worker-start.js';
import { World } from './world.js';

const { certificate, privateKey } = new Authority('CA of the simulation').signLocal();
const general = { tls_certificate: 'c', tls_private_key: 'k' };
const tlsFiles = new Map([
  ['general.tls_certificate', certificate],
  ['general.tls_private_key', privateKey],
]);
/** The beginning of a ClientHello. */
const HALF_A_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);

// name, what is sent, handshakes a second
const STOPS = [
  ['behind SSLRequest', [packet(SSL_REQUEST)], 0],
  ['in the middle of a ClientHello', [packet(SSL_REQUEST), HALF_A_HELLO], 0],
  ['in the middle of a ClientHello without SSLRequest', [HALF_A_HELLO], 0],
  ['while it waits for its turn', [packet(SSL_REQUEST), HALF_A_HELLO], 1],
] as const;

for (const [where, packets, perSecond] of STOPS) {
  test(`a client that stops ${where} is closed by the login timeout`, async () => {
    const configuration = configurationSchema.parse({
      general: { ...general, worker_threads: 1, tls_rate_limit_per_second: perSecond },
    });
    const loaded = {
      configuration,
      accessRules: null,
      tlsFiles,
      tokenKeys: NO_TOKEN_KEYS,
      files: [],
    };
    const resolved = await resolveSettings(loaded);
    const world = new World(7);
    const reactor = new SimulatedReactor(world, () => () => null);
    const start = workerStart(resolved, sharedState(1), 0);
    const log: string[] = [];
    const plane = new DataPlane(start, reactor, (message) => {
      if (message.type === 'log') log.push(message.text);
    });
    plane.begin();
    const clients = Array.from({ length: 100 }, () => connected(world, reactor, packets));
    while (world.nowMs < LOGIN_TIMEOUT_MS + 10_000 && world.step());
    assert.deepEqual([reactor.usage().sockets, enginesAlive()], [0, 0]);
    assert.equal(refusedIn(log), 100);
    for (const client of clients)
      assert.ok(client.said === 'S' || (packets.length === 1 && client.said === ''));
  });
}

/** How many timeouts the log tells of: in lines of their own, and as those that were held back. */
function refusedIn(log: readonly string[]): number {
  return log
    .filter((line) => line.startsWith('login refused'))
    .map((line) => {
      const isOne = line.includes('canceling authentication due to timeout') ? 1 : 0;
      return isOne + Number(/(\d+) more like this were not logged/.exec(line)?.[1] ?? 0);
    })
    .reduce((sum, count) => sum + count, 0);
}

/** A client that sends these packets, the second one behind the answer to the first, and collects what is said. */
function connected(
  world: World,
  reactor: SimulatedReactor,
  packets: readonly Uint8Array[],
): { readonly said: string } {
  const [near, far] = End.pair(world);
  const client = { said: '' };
  const [first, second] = packets;
  near.user = {
    onReadable: () => {
      for (let came = near.read(100); came !== null; came = near.read(100)) {
        if (typeof came === 'number') return near.close();
        client.said += came.toString('latin1');
        if (second !== undefined && client.said === 'S') writeAll(near, second);
      }
    },
    onWritable: () => undefined,
  };
  world.after(1, () => {
    assert.ok(reactor.take(far) && first);
    writeAll(near, first);
  });
  return client;
}

function writeAll(end: End, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += end.write(Buffer.from(bytes.subarray(at)));
}
