/** What a server session makes of each tag. PostgreSQL manual, "Message Formats". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWhole, Meaning, meaningOf } from '../../../src/pooler/backend-meaning.js';

const meaning = (letter: string): Meaning => meaningOf(letter.charCodeAt(0));

/** Every message that the manual marks with (B), by letter. */
const BACKEND_LETTERS = 'RK23CWdcGHDIEVvnNAtS1sZT';

test('a byte that is no tag of a backend message is a violation, and no other', () => {
  for (let tag = 0; tag < 256; tag++) {
    const isMessage = BACKEND_LETTERS.includes(String.fromCharCode(tag));
    assert.equal(meaningOf(tag) !== Meaning.Violation, isMessage, `tag ${tag}`);
  }
});

test('the answers that end one message of the extended protocol are these', () => {
  // ParseComplete, BindComplete, CloseComplete, PortalSuspended, EmptyQueryResponse, NoData, RowDescription
  for (const letter of '123sInT') assert.equal(meaning(letter), Meaning.Answer, letter);
});

test('a statement is described by two messages: ParameterDescription does not end the answer', () => {
  assert.equal(meaning('t'), Meaning.Data);
});

test('rows, COPY data and the result of a function call are passed on without a look', () => {
  for (const letter of 'DdcV') assert.equal(meaning(letter), Meaning.Data, letter);
});

test('messages that decide something have a meaning of their own', () => {
  assert.equal(meaning('C'), Meaning.CommandComplete);
  assert.equal(meaning('Z'), Meaning.CycleEnds);
  assert.equal(meaning('E'), Meaning.Error);
  assert.equal(meaning('G'), Meaning.CopyIn);
  assert.equal(meaning('H'), Meaning.CopyOut);
  assert.equal(meaning('S'), Meaning.Parameter);
});

test('notices and notifications come unasked', () => {
  for (const letter of 'NA') assert.equal(meaning(letter), Meaning.Unasked, letter);
});

test('what belongs to the login has no place after it, and neither has replication', () => {
  for (const letter of 'RKvW') assert.equal(meaning(letter), Meaning.Login, letter);
});

test('a message whose content decides something must be whole; one that may be large need not be', () => {
  for (const letter of 'CZESRKv') assert.equal(isWhole(meaning(letter)), true, letter);
  for (const letter of 'DdcVTtNAGH123sIn') assert.equal(isWhole(meaning(letter)), false, letter);
  assert.equal(isWhole(Meaning.Violation), false);
});
