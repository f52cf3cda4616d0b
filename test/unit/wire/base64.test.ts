/** Base64 that is taken literally. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64, encodeBase64, putBase64, takeBase64 } from '../../../src/wire/base64.js';
import { octets, textOf } from './octets.js';

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

test('written into bytes and read from them it is the same, and as strict', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(8), (bytes, at) => {
      const to = new Uint8Array(at + 2 * bytes.length + 4);
      const end = putBase64(to, at, bytes);
      assert.equal(textOf(to.subarray(at, end)), encodeBase64(bytes));
      assert.deepEqual(takeBase64(to, at, end, bytes.length), bytes);
    }),
  );
  const character = fc.constantFrom(...'AQRY+/=- ');
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 8 }), fc.nat(6), (text, length) => {
      const expected = decodeBase64(text);
      const taken = takeBase64(octets(text), 0, text.length, length);
      assert.deepEqual(taken, expected?.length === length ? expected : null);
    }),
  );
});
