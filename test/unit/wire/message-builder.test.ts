/** The builders and the ready-made messages, byte by byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Frame, Framer } from '../../../src/wire/framer.js';
import {
  authenticationMd5,
  authenticationSasl,
  commandComplete,
  dataRow,
  parameterStatus,
  passwordMessage,
  putAuthentication,
  putBackendKeyData,
  query,
  rowDescription,
  saslInitialResponse,
  saslResponse,
  TypeOid,
} from '../../../src/wire/message-builder.js';
import * as readyMade from '../../../src/wire/ready-made.js';
import { Authentication, Backend } from '../../../src/wire/tags.js';
import { octets, textOf } from './octets.js';

/** A message that is written where there is room for it. */
function put(length: number, write: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(length);
  write(bytes);
  return bytes;
}

const BUILT: readonly [string, Uint8Array, string][] = [
  ['Query', query('SELECT 1'), 'Q\0\0\0\x0dSELECT 1\0'],
  ['Query in UTF-8', query('é'), 'Q\0\0\0\x07\xc3\xa9\0'],
  ['ParameterStatus', parameterStatus('a', ''), 'S\0\0\0\x07a\0\0'],
  [
    'BackendKeyData',
    put(13, (bytes) => putBackendKeyData(bytes, -2, octets('abcd'))),
    'K\0\0\0\x0c\xff\xff\xff\xfeabcd',
  ],
  ['PasswordMessage', passwordMessage(octets('md5\0')), 'p\0\0\0\x08md5\0'],
  ['PasswordMessage of an empty password', passwordMessage(octets('\0')), 'p\0\0\0\x05\0'],
  ['AuthenticationMD5Password', authenticationMd5(octets('salt')), 'R\0\0\0\x0c\0\0\0\x05salt'],
  ['AuthenticationSASL', authenticationSasl(['A', 'B']), 'R\0\0\0\x0d\0\0\0\x0aA\0B\0\0'],
  [
    'AuthenticationSASLContinue',
    put(10, (bytes) => putAuthentication(bytes, Authentication.SaslContinue, octets('x'))),
    'R\0\0\0\x09\0\0\0\x0bx',
  ],
  [
    'AuthenticationSASLFinal',
    put(10, (bytes) => putAuthentication(bytes, Authentication.SaslFinal, octets('x'))),
    'R\0\0\0\x09\0\0\0\x0cx',
  ],
  ['SASLInitialResponse', saslInitialResponse('A', octets('xy')), 'p\0\0\0\x0cA\0\0\0\0\x02xy'],
  ['SASLResponse', saslResponse(octets('xy')), 'p\0\0\0\x06xy'],
  ['CommandComplete', commandComplete('SHOW'), 'C\0\0\0\x09SHOW\0'],
  ['DataRow', dataRow(['ab', null, '']), 'D\0\0\0\x14\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0'],
  ['DataRow without columns', dataRow([]), 'D\0\0\0\x06\0\0'],
  [
    'RowDescription',
    rowDescription([
      { name: 'a', typeOid: TypeOid.Text },
      { name: 'b', typeOid: TypeOid.Int4 },
    ]),
    `T\0\0\0\x2e\0\x02a\0${'\0'.repeat(6)}\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0b\0${'\0'.repeat(6)}\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0`,
  ],
  ['FLUSH', readyMade.FLUSH, 'H\0\0\0\x04'],
  ['TERMINATE', readyMade.TERMINATE, 'X\0\0\0\x04'],
  ['CLOSE_UNNAMED', readyMade.CLOSE_UNNAMED, 'C\0\0\0\x06S\0'],
  ['READY_FOR_QUERY_IDLE', readyMade.READY_FOR_QUERY_IDLE, 'Z\0\0\0\x05I'],
  ['READY_FOR_QUERY_IN_TRANSACTION', readyMade.READY_FOR_QUERY_IN_TRANSACTION, 'Z\0\0\0\x05T'],
  ['READY_FOR_QUERY_FAILED', readyMade.READY_FOR_QUERY_FAILED, 'Z\0\0\0\x05E'],
  ['PARSE_COMPLETE', readyMade.PARSE_COMPLETE, '1\0\0\0\x04'],
  ['BIND_COMPLETE', readyMade.BIND_COMPLETE, '2\0\0\0\x04'],
  ['NO_DATA', readyMade.NO_DATA, 'n\0\0\0\x04'],
  ['NO_PARAMETERS', readyMade.NO_PARAMETERS, 't\0\0\0\x06\0\0'],
  ['PORTAL_SUSPENDED', readyMade.PORTAL_SUSPENDED, 's\0\0\0\x04'],
  ['CLOSE_COMPLETE', readyMade.CLOSE_COMPLETE, '3\0\0\0\x04'],
  ['EMPTY_QUERY_RESPONSE', readyMade.EMPTY_QUERY_RESPONSE, 'I\0\0\0\x04'],
  ['COMMAND_COMPLETE_BEGIN', readyMade.COMMAND_COMPLETE_BEGIN, 'C\0\0\0\x0aBEGIN\0'],
  [
    'COMMAND_COMPLETE_START_TRANSACTION',
    readyMade.COMMAND_COMPLETE_START_TRANSACTION,
    'C\0\0\0\x16START TRANSACTION\0',
  ],
  ['COMMAND_COMPLETE_DEALLOCATE', readyMade.COMMAND_COMPLETE_DEALLOCATE, 'C\0\0\0\x0fDEALLOCATE\0'],
  [
    'COMMAND_COMPLETE_DEALLOCATE_ALL',
    readyMade.COMMAND_COMPLETE_DEALLOCATE_ALL,
    'C\0\0\0\x13DEALLOCATE ALL\0',
  ],
  ['AUTHENTICATION_OK', readyMade.AUTHENTICATION_OK, 'R\0\0\0\x08\0\0\0\0'],
  ['AUTHENTICATION_CLEARTEXT_PASSWORD', readyMade.AUTHENTICATION_CLEARTEXT_PASSWORD, 'R\0\0\0\x08\0\0\0\x03'],
  ['AUTHENTICATION_SASL', readyMade.AUTHENTICATION_SASL, 'R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0'],
  [
    'AUTHENTICATION_SASL_BINDING',
    readyMade.AUTHENTICATION_SASL_BINDING,
    'R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0',
  ],
  ['REFUSE_ENCRYPTION', readyMade.REFUSE_ENCRYPTION, 'N'],
  ['ACCEPT_TLS', readyMade.ACCEPT_TLS, 'S'],
];

