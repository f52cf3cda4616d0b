/** Simple queries that the pooler answers itself: it must take none for one of them that PostgreSQL would understand
 *  in another way. PostgreSQL manual, "Lexical Structure", "DEALLOCATE". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deallocatedName, SpecialQuery, specialQueryIn } from '../../../src/pooler/simple-query.js';

const CHECK_QUERY = ';';
/** Longer ones are left to PostgreSQL. Bytes, without the terminating zero. */
const TEXT_MAX = 79;

/** A body amid other bytes, which are not its business. */
function lent(body: Uint8Array, around: Uint8Array = Buffer.from('BEGIN;"')): [Uint8Array, number, number] {
  return [Buffer.concat([around, body, around]), around.length, around.length + body.length];
}

const bodyOf = (text: string): Buffer => Buffer.from(`${text}\0`);

function kindOf(text: string, checkQuery: string = CHECK_QUERY): SpecialQuery {
  return specialQueryIn(...lent(bodyOf(text)), bodyOf(checkQuery));
}

function nameIn(text: string): string {
  return Buffer.from(deallocatedName(...lent(bodyOf(text)))).toString();
}

// ── the check query ──────────────────────────────────────────────────────────────────────────────────────────────

test('the check query is told by its exact text, whatever that is and however long', () => {
  for (const checkQuery of [';', 'select 1', 'BEGIN', '-- alive?', `select '${'x'.repeat(200)}'`]) {
    assert.equal(kindOf(checkQuery, checkQuery), SpecialQuery.Check);
  }
});

test('a text that differs from the check query in case, blanks or length is none', () => {
  for (const text of ['SELECT 1', 'select 1;', 'select 1 ', ' select 1', 'select  1', 'select', '']) {
    assert.equal(kindOf(text, 'select 1'), SpecialQuery.No, text);
  }
});

// ── BEGIN ────────────────────────────────────────────────────────────────────────────────────────────────────────

const anyCase = (text: string): fc.Arbitrary<string> =>
  fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((upper) => Array.from(text, (letter, i) => (upper[i] ? letter.toUpperCase() : letter)).join(''));
const BLANKS = [' ', '\t', '\n', '\r', '\f', '\v'];
const blanks = fc.string({ unit: fc.constantFrom(...BLANKS), maxLength: 4 });
const someBlanks = fc.string({ unit: fc.constantFrom(...BLANKS), minLength: 1, maxLength: 4 });
/** What may stand behind a statement without being another one. */
const ending = fc.string({ unit: fc.constantFrom(';', ...BLANKS), maxLength: 6 });

test('BEGIN and START TRANSACTION are recognised in any case, with blanks and semicolons behind them', () => {
  const kinds = [
    ['begin', SpecialQuery.Begin],
    ['start transaction', SpecialQuery.StartTransaction],
  ] as const;
  for (const [text, kind] of kinds) {
    fc.assert(
      fc.property(anyCase(text), ending, (begin, end) => assert.equal(kindOf(`${begin}${end}`), kind)),
    );
  }
});

test('BEGIN with anything else is left to PostgreSQL', () => {
  const texts = [
    ...['begin work', 'begin transaction', 'begin isolation level serializable', 'begin read only'],
    ...['begin; select 1', 'begin;begin', 'begin;;commit', 'begin -- x', 'begin /* x */', 'begin;--'],
    ...['start', 'starttransaction', 'start transaction read write', 'start transaction, read only'],
    ...[
      'beginn',
      'begi',
      'begin_',
      'begin1',
      '"begin"',
      'begin.',
      'begin()',
      'begin\0',
      'commit',
      'b',
      's',
      'd',
      '',
    ],
  ];
  for (const text of texts) assert.equal(kindOf(text), SpecialQuery.No, text);
});

// ── DEALLOCATE ───────────────────────────────────────────────────────────────────────────────────────────────────

