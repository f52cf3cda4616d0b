/** Statements as the console shows them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withoutLiterals } from '../../../../src/control/admin/statement-text.js';

const SHOWN: Readonly<Record<string, string>> = {
  'select * from t where i = $1': 'select * from t where i = $1',
  "alter role r password 'secret'": "alter role r password '***'",
  "alter role r password 'secr": "alter role r password '***'",
  "select 'it''s secret', 1": "select '***', 1",
  "select E'it\\'s secret', 'and this'": "select '***', '***'",
  "select e'cut off \\": "select '***'",
  'select $$secret$$, $a$ se $$ cret $a$, $1': "select '***', '***', $1",
  'select $$cut off': "select '***'",
  "select U&'secret', B'101', type'secret'": "select U&'***', B'***', type'***'",
  'select "it\'s a name", a$b$c from t': 'select "it\'s a name", a$b$c from t',
  "select 1 -- it's\n, 'secret'": "select 1 -- it's\n, '***'",
  "select /* it's */ 'secret'": "select /* it's */ '***'",
};
for (const [statement, shown] of Object.entries(SHOWN)) {
  test(`${statement} is shown as ${shown}`, () => assert.equal(withoutLiterals(statement), shown));
}

test('where a setting decides what a backslash means, and in nested comments, the rest is hidden', () => {
  assert.equal(withoutLiterals("select 'a\\', 'secret' --'"), "select '***'");
  assert.equal(withoutLiterals("select /* a /* ' */ ' */ 'secret'"), "select '***'");
});

test('what stands in quotes is never shown, whatever stands around it, wherever it is cut', () => {
  const between = fc.constantFrom(
    ' ',
    ',',
    '/* c */',
    '-- c\n',
    '"n"',
    'select',
    'a$b',
    "E'x\\'y'",
    '$x$y$x$',
    '1/2',
  );
  const literal = fc.constantFrom("'SECRET'", "E'SECRET'", '$$SECRET$$', '$t$SECRET$t$', "'a''SECRET'");
  fc.assert(
    fc.property(fc.array(fc.tuple(between, literal)), fc.nat(80), (parts, length) => {
      const statement = parts.flatMap(([before, secret]) => [before, ' ', secret, ' ']).join('');
      const shown = withoutLiterals(statement.slice(0, length));
      assert.ok(!/SEC/.test(shown), shown);
    }),
  );
});
