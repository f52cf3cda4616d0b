/** Base64 that is taken literally. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64, encodeBase64 } from '../../../src/wire/base64.js';
import { octets } from './octets.js';

test('what was encoded is decoded again, wherever it lies in its memory', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(8), (bytes, offset) => {
      const within = new Uint8Array(bytes.length + offset);
      within.set(bytes, offset);
      assert.deepEqual(decodeBase64(encodeBase64(within.subarray(offset))), bytes);
    }),
  );
});

for (const text of ['YQ', 'YQ=', 'YR==', 'Y Q==', 'YQ==\n', 'YQ==YQ==', 'Y-_=', '=', '====', 'é']) {
  test(`${JSON.stringify(text)} is not base64`, () => {
    assert.equal(decodeBase64(text), null);
  });
}

test('an empty text is no bytes', () => {
  assert.deepEqual(decodeBase64(''), octets(''));
});