test('DEALLOCATE ALL is recognised in any case and however many blanks there are', () => {
  const prepare = fc.option(fc.tuple(anyCase('prepare'), someBlanks), { nil: ['', ''] });
  fc.assert(
    fc.property(fc.tuple(anyCase('deallocate'), someBlanks, prepare, anyCase('all'), ending), (words) => {
      assert.equal(kindOf(words.flat().join('')), SpecialQuery.DeallocateAll);
    }),
  );
});

const FIRST = 'abcxyzABCXYZ_éя';
const aPlainName = fc
  .tuple(fc.constantFrom(...FIRST), fc.string({ unit: fc.constantFrom(...FIRST, ...'0189$'), maxLength: 20 }))
  .map((parts) => parts.join(''))
  .filter((name) => !/^(all|prepare)$/i.test(name));

test('the name in DEALLOCATE is folded as PostgreSQL folds it: the letters of ASCII only', () => {
  fc.assert(
    fc.property(anyCase('deallocate'), someBlanks, aPlainName, ending, (word, between, name, end) => {
      const text = `${word}${between}${name}${end}`;
      assert.equal(kindOf(text), SpecialQuery.Deallocate, text);
      assert.equal(
        nameIn(text),
        name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
      );
    }),
  );
});

test('a name in quotes is taken as it is, blanks, semicolons and doubled quotes included', () => {
  const name = fc.string({
    unit: fc.constantFrom(...'aZ0_; \t"\'-/*éя'),
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(anyCase('deallocate'), blanks, name, ending, (word, between, quoted, end) => {
      const text = `${word}${between}"${quoted.replaceAll('"', '""')}"${end}`;
      fc.pre(Buffer.byteLength(text) <= TEXT_MAX);
      assert.equal(kindOf(text), SpecialQuery.Deallocate, text);
      assert.equal(nameIn(text), quoted);
    }),
  );
});

test('"all" and "prepare" in quotes are names', () => {
  for (const name of ['all', 'ALL', 'prepare']) {
    assert.equal(kindOf(`deallocate "${name}"`), SpecialQuery.Deallocate);
    assert.equal(nameIn(`deallocate "${name}";`), name);
  }
});

test('the word PREPARE may stand before the name, and is itself one when nothing follows', () => {
  for (const text of ['deallocate prepare S_1', 'DEALLOCATE  PREPARE\ts_1 ;', 'deallocate prepare"s_1"']) {
    assert.equal(kindOf(text), SpecialQuery.Deallocate, text);
    assert.equal(nameIn(text), 's_1');
  }
  for (const text of ['deallocate Prepare', 'deallocate prepare prepare;']) {
    assert.equal(kindOf(text), SpecialQuery.Deallocate, text);
    assert.equal(nameIn(text), 'prepare');
  }
});

test('a DEALLOCATE in which PostgreSQL would see no name, or more than one, is left to it', () => {
  const texts = [
    ...['deallocate', 'deallocate;', 'deallocate  ;', 'deallocated', 'deallocateall', 'deallocate_ x'],
    ...['deallocate a b', 'deallocate a, b', 'deallocate all b', 'deallocate prepare a b', 'deallocate a.b'],
    ...['deallocate 1', 'deallocate 1a', 'deallocate $1', "deallocate 'a'", 'deallocate a-b', 'deallocate *'],
    ...[
      'deallocate ""',
      'deallocate "',
      'deallocate "a',
      'deallocate "a;',
      'deallocate a"',
      'deallocate """',
    ],
    ...['deallocate "a"b', 'deallocate "a" "b"', 'deallocate "a""', 'deallocate U&"a"', 'deallocate E"a"'],
    ...['deallocate a--', 'deallocate a /* b */', 'deallocate/**/a', 'deallocate a;b', 'deallocate a;;b'],
    ...['deallocate "a\0b"', 'deallocate a\0b', 'deallocate a\0', 'deallocate all\0'],
  ];
  for (const text of texts) assert.equal(kindOf(text), SpecialQuery.No, text);
});

test('a name as long as PostgreSQL allows is recognised', () => {
  const name = 'x'.repeat(63);
  assert.equal(kindOf(`DEALLOCATE "${name}";`), SpecialQuery.Deallocate);
  assert.equal(nameIn(`DEALLOCATE "${name}";`), name);
});

// ── what holds for every text ────────────────────────────────────────────────────────────────────────────────────

const aPiece = fc.oneof(
  fc.constantFrom(
    'begin',
    'start transaction',
    'deallocate ',
    'prepare ',
    'discard ',
    'all',
    'select 1',
    'commit',
  ),
  fc.constantFrom(';', '"', "'", ' ', '\n', '--', '/*', '*/', 'a', 'B', '1', '$', '.', ',', '\0', 'é'),
);
const aText = fc.array(aPiece, { maxLength: 8 }).map((pieces) => pieces.join(''));

/** The texts that may be recognised, said once more in another way. */
const IS_LOCAL =
  /^(?:\s|\/\*(?:[^*\0]|\*(?!\/))*\*\/)*(?:begin|start transaction|discard\s+all|deallocate(?:\s+|(?="))(?:prepare(?:\s+|(?=")))?(?:[a-z_é][a-z0-9_$é]*|"(?:[^"\0]|"")+"))[;\s]*$/i;

