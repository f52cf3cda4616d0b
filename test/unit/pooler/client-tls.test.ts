/** What clients that connect from now on get can be replaced, as by RELOAD, while others go on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientTls } from '../../../src/pooler/client-tls.js';
import type { ClientTlsSettings } from '../../../src/pooler/settings.js';
import { TlsError } from '../../../src/reactor/openssl.js';
import { Tls } from '../../../src/reactor/tls-engine.js';
import { SimulatedReactor } from '../../simulation/simulated-reactor.js';
import { World } from '../../simulation/world.js';
import { Authority } from '../../support/certificates.js';

const authority = new Authority('CA of the tests');
const SETTINGS: ClientTlsSettings = {
  identity: authority.signLocal(),
  clientAuthorities: '',
  ticketKeys: new Uint8Array(80),
  isRequired: false,
  handshakesPerSecond: 0,
};

function clientTls(settings: ClientTlsSettings): ClientTls {
  return new ClientTls(new SimulatedReactor(new World(1), () => () => null), settings);
}

test('another certificate takes the place of the first, and what was begun goes on', () => {
  const tls = clientTls(SETTINGS);
  const before = tls.context;
  const engine = before?.engine();
  tls.replace({ ...SETTINGS, identity: authority.signLocal(), isRequired: true });
  assert.ok(tls.context !== null && tls.context !== before && tls.isRequired);
  assert.equal(engine?.handshake(), Tls.Starved); // on the context that is no longer handed out
  engine?.free();
});

test('TLS can be taken away', () => {
  const tls = clientTls(SETTINGS);
  tls.replace({ ...SETTINGS, identity: null });
  assert.equal(tls.context, null);
});

// what is wrong, and with which settings
const WRONG: readonly (readonly [string, Partial<ClientTlsSettings>])[] = [
  [
    'a key of another certificate',
    {
      identity: {
        certificate: authority.signLocal().certificate,
        privateKey: authority.signLocal().privateKey,
      },
    },
  ],
  ['no certificate', { identity: { certificate: '', privateKey: '' } }],
  ['no CA', { clientAuthorities: 'no PEM' }],
  ['ticket keys of a wrong length', { ticketKeys: new Uint8Array(79) }],
];

for (const [what, wrong] of WRONG) {
  test(`with ${what} all stays as it was`, () => {
    const tls = clientTls(SETTINGS);
    const before = tls.context;
    assert.throws(() => tls.replace({ ...SETTINGS, ...wrong, isRequired: true }), TlsError);
    assert.equal(tls.context, before);
    assert.equal(tls.isRequired, false);
  });
}
