/** ErrorResponse and NoticeResponse: exact bytes of ours, and reading a server's, however broken. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PoolExhausted, TooManyClients, UnknownStatement } from '../../../src/wire/client-facing-error.js';
import {
  ERROR_FIELD_LENGTH_MAX,
  errorResponse,
  noticeResponse,
  readErrorResponse,
} from '../../../src/wire/error-response.js';
import { HEADER_LENGTH } from '../../../src/wire/tags.js';
import { octets, textOf } from './octets.js';

const NOTHING = { severity: '', sqlstate: '', message: '', detail: '', hint: '' };

function readMessage(message: Uint8Array) {
  return readErrorResponse(message, HEADER_LENGTH, message.length);
}

function readBody(text: string) {
  return readErrorResponse(octets(text), 0, text.length);
}

test('an ErrorResponse has severity twice, SQLSTATE and message, and no empty detail or hint', () => {
  assert.equal(
    textOf(errorResponse(new TooManyClients())),
    'E\0\0\0\x3bSFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0',
  );
});

test('a hint is sent when there is one, and no detail without one', () => {
  const fields = readMessage(errorResponse(new PoolExhausted()));
  assert.equal(fields.sqlstate, '53300');
  assert.match(fields.hint, /SHOW POOLS/);
  assert.doesNotMatch(textOf(errorResponse(new PoolExhausted())), /\0D/);
});

test('an ERROR is sent as FATAL when the connection ends with it', () => {
  assert.equal(readMessage(errorResponse(new UnknownStatement('a'))).severity, 'ERROR');
  assert.equal(readMessage(errorResponse(new UnknownStatement('a'), 'FATAL')).severity, 'FATAL');
});

test('a zero byte in a name does not end the message of an ErrorResponse', () => {
  const fields = readMessage(errorResponse(new UnknownStatement('a\0Chidden')));
  assert.equal(fields.message, 'prepared statement "a\ufffdChidden" does not exist');
  assert.equal(fields.sqlstate, '26000');
});

test('the length of an ErrorResponse counts bytes, not characters', () => {
  const message = errorResponse(new UnknownStatement('имя'));
  assert.equal(Buffer.from(message).readInt32BE(1), message.length - 1);
  assert.equal(readMessage(message).message, 'prepared statement "имя" does not exist');
});

test('a NoticeResponse has the usual SQLSTATE of its severity', () => {
  assert.equal(
    textOf(noticeResponse({ severity: 'NOTICE', message: 'a' })),
    'N\0\0\0\x1fSNOTICE\0VNOTICE\0C00000\0Ma\0\0',
  );
  assert.equal(readMessage(noticeResponse({ severity: 'WARNING', message: 'a' })).sqlstate, '01000');
});

test('a NoticeResponse carries its own SQLSTATE, detail and hint when they are given', () => {
  const notice = { severity: 'INFO', message: 'm', sqlstate: '00001', detail: 'd', hint: 'h' } as const;
  assert.deepEqual(readMessage(noticeResponse(notice)), notice);
});

test('the severity that is not translated is preferred', () => {
  assert.equal(readBody('SFEHLER\0VERROR\0\0').severity, 'ERROR');
  assert.equal(readBody('SFATAL\0\0').severity, 'FATAL');
});

test('fields that we do not know are passed over', () => {
  assert.deepEqual(readBody('Fpostgres.c\0L12\0C42601\0P7\0Mno\0\0'), {
    ...NOTHING,
    sqlstate: '42601',
    message: 'no',
  });
});

test('an ErrorResponse without fields says nothing', () => {
  assert.deepEqual(readBody(''), NOTHING);
  assert.deepEqual(readBody('\0'), NOTHING);
});

test('a field without an end reaches to the end of the body', () => {
  assert.equal(readBody('C57P01\0Mterminating').message, 'terminating');
  assert.equal(readBody('M').message, '');
});

test('of a field that comes twice the first counts', () => {
  assert.equal(readBody('Mfirst\0Msecond\0\0').message, 'first');
});

test('what follows the terminator is not read', () => {
  assert.equal(readBody('C57P01\0\0Mhidden\0\0').message, '');
});

test('only what lies inside the body is read', () => {
  assert.equal(readErrorResponse(octets('MxMabc\0\0'), 2, 5).message, 'ab');
});

test('a field is cut at the longest that is read, and the fields behind it are still found', () => {
  const fields = readBody(`M${'a'.repeat(ERROR_FIELD_LENGTH_MAX + 5)}\0C42601\0\0`);
  assert.equal(fields.message.length, ERROR_FIELD_LENGTH_MAX);
  assert.equal(fields.sqlstate, '42601');
});

test('no bytes make the reader throw, wherever the body is said to lie', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(100), fc.nat(100), (bytes, begin, end) => {
      for (const text of Object.values(readErrorResponse(bytes, begin, end))) {
        assert.equal(typeof text, 'string');
      }
    }),
  );
});

test('what was built is read again', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((value) => !value.includes('\0'));
  fc.assert(
    fc.property(text, text, text, (message, detail, hint) => {
      const notice = { severity: 'NOTICE', message, sqlstate: '00000', detail, hint } as const;
      assert.deepEqual(readMessage(noticeResponse(notice)), notice);
    }),
  );
});