test('whatever is recognised is one statement and nothing else', () => {
  fc.assert(
    fc.property(aText, (text) => {
      fc.pre(text !== CHECK_QUERY && Buffer.byteLength(text) <= TEXT_MAX);
      assert.equal(kindOf(text) !== SpecialQuery.No, IS_LOCAL.test(text), JSON.stringify(text));
    }),
    { numRuns: 5000 },
  );
});

test('two statements are never recognised, whatever they are', () => {
  const quoted = aPlainName.map((name) => `"${name} ;"`);
  const aStatement = fc.oneof(
    fc.constantFrom('begin', 'start transaction', 'commit', 'select 1', 'deallocate all', 'select "a"'),
    aPlainName.map((name) => `deallocate ${name}`),
    quoted.map((name) => `deallocate ${name}`),
    quoted,
  );
  fc.assert(
    fc.property(aStatement, blanks, blanks, aStatement, ending, (first, before, behind, second, end) => {
      const text = `${first}${before};${behind}${second}${end}`;
      assert.equal(kindOf(text), SpecialQuery.No, text);
    }),
    { numRuns: 500 },
  );
});

test('a longer text is left to PostgreSQL, and the longest that is not is recognised', () => {
  assert.equal(kindOf(`begin${' '.repeat(TEXT_MAX - 5)}`), SpecialQuery.Begin);
  assert.equal(kindOf(`begin${' '.repeat(TEXT_MAX - 4)}`), SpecialQuery.No);
});

test('a body that does not end with its zero is malformed: PostgreSQL says so', () => {
  for (const body of ['', 'begin', 'begin;', 'beginx', 'deallocate a', 'deallocate all', ';', '\0begin']) {
    assert.equal(specialQueryIn(...lent(Buffer.from(body)), bodyOf(CHECK_QUERY)), SpecialQuery.No, body);
  }
});

test('what stands around the body makes no difference', () => {
  fc.assert(
    fc.property(aText, fc.uint8Array({ maxLength: 8 }), (text, around) => {
      const kind = specialQueryIn(...lent(bodyOf(text), around), bodyOf(CHECK_QUERY));
      assert.equal(kind, kindOf(text));
    }),
  );
});

test('a name that was read outlives the buffer it was read from', () => {
  for (const text of ['deallocate abc', 'deallocate "abc"']) {
    const [bytes, begin, end] = lent(bodyOf(text));
    const name = deallocatedName(bytes, begin, end);
    bytes.fill(0);
    assert.equal(Buffer.from(name).toString(), 'abc');
  }
});
