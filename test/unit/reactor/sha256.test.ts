/** SHA-256 and HMAC-SHA-256 beside those of node:crypto. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hmacSha256, sha256 } from '../../../src/reactor/sha256.js';

test('a digest is that of node:crypto', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.deepEqual(Buffer.from(sha256(bytes)), createHash('sha256').update(bytes).digest());
    }),
  );
});

test('an HMAC is that of node:crypto, whatever was hashed before', () => {
  const text = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), text, (key, message) => {
      const expected = createHmac('sha256', key).update(message, 'latin1').digest();
      assert.deepEqual(Buffer.from(hmacSha256(key, message)), expected);
    }),
  );
});

test('what there is no room for is a mistake of ours', () => {
  const longest = 'x'.repeat(8000);
  assert.deepEqual(
    Buffer.from(hmacSha256(new Uint8Array(32), longest)),
    createHmac('sha256', new Uint8Array(32)).update(longest).digest(),
  );
  assert.throws(() => hmacSha256(new Uint8Array(32), 'x'.repeat(8001)), /8001/);
  assert.throws(() => hmacSha256(new Uint8Array(65), ''), /HMAC/);
  assert.throws(() => sha256(new Uint8Array(8001)), /8001/);
});
