/** Values in binary, as drivers ask for them. The expected bytes are PostgreSQL's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TypeOid, ValueFormat } from '../../../src/wire/message-builder.js';
import { encodeValue } from '../../../src/wire/value-encoding.js';

const hex = (text: string, typeOid: number): string =>
  Buffer.from(encodeValue(text, typeOid, ValueFormat.Binary)).toString('hex');

test('in text a value stays what it is', () => {
  assert.equal(encodeValue('12', TypeOid.Int4, ValueFormat.Text), '12');
});

test('text in binary is its bytes', () => {
  assert.equal(encodeValue('é', TypeOid.Text, ValueFormat.Binary), 'é');
});

const INT4S = { '0': '00000000', '258': '00000102', '-1': 'ffffffff', '2147483647': '7fffffff' };
for (const [text, bytes] of Object.entries(INT4S)) {
  test(`int4 ${text}`, () => assert.equal(hex(text, TypeOid.Int4), bytes));
}

/** From numeric_send of PostgreSQL. */
const NUMERICS = {
  '0': '0000000000000000',
  '7': '00010000000000000007',
  '9999': '0001000000000000270f',
  '10000': '00010001000000000001',
  '12345678': '000200010000000004d2162e',
  '100000000': '00010002000000000001',
  '100000001': '000300020000000000010000' + '0001',
  '-5': '00010000400000000005',
  '1.5': '000200000000000100011388',
  '0.0001': '0001ffff000000040001',
};
for (const [text, bytes] of Object.entries(NUMERICS)) {
  test(`numeric ${text}`, () => assert.equal(hex(text, TypeOid.Numeric), bytes));
}

test('bool', () => {
  assert.deepEqual([hex('t', TypeOid.Bool), hex('f', TypeOid.Bool)], ['01', '00']);
});
