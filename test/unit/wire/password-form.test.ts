/** Stored passwords by their form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseStoredPassword } from '../../../src/wire/password-form.js';

const SALT = 'W22ZaJ0SNY7soEsUEjb6gQ==';
const STORED = 'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=';
const SERVER = 'wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=';

function scram(iterations: string, salt: string, stored: string, server: string): string {
  return `SCRAM-SHA-256$${iterations}:${salt}$${stored}:${server}`;
}

function bytes(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}

test('an empty text is no password', () => {
  assert.deepEqual(parseStoredPassword(''), { kind: 'none' });
});

test('md5 and 32 hex digits are a hash, kept in lower case', () => {
  const hash = 'md58a67a0c805a5ee0384ea28e0dea557b6';
  assert.deepEqual(parseStoredPassword(hash), { kind: 'md5', hash });
  assert.deepEqual(parseStoredPassword(hash.replace('8a67', '8A67')), { kind: 'md5', hash });
});

test('a SCRAM verifier has its four fields', () => {
  assert.deepEqual(parseStoredPassword(scram('4096', SALT, STORED, SERVER)), {
    kind: 'scram',
    iterations: 4096,
    salt: bytes(SALT),
    storedKey: bytes(STORED),
    serverKey: bytes(SERVER),
  });
});

test('jwt-pkey-fpath names a key file, whose path may contain anything', () => {
  assert.deepEqual(parseStoredPassword('jwt-pkey-fpath:/etc/a:b $.pem'), {
    kind: 'jwt',
    keyPath: '/etc/a:b $.pem',
  });
});

test('everything else is a plain password', () => {
  for (const password of ['secret', 'SCRAM-SHA-256', 'scram-sha-256$x', 'MD5x', ' md5', 'jwt']) {
    assert.deepEqual(parseStoredPassword(password), { kind: 'plain', password });
  }
});

const UNUSABLE: readonly [string, string, RegExp][] = [
  ['an md5 hash that was cut', 'md58a67a0c805a5ee0384ea28e0dea557', /32 hex digits/],
  ['an md5 hash with something behind it', 'md58a67a0c805a5ee0384ea28e0dea557b6\n', /32 hex digits/],
  ['a verifier that was cut', `SCRAM-SHA-256$4096:${SALT}$${STORED}`, /ITERATIONS:SALT/],
  ['a verifier without anything', 'SCRAM-SHA-256$', /ITERATIONS:SALT/],
  ['a verifier with a fifth field', scram('4096', SALT, STORED, `${SERVER}:x`), /ITERATIONS:SALT/],
  ['no iterations', scram('0', SALT, STORED, SERVER), /iterations/],
  ['iterations in hex', scram('0x10', SALT, STORED, SERVER), /iterations/],
  ['negative iterations', scram('-1', SALT, STORED, SERVER), /iterations/],
  ['too many iterations', scram('1000001', SALT, STORED, SERVER), /iterations/],
  ['an empty salt', scram('4096', '', STORED, SERVER), /salt/],
  ['a salt that is not base64', scram('4096', 'a.b', STORED, SERVER), /salt/],
  ['a salt that is too long', scram('4096', Buffer.alloc(1025).toString('base64'), STORED, SERVER), /salt/],
  ['a StoredKey that is too short', scram('4096', SALT, 'YQ==', SERVER), /StoredKey/],
  ['a StoredKey that is not base64', scram('4096', SALT, STORED.slice(1), SERVER), /StoredKey/],
  [
    'a ServerKey that is too long',
    scram('4096', SALT, STORED, Buffer.alloc(33).toString('base64')),
    /ServerKey/,
  ],
  [
    'the example of the manual, with its dots',
    'SCRAM-SHA-256$4096:6nD+Ppi9rgaNyP7...MBiTld7xJipwG/X4=',
    /ITERATIONS:SALT/,
  ],
  ['jwt-pkey-fpath without a path', 'jwt-pkey-fpath:', /path/],
];
for (const [what, text, why] of UNUSABLE) {
  test(`${what} is unusable, and says why without telling the secret`, () => {
    const stored = parseStoredPassword(text);
    assert.ok(stored.kind === 'unusable', stored.kind);
    assert.match(stored.why, why);
    assert.ok(!stored.why.includes(STORED) && !stored.why.includes(SALT) && !stored.why.includes('8a67'));
  });
}

test('the largest iterations and salt are usable', () => {
  const salt = Buffer.alloc(1024, 1).toString('base64');
  assert.equal(parseStoredPassword(scram('1000000', salt, STORED, SERVER)).kind, 'scram');
});

test('no text makes the reading throw', () => {
  const prefix = fc.constantFrom('', 'md5', 'SCRAM-SHA-256$', 'SCRAM-SHA-256$4096:', 'jwt-pkey-fpath:');
  const text = fc.tuple(
    prefix,
    fc.string({ unit: fc.constantFrom('$', ':', 'a', '=', '1', 'é'), maxLength: 20 }),
  );
  fc.assert(
    fc.property(text, ([begin, rest]) => {
      const stored = parseStoredPassword(begin + rest);
      if (begin === '' && rest !== '') assert.deepEqual(stored, { kind: 'plain', password: rest });
      if (begin.startsWith('SCRAM') || begin === 'md5') assert.equal(stored.kind, 'unusable');
    }),
  );
});
