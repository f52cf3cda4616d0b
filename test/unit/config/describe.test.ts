/** What is said of each setting, in both languages, and what stands in its place in the reference. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECTIONS, settingsOf } from '../../../src/config/settings/describe.js';
import { EXAMPLES } from '../../../src/config/settings/examples.js';
import { docs } from '../../../src/config/settings/fields.js';
import { fieldsOf } from '../../../src/config/settings/keys.js';
import { RUSSIAN } from '../../../src/config/settings/russian.js';

for (const section of SECTIONS) {
  test(`${section}: every setting has a text in Russian, and there are no others`, () => {
    const names = fieldsOf(section).map(([name]) => name);
    assert.deepEqual(Object.keys(RUSSIAN[section] ?? {}).toSorted(), names.toSorted());
    for (const [name, text] of Object.entries(RUSSIAN[section] ?? {})) {
      assert.match(text, /^\S.*\.$/s, name);
      const withoutNames = text.replaceAll(/[a-z_]+\w*/gi, '');
      assert.ok(/[а-яё]{3}/i.test(withoutNames) || /этого/.test(text), `${name}: ${text}`);
    }
  });

  test(`${section}: a setting without a default has an example, but for the users of a pool`, () => {
    for (const { name, default: preset, example } of settingsOf(section)) {
      if (preset === undefined) assert.notEqual(example, undefined, name);
    }
  });

  test(`${section}: examples are those of settings`, () => {
    const names = fieldsOf(section).map(([name]) => name);
    assert.deepEqual(
      Object.keys(EXAMPLES[section] ?? {}).filter((name) => !names.includes(name)),
      [],
    );
  });
}

test('every setting has a text of its own, not the one of another that shares its schema', () => {
  const fields = SECTIONS.flatMap((section) => fieldsOf(section)).map(([, field]) => field);
  assert.equal(new Set(fields).size, fields.length);
});

test('a setting that must be there, and its neighbours, keep their texts', () => {
  const texts = fieldsOf('user').map(([name, field]) => [name, docs.get(field)?.en]);
  assert.equal(Object.fromEntries(texts).username, 'The name that clients use.');
});

test('values are described with their units and ranges', () => {
  const settings = new Map(settingsOf('general').map((setting) => [setting.name, setting]));
  assert.deepEqual(settings.get('port')?.type, { kind: 'integer', min: '0', max: '65535' });
  assert.deepEqual(settings.get('scaling_cooldown_sleep')?.type, { kind: 'duration', min: '0', max: '1m' });
  assert.deepEqual(settings.get('unix_socket_buffer_size')?.type, { kind: 'size', min: '0', max: '1GB' });
  assert.deepEqual(settings.get('io_backend')?.type, {
    kind: 'choice',
    choices: ['auto', 'io_uring', 'epoll'],
  });
  assert.equal(settings.get('idle_timeout')?.default, '10m');
  assert.equal(settings.get('max_memory_usage')?.default, '256MB');
  assert.equal(settings.get('clock_resolution_statistics')?.default, '100us');
});
