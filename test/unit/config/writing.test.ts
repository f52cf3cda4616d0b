/** What is written can be read: whatever names, passwords and rules there are, in YAML and in TOML. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { annotated, type Draft } from '../../../src/config/writing/annotated.js';
import { dataOf, entry, type Outline, plain } from '../../../src/config/writing/outline.js';
import { tomlText } from '../../../src/config/writing/toml-text.js';
import { yamlText } from '../../../src/config/writing/yaml-text.js';

const NASTY = [
  'no',
  '~',
  '1',
  '0x1',
  '1e3',
  '*',
  '# x',
  'a: b',
  '- a',
  '"',
  "'",
  '\\',
  'a\nb',
  'я',
  '',
  ' x ',
  '=',
  '[a]',
];
const text = fc.oneof(fc.constantFrom(...NASTY), fc.string(), fc.string({ unit: 'binary' }));
const name = text.filter((each) => each !== '' && each !== '__proto__');

const aDraft: fc.Arbitrary<Draft> = fc.record({
  head: fc.array(text, { maxLength: 3 }),
  general: fc.record({ admin_password: text, pg_hba: text }),
  pools: fc.uniqueArray(
    fc.record({
      name,
      values: fc.record({ application_name: text }),
      authQuery: fc.option(fc.record({ query: text, user: text })),
      users: fc.array(
        fc.record({
          values: fc.record({ username: name, password: text }),
          notes: fc.array(text, { maxLength: 1 }),
        }),
      ),
    }),
    { selector: (pool) => pool.name, maxLength: 4 },
  ),
});

const FORMS: readonly [string, (outline: Outline) => Outline][] = [
  ['with remarks', (outline) => outline],
  ['without', plain],
];
for (const [how, form] of FORMS) {
  test(`any names and texts come back from YAML and TOML, ${how}`, () => {
    fc.assert(
      fc.property(aDraft, fc.constantFrom('en' as const, 'ru' as const), (draft, language) => {
        const outline = form(annotated(draft, language));
        const wanted = plainData(dataOf(outline));
        assert.deepEqual(plainData(parseYaml(yamlText(outline))), wanted);
        assert.deepEqual(plainData(parseToml(tomlText(outline))), wanted);
      }),
      { numRuns: 100 },
    );
  });
}

// Found by the property above: in the lines of a TOML text a control character cannot stand as it is.
test('a text of lines that begins or ends with a control character comes back', () => {
  for (const password of ['\0\n\0', 'a\n\x7f', '\x1b\nb']) {
    const draft: Draft = { head: [], general: { admin_password: password }, pools: [] };
    const outline = annotated(draft, 'en');
    assert.deepEqual(plainData(parseToml(tomlText(outline))), plainData(dataOf(outline)));
    assert.deepEqual(plainData(parseYaml(yamlText(outline))), plainData(dataOf(outline)));
  }
});

/** TOML's tables have no prototype; empty tables say nothing. */
function plainData(data: unknown): unknown {
  return JSON.parse(JSON.stringify(data));
}

test('without remarks nothing is left of them, nor of what is off', () => {
  const draft: Draft = { head: ['head'], general: {}, pools: [] };
  for (const written of [yamlText(plain(annotated(draft, 'en'))), tomlText(plain(annotated(draft, 'en')))]) {
    assert.doesNotMatch(written, /#/);
  }
});

test('a setting is explained once, however many pools there are', () => {
  const pool = { values: { server_port: 1 }, authQuery: null, users: [] };
  const draft: Draft = { head: [], general: {}, pools: ['a', 'b'].map((each) => ({ name: each, ...pool })) };
  for (const written of [yamlText(annotated(draft, 'en')), tomlText(annotated(draft, 'en'))]) {
    assert.equal(written.match(/# Port of PostgreSQL/g)?.length, 1);
  }
});

test('rules of several lines are written as lines', () => {
  const tables = [
    {
      kind: 'table' as const,
      key: 'general',
      nodes: [entry('pg_hba', 'local all all trust\nhost all all all md5\n')],
      comment: [],
      isOff: false,
    },
  ];
  assert.match(yamlText({ head: [], tables }), /pg_hba: \|\n {4}local all all trust\n {4}host all/);
  assert.match(tomlText({ head: [], tables }), /pg_hba = """\nlocal all all trust\nhost all/);
});
