/** MD5 passwords. The expected values were computed by another implementation of MD5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMd5Response, md5PasswordHash, md5Response } from '../../../src/wire/md5.js';
import { octets } from './octets.js';

const SALT = octets('\x01\x02\xfe\xff');
const HASH = 'md54a0a68b43b6cd5cf266fa02f196e2371';
const RESPONSE = 'md5e9b7072d7c7ccc7b5f9a7b7d60c9a2f9';

test('the stored hash is that of password and user', () => {
  assert.equal(md5PasswordHash('alice', 'secret'), HASH);
});

test('user and password are hashed in UTF-8', () => {
  assert.equal(md5PasswordHash('имя', 'пароль'), 'md59f8688c6c6748e0fcdad350edee34e3a');
});

test('the response is that of the hash and the bytes of the salt', () => {
  assert.equal(md5Response(HASH, SALT), RESPONSE);
});

test('the right response is accepted', () => {
  assert.equal(isMd5Response(HASH, SALT, octets(RESPONSE)), true);
});

test('a response to another salt, a shorter and a longer one are not accepted', () => {
  assert.equal(isMd5Response(HASH, octets('\x01\x02\xfe\xfe'), octets(RESPONSE)), false);
  assert.equal(isMd5Response(HASH, SALT, octets(RESPONSE.slice(0, -1))), false);
  assert.equal(isMd5Response(HASH, SALT, octets(`${RESPONSE}0`)), false);
  assert.equal(isMd5Response(HASH, SALT, octets('')), false);
});

test('no random response is accepted', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (response) => {
      assert.equal(isMd5Response(HASH, SALT, response), false);
    }),
  );
});
