/** From what is written of TLS with PostgreSQL to what the workers do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { clientTls, ServerTlsOfPools } from '../../../src/control/tls-settings.js';
import type { ServerTlsSettings } from '../../../src/pooler/settings.js';
import { NO_TOKEN_KEYS } from '../../support/token-keys.js';

/** What the pools have, with a text in place of each file. */
function serverTls(
  general: Record<string, unknown>,
  pools: Record<string, Record<string, unknown>> = { x: {} },
  files: Record<string, string> = {},
): ServerTlsSettings[] {
  const configuration = configurationSchema.parse({ general, pools });
  const tlsFiles = new Map(Object.entries(files));
  const of = new ServerTlsOfPools({
    configuration,
    tlsFiles,
    tokenKeys: NO_TOKEN_KEYS,
    accessRules: null,
    files: [],
  });
  return Object.entries(configuration.pools).map(([name, pool]) => of.of(name, pool));
}

const CA = { server_tls_ca_cert: 'ca.pem' };
const CA_FILE = { 'general.server_tls_ca_cert': 'CA' };
const PUBLIC = rootCertificates.join('\n');

// what is written, with a CA or without, and what comes of it
const MODES = [
  [{}, 'disable', '', false],
  [{ server_tls: true }, 'prefer', '', false],
  [{ verify_server_certificate: true }, 'disable', '', false],
  [{ server_tls: true, verify_server_certificate: true }, 'require', PUBLIC, true],
  [{ server_tls: true, verify_server_certificate: true, ...CA }, 'require', 'CA', true],
  [{ server_tls_mode: 'allow', ...CA }, 'allow', '', false],
  [{ server_tls_mode: 'prefer', ...CA }, 'prefer', '', false],
  [{ server_tls_mode: 'require' }, 'require', '', false],
  [{ server_tls_mode: 'require', ...CA }, 'require', 'CA', false],
  [{ server_tls_mode: 'verify-ca', ...CA }, 'require', 'CA', false],
  [{ server_tls_mode: 'verify-full', ...CA }, 'require', 'CA', true],
  [{ server_tls_mode: 'verify-full' }, 'require', PUBLIC, true],
] as const;

for (const [general, mode, authorities, checksHost] of MODES) {
  test(`servers: ${JSON.stringify(general)}`, () => {
    const files = 'server_tls_ca_cert' in general ? CA_FILE : {};
    const [settings] = serverTls(general, { x: {} }, files);
    const id = settings?.id;
    assert.deepEqual(settings, { id, mode, authorities, checksHost, identity: null });
  });
}

test('pools with the same settings share them, so that they share a context', () => {
  const [a, b, c] = serverTls({ server_tls: true }, { a: {}, b: {}, c: { server_tls_mode: 'require' } });
  assert.equal(a, b);
  assert.notEqual(a, c);
});

test("a pool's certificate wins over that of general", () => {
  const pair = (prefix: string, text: string): Record<string, string> => ({
    [`${prefix}.server_tls_certificate`]: `${text} certificate`,
    [`${prefix}.server_tls_private_key`]: `${text} key`,
  });
  const files = { ...pair('general', 'common'), ...pair('pools.b', 'own') };
  const [a, b] = serverTls({ server_tls: true }, { a: {}, b: {} }, files);
  assert.deepEqual(a?.identity, { certificate: 'common certificate', privateKey: 'common key' });
  assert.deepEqual(b?.identity, { certificate: 'own certificate', privateKey: 'own key' });
});

test('each reading of the configuration makes new keys for session tickets', () => {
  const configuration = configurationSchema.parse({});
  const loaded = {
    configuration,
    tlsFiles: new Map(),
    tokenKeys: NO_TOKEN_KEYS,
    accessRules: null,
    files: [],
  };
  const [first, second] = [clientTls(loaded), clientTls(loaded)];
  assert.equal(first.ticketKeys.length, 80);
  assert.notDeepEqual(first.ticketKeys, second.ticketKeys);
});
