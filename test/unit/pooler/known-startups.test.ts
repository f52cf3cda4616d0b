/** StartupMessages that come again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownStartups } from '../../../src/pooler/known-startups.js';
import { MalformedStartup } from '../../../src/wire/client-facing-error.js';
import { readStartupParameters, startupMessage } from '../../../src/wire/startup.js';

const LENGTH_LENGTH = 4;

/** What is read of a packet that lies somewhere in memory that is written over afterwards. */
function read(startups: KnownStartups, packet: Uint8Array) {
  const lent = Buffer.concat([Buffer.from('before'), packet, Buffer.from('behind')]);
  const begin = lent.length - 'behind'.length - packet.length;
  const parameters = startups.read(lent, begin + LENGTH_LENGTH, begin + packet.length);
  lent.fill(0x78);
  return parameters;
}

function packetOf(user: string, applicationName = 'app'): Uint8Array {
  return startupMessage([
    ['user', user],
    ['database', 'shop'],
    ['application_name', applicationName],
  ]);
}

test('what is known is what would be read, and the same object each time', () => {
  const startups = new KnownStartups();
  for (const user of ['alice', 'bobby', 'al']) {
    const packet = packetOf(user);
    const first = read(startups, packet);
    assert.deepEqual(first, readStartupParameters(packet, LENGTH_LENGTH, packet.length));
    assert.equal(read(startups, packetOf(user)), first);
  }
});

test('many different packets do not take more and more memory, and those that come again are known again', () => {
  const startups = new KnownStartups();
  const first = read(startups, packetOf('alice'));
  for (let i = 0; i < 100; i++) assert.equal(read(startups, packetOf(`user ${i}`)).user, `user ${i}`);
  const again = read(startups, packetOf('alice'));
  assert.notEqual(again, first);
  assert.equal(read(startups, packetOf('alice')), again);
});

test('a long packet is read each time', () => {
  const startups = new KnownStartups();
  const packet = packetOf('alice', 'x'.repeat(1000));
  assert.deepEqual(read(startups, packet), read(startups, packet));
  assert.notEqual(read(startups, packet), read(startups, packet));
});

test('a packet that makes no sense makes none the second time either', () => {
  const startups = new KnownStartups();
  const packet = startupMessage([['database', 'shop']]);
  for (let i = 0; i < 2; i++) assert.throws(() => read(startups, packet), MalformedStartup);
});
