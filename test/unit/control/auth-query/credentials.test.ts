/** What is read from an answer of auth_query. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCredentials, UnusableAnswer } from '../../../../src/control/auth-query/credentials.js';

const MD5 = `md5${'a'.repeat(32)}`;
const OTHER = `md5${'b'.repeat(32)}`;
const SCRAM = `SCRAM-SHA-256$4096:${'c2FsdA=='}$${Buffer.alloc(32, 1).toString('base64')}:${Buffer.alloc(32, 2).toString('base64')}`;

function hashOf(columns: string[], ...row: unknown[]): string | undefined {
  const secret = readCredentials({ columns, rows: [row] })?.secret;
  return secret?.kind === 'md5' ? secret.hash : secret?.kind;
}

test('the password is in passwd, else in password, else in the only column', () => {
  assert.equal(hashOf(['password', 'passwd'], OTHER, MD5), MD5);
  assert.equal(hashOf(['usename', 'password', 'more'], 'x', MD5, 1), MD5);
  assert.equal(hashOf(['anything'], MD5), MD5);
  assert.throws(() => hashOf(['usename', 'secret'], 'x', MD5), UnusableAnswer);
  assert.throws(() => hashOf([]), UnusableAnswer);
});

test('a SCRAM verifier is taken apart', () => {
  const credentials = readCredentials({ columns: ['passwd'], rows: [[SCRAM]] });
  assert.ok(credentials?.secret.kind === 'scram');
  assert.equal(credentials.secret.iterations, 4096);
  assert.deepEqual(Buffer.from(credentials.secret.salt), Buffer.from('salt'));
});

test('no row, no password and an empty one: there is no such user', () => {
  assert.equal(readCredentials({ columns: ['passwd'], rows: [] }), null);
  assert.equal(readCredentials({ columns: ['passwd'], rows: [[null]] }), null);
  assert.equal(readCredentials({ columns: ['passwd'], rows: [['']] }), null);
});

test('a plain password, a token key and a broken verifier are not usable', () => {
  for (const text of ['secret', 'jwt-pkey-fpath:/etc/passwd', 'SCRAM-SHA-256$4096:x', 'md5x']) {
    assert.equal(hashOf(['passwd'], text), 'unusable');
  }
});

test('several rows and a password that is no text are no answer', () => {
  assert.throws(() => readCredentials({ columns: ['passwd'], rows: [[MD5], [OTHER]] }), UnusableAnswer);
  assert.throws(() => hashOf(['passwd'], 5), UnusableAnswer);
});

test('what is wrong is said without what was answered', () => {
  for (const rows of [[['secret1'], ['secret2']], [[Buffer.from('secret3')]]]) {
    assert.throws(
      () => readCredentials({ columns: ['passwd'], rows }),
      (error: Error) => !error.message.includes('secret'),
    );
  }
});

test('valuntil and rolvaliduntil tell until when it holds', () => {
  const until = (column: string, value: unknown): number | undefined =>
    readCredentials({ columns: ['passwd', column], rows: [[MD5, value]] })?.validUntilMs;
  assert.equal(until('valuntil', new Date(5000)), 5000);
  assert.equal(until('rolvaliduntil', new Date(6000)), 6000);
  assert.equal(until('valuntil', null), Number.POSITIVE_INFINITY);
  assert.equal(until('valuntil', Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  assert.equal(until('valuntil', Number.NEGATIVE_INFINITY), Number.NEGATIVE_INFINITY);
  assert.equal(until('other', new Date(5000)), Number.POSITIVE_INFINITY);
});

test('a time that cannot be read lets nobody in', () => {
  for (const value of ['soon', '2030-01-01', new Date(Number.NaN), true]) {
    assert.throws(
      () => readCredentials({ columns: ['passwd', 'valuntil'], rows: [[MD5, value]] }),
      UnusableAnswer,
    );
  }
});
