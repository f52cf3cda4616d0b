/** Certificates that have been read anew reach the workers: for connections from now on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { type Resolved, resolveSettings } from '../../../src/control/data-plane-settings.js';
import { DataPlane } from '../../../src/pooler/data-plane.js';
import { sharedState, type ToWorker } from '../../../src/pooler/thread-messages.js';
import { SimulatedReactor } from '../../simulation/simulated-reactor.js';
import { workerStart } from '../../simulation/worker-start.js';
import { World } from '../../simulation/world.js';
import { Authority, type Identity } from '../../support/certificates.js';
import { NO_TOKEN_KEYS } from '../../support/token-keys.js';

const authority = new Authority('CA of the tests');

/** With these certificates for both sides, and a pool that has TLS with its servers and one that has none. */
function settingsWith(identity: Identity, more: Record<string, unknown> = {}): Promise<Resolved> {
  const files: Record<string, string> = {
    tls_certificate: identity.certificate,
    tls_private_key: identity.privateKey,
    server_tls_ca_cert: authority.pem,
    server_tls_certificate: identity.certificate,
    server_tls_private_key: identity.privateKey,
  };
  const users = [{ username: 'alice' }];
  const configuration = configurationSchema.parse({
    general: { ...files, worker_threads: 3, tls_rate_limit_per_second: 100, ...more },
    pools: { secure: { users, server_tls_mode: 'require' }, plain: { users } },
  });
  const tlsFiles = new Map(Object.entries(files).map(([name, text]) => [`general.${name}`, text]));
  return resolveSettings({ configuration, tlsFiles, tokenKeys: NO_TOKEN_KEYS, accessRules: null, files: [] });
}

async function planeWith(identity: Identity): Promise<{ plane: DataPlane; log: string[] }> {
  const log: string[] = [];
  const reactor = new SimulatedReactor(new World(1), () => () => null);
  const plane = new DataPlane(
    workerStart(await settingsWith(identity), sharedState(3), 0),
    reactor,
    (message) => {
      if (message.type === 'log') log.push(message.text);
    },
  );
  return { plane, log };
}

/** As a RELOAD tells them. */
function messages({ settings, pools }: Resolved): ToWorker[] {
  return [
    { type: 'settings', settings, tlsChanged: true },
    ...pools.map((each, pool) => ({ type: 'pool', pool, settings: each }) as const),
  ];
}

test('a worker takes both certificates', async () => {
  const { plane } = await planeWith(authority.signLocal());
  const pool = plane.findPool('secure', 'alice');
  assert.ok(pool);
  const before = plane.clientTls.context;
  const serverBefore = plane.serverTls.contextOf(pool.settings.serverTls);
  const renewed = await settingsWith(authority.signLocal(), { tls_mode: 'require' });
  for (const message of messages(renewed)) plane.inbox.onMessage(structuredClone(message));
  const after = plane.clientTls.context;
  assert.ok(before && after && plane.clientTls.isRequired);
  assert.notDeepEqual(after.endPoint, before.endPoint);
  assert.notEqual(plane.serverTls.contextOf(pool.settings.serverTls), serverBefore);
  assert.deepEqual(pool.settings.serverTls, renewed.pools[0]?.serverTls);
  assert.equal(plane.findPool('plain', 'alice')?.settings.serverTls.mode, 'disable');
});

test('what cannot be used leaves TLS with clients as it was, and is logged', async () => {
  const { plane, log } = await planeWith(authority.signLocal());
  const before = plane.clientTls.context;
  const broken = await settingsWith({
    ...authority.signLocal(),
    privateKey: authority.signLocal().privateKey,
  });
  for (const message of messages(broken)) plane.inbox.onMessage(message);
  assert.equal(plane.clientTls.context, before);
  assert.match(log.join('\n'), /TLS with clients stays as it was/);
});