for (const [name, message, expected] of BUILT) {
  test(`${name} has the bytes of the manual`, () => {
    assert.equal(textOf(message), expected);
  });
}

test('a ready-made message is not left untested', () => {
  const tested = new Set(BUILT.map(([name]) => name));
  assert.deepEqual(
    Object.keys(readyMade).filter((name) => !tested.has(name)),
    [],
  );
});

test('a text with a zero byte is not built into a message', () => {
  assert.throws(() => query('SELECT 1\0; DROP'), TypeError);
  assert.throws(() => passwordMessage(octets('a\0b\0')), TypeError);
  assert.throws(() => passwordMessage(octets('ab')), TypeError);
  assert.throws(() => passwordMessage(octets('')), TypeError);
});

test('a row of any texts is one whole message whose values are read again', () => {
  const values = fc.array(fc.option(fc.string({ unit: 'grapheme', maxLength: 100 })), { maxLength: 20 });
  fc.assert(
    fc.property(values, (row) => {
      const message = dataRow(row);
      const framer = new Framer(1_000_000);
      assert.equal(framer.next(message, 0, message.length), Frame.Message);
      assert.deepEqual([framer.tag, framer.remaining, framer.bodyEnd], [Backend.DataRow, 0, message.length]);
      assert.deepEqual(valuesIn(message), row);
    }),
  );
});

function valuesIn(message: Uint8Array): (string | null)[] {
  const body = Buffer.from(message.subarray(7));
  const values: (string | null)[] = [];
  for (let at = 0; at < body.length; ) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length === -1 ? null : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return values;
}
