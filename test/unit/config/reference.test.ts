/** docs/reference is made of the schema: it is up to date, and what it shows is in order. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { referenceFiles } from '../../../scripts/reference-files.js';
import { loadConfiguration } from '../../../src/config/load.js';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { SECTIONS, settingsOf } from '../../../src/config/settings/describe.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const files = Object.entries(referenceFiles());
const CONFIGURATIONS = ['pg_doorman.yaml', 'pg_doorman.ru.yaml', 'pg_doorman.toml'];
const contentOf = (name: string): string => readFileSync(`${ROOT}docs/reference/${name}`, 'utf8');

for (const [name, content] of files) {
  test(`${name} is up to date (npm run docs:reference)`, () => {
    assert.equal(readFileSync(ROOT + name, 'utf8'), content);
  });
}

test('docs/reference holds nothing else', () => {
  assert.deepEqual(
    readdirSync(`${ROOT}docs/reference`).toSorted(),
    files.flatMap(([name]) => name.match(/(?<=^docs\/reference\/).*/) ?? []).toSorted(),
  );
});

for (const name of CONFIGURATIONS) {
  test(`${name} is in order, and is the defaults but for the port`, () => {
    const { general, prometheus, pools } = loadConfiguration(`${ROOT}docs/reference/${name}`).configuration;
    const defaults = configurationSchema.parse({
      general: { port: 6432 },
      pools: { exampledb: { users: [{ username: 'doorman' }] } },
    });
    assert.deepEqual({ general, prometheus, pools }, defaults);
  });

  test(`${name} names every setting`, () => {
    for (const section of SECTIONS.filter((each) => each !== 'auth_query')) {
      for (const { name: setting } of settingsOf(section)) {
        assert.match(contentOf(name), new RegExp(`^ *(- )?#?${setting}( =|:)`, 'm'), setting);
      }
    }
    assert.match(contentOf(name), /auth_query/);
  });

  test(`${name} is in order when all that is off is switched on`, () => {
    // "# text" is a remark; "#name", and "#  more" below it, are settings.
    const on = contentOf(name).replaceAll(/^( *)#(?! \S|$)/gm, '$1');
    const data: unknown = name.endsWith('toml') ? parseToml(on) : parseYaml(on);
    const { data: configuration, error } = configurationSchema.safeParse(data);
    assert.equal(error, undefined);
    assert.equal(configuration?.general.pg_hba?.toString().includes('hostssl'), true);
    assert.deepEqual(configuration.general.talos?.databases, ['exampledb']);
    assert.equal(configuration.pools.exampledb?.auth_query?.user, 'doorman_auth');
    assert.equal(configuration.pools.exampledb.users[0]?.min_pool_size, 5);
  });
}

test('the Russian file says the same as the English one, in Russian', () => {
  assert.deepEqual(parseYaml(contentOf('pg_doorman.ru.yaml')), parseYaml(contentOf('pg_doorman.yaml')));
  const remarks = contentOf('pg_doorman.ru.yaml').match(/^ *# .*$/gm) ?? [];
  assert.ok(remarks.length > 100);
  const english = remarks.filter((line) => /\b(the|of|is|are|with|Default)\b/.test(line));
  assert.deepEqual(english, []);
});

test('lines of remarks are no longer than an editor is wide', () => {
  for (const name of CONFIGURATIONS) {
    const long = contentOf(name)
      .split('\n')
      .filter((line) => line.length > 110);
    assert.deepEqual(long, []);
  }
});

// ── the JSON Schema ──────────────────────────────────────────────────────────────────────────────────────────────

const jsonSchema = z.fromJSONSchema(JSON.parse(contentOf('config.schema.json')));
const accepts = (text: string): boolean => jsonSchema.safeParse(parseYaml(text)).success;

test('the JSON Schema accepts the reference and every form of users, durations, sizes and rules', () => {
  for (const text of [
    contentOf('pg_doorman.yaml'),
    'general: {}',
    'general: { connect_timeout: 5000, idle_timeout: "0.1ms", server_lifetime: "100us" }',
    'general: { max_memory_usage: 256M, unix_socket_buffer_size: 4096 }',
    'general: { pg_hba: "local all all trust" }',
    'general: { pg_hba: { path: x } }',
    'include: { files: [a.yaml] }',
    'pools: { x: { users: [{ username: a }] } }',
    'pools: { x: { users: { "0": { username: a } } } }',
  ]) {
    assert.ok(accepts(text), text);
  }
});

test('the JSON Schema refuses what pg_doorman refuses: keys, kinds, ranges, units, what is missing', () => {
  for (const text of [
    'genral: {}',
    'general: { prot: 1 }',
    'general: { port: "x" }',
    'general: { port: 99999 }',
    'general: { connect_timeout: 5 minutes }',
    'general: { max_memory_usage: 1TB }',
    'general: { tls_mode: maybe }',
    'pools: { x: { users: [{ pool_size: 1 }] } }',
    'pools: { x: { auth_query: { user: a } } }',
  ]) {
    assert.ok(!accepts(text), text);
    assert.ok(!configurationSchema.safeParse(parseYaml(text)).success, text);
  }
});

test('the JSON Schema explains every setting', () => {
  const text = contentOf('config.schema.json');
  for (const section of SECTIONS) {
    for (const { texts } of settingsOf(section)) assert.ok(text.includes(JSON.stringify(texts.en)), texts.en);
  }
});
