/** What clients send while they log in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolViolation } from '../../../src/wire/client-facing-error.js';
import { passwordMessage, saslInitialResponse } from '../../../src/wire/message-builder.js';
import { readPasswordMessage, readSaslInitialResponse } from '../../../src/wire/password-message.js';
import { HEADER_LENGTH } from '../../../src/wire/tags.js';
import { octets, textOf } from './octets.js';

const readers = [readPasswordMessage, readSaslInitialResponse];

test('the password is what stands before the zero', () => {
  const message = passwordMessage(octets('secret\0'));
  assert.equal(textOf(readPasswordMessage(message, HEADER_LENGTH, message.length)), 'secret');
});

test('a password is a copy, also when the bytes are a Buffer', () => {
  const lent = Buffer.from('secret\0');
  const password = readPasswordMessage(lent, 0, lent.length);
  lent.fill(0);
  assert.equal(textOf(password), 'secret');
});

for (const body of ['', 'secret', 'sec\0ret\0', 'secret\0x']) {
  test(`a PasswordMessage of ${JSON.stringify(body)} is a violation`, () => {
    assert.throws(() => readPasswordMessage(octets(body), 0, body.length), ProtocolViolation);
  });
}

test('a zero behind the body does not end a password', () => {
  assert.throws(() => readPasswordMessage(octets('secret\0'), 0, 6), ProtocolViolation);
});

test('a SASLInitialResponse without data, length -1, has empty data', () => {
  const body = octets('A\0\xff\xff\xff\xff');
  assert.deepEqual(readSaslInitialResponse(body, 0, body.length), { mechanism: 'A', data: octets('') });
});

for (const body of [
  '',
  'A',
  'A\0',
  'A\0\0\0\0',
  'A\0\0\0\0\x01',
  'A\0\0\0\0\0x',
  'A\0\xff\xff\xff\xffx',
  'A\0\xff\xff\xff\xfe',
]) {
  test(`a SASLInitialResponse of ${JSON.stringify(body)} is a violation`, () => {
    assert.throws(() => readSaslInitialResponse(octets(body), 0, body.length), ProtocolViolation);
  });
}

test('a SASLInitialResponse that was built is read again', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Z0-9-]{1,20}$/), fc.uint8Array(), (mechanism, data) => {
      const message = saslInitialResponse(mechanism, data);
      assert.deepEqual(readSaslInitialResponse(message, HEADER_LENGTH, message.length), { mechanism, data });
    }),
  );
});

test('random bodies are read or violations, and nothing else happens', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20, max: 6 }), (body) => {
      for (const read of readers) {
        try {
          assert.ok(read(body, 0, body.length));
        } catch (error) {
          assert.ok(error instanceof ProtocolViolation, String(error));
        }
      }
    }),
  );
});
