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
  const bytes = fc.uint8Array({ maxLength: 600 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes, fc.nat(600), (key, message, limit) => {
      const length = Math.min(message.length, limit);
      const expected = createHmac('sha256', key).update(message.subarray(0, length)).digest();
      assert.deepEqual(Buffer.from(hmacSha256(key, message, length)), expected);
    }),
  );
});

test('what there is no room for is a mistake of ours', () => {
  const longest = Buffer.alloc(8000, 'x');
  assert.deepEqual(
    Buffer.from(hmacSha256(new Uint8Array(32), longest, longest.length)),
    createHmac('sha256', new Uint8Array(32)).update(longest).digest(),
  );
  assert.throws(() => hmacSha256(new Uint8Array(32), longest, 8001), /8001/);
  assert.throws(() => hmacSha256(new Uint8Array(65), longest, 0), /HMAC/);
  assert.throws(() => sha256(new Uint8Array(8001)), /8001/);
});
