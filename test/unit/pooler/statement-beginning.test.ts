/** What is kept of a statement's text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StatementBeginning } from '../../../src/pooler/statement-beginning.js';
import { Statement } from '../../../src/pooler/statements.js';

/** The first of these is taken for the reactor's memory. */
const MEMORY = new Uint8Array(1000);

for (const [where, memory] of [
  ['the reactor’s memory', MEMORY],
  ['a buffer of its own', Buffer.alloc(1000)],
] as const) {
  test(`the beginning of a text in ${where} is kept, up to its zero or to 64 bytes`, () => {
    const beginning = new StatementBeginning();
    fc.assert(
      fc.property(fc.string({ maxLength: 100, unit: 'grapheme-ascii' }), fc.nat(1000), (text, at) => {
        const bytes = Buffer.from(`${text.replaceAll('\0', '')}\0`);
        const from = Math.min(at, memory.length - bytes.length);
        memory.fill(0x78).set(bytes, from);
        beginning.keepText(memory, from, from + bytes.length);
        assert.equal(beginning.text, text.replaceAll('\0', '').slice(0, 64));
      }),
    );
  });
}

test('what is here of a text without its end is all that is kept', () => {
  const beginning = new StatementBeginning();
  beginning.keepText(Buffer.from('select 1, and what others have sent'), 0, 8);
  assert.equal(beginning.text, 'select 1');
});

test('a character that is cut at the end is left out', () => {
  const beginning = new StatementBeginning();
  const bytes = Buffer.from(`${'x'.repeat(63)}é\0`);
  beginning.keepText(bytes, 0, bytes.length);
  assert.equal(beginning.text, 'x'.repeat(63));
});

test('a statement that is known takes the place of a text, and a text that of a statement', () => {
  const beginning = new StatementBeginning();
  const content = Buffer.from('select $1\0\0\0');
  beginning.keepText(Buffer.from('select 2\0'), 0, 9);
  beginning.keepStatement(new Statement(content, 1, Buffer.from('key'), ''));
  assert.equal(beginning.text, 'select $1');
  beginning.keepText(Buffer.from('select 3\0'), 0, 9);
  assert.equal(beginning.text, 'select 3');
  beginning.clear();
  assert.equal(beginning.text, '');
});
