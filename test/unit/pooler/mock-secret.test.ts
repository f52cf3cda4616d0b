/** Names that nobody has look like others, and nobody can be them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mockSecret } from '../../../src/pooler/mock-secret.js';
import type { ClientSecret } from '../../../src/pooler/settings.js';

const KEY = Buffer.from('key of the tests');
const SCRAM: ClientSecret = {
  kind: 'scram',
  salt: new Uint8Array(12),
  iterations: 5000,
  storedKey: new Uint8Array(32),
  serverKey: new Uint8Array(32),
};
const MD5: ClientSecret = { kind: 'md5', hash: `md5${'0'.repeat(32)}` };

for (const like of [SCRAM, MD5]) {
  test(`${like.kind}: the same name gets the same secret, others get others`, () => {
    const one = mockSecret(like, 'one', KEY);
    assert.deepEqual(mockSecret(like, 'one', KEY), one);
    assert.notDeepEqual(mockSecret(like, 'two', KEY), one);
    assert.notDeepEqual(mockSecret(like, 'one', Buffer.from('another process')), one);
    assert.notDeepEqual(one, like);
  });
}

test('what a client can see of it has the form of what it stands for', () => {
  const scram = mockSecret(SCRAM, 'one', KEY);
  assert.ok(scram.kind === 'scram');
  assert.deepEqual([scram.salt.length, scram.iterations], [12, 5000]);
  const md5 = mockSecret(MD5, 'one', KEY);
  assert.ok(md5.kind === 'md5' && /^md5[0-9a-f]{32}$/.test(md5.hash));
});

test('where nobody can log in, neither can somebody unknown', () => {
  assert.deepEqual(mockSecret({ kind: 'none' }, 'one', KEY), { kind: 'none' });
});
