/** Settings that are understood, and whose feature is not built yet, are told when they stand in a file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loaded, loadedYaml } from './files.js';

test('a file with nothing but what is in force has an empty list', (context) => {
  const { notInForce } = loadedYaml(
    context,
    'general:\n  port: 6432\n  worker_threads: 1\nprometheus:\n  enabled: false\npools:\n  x:\n    users: [{ username: a, pool_size: 3 }]\n',
  );
  assert.deepEqual(notInForce, []);
});

test('settings of each section are told as fields', (context) => {
  const { notInForce } = loadedYaml(
    context,
    `
general:
  syslog_prog_name: doorman
  worker_threads: 4
prometheus:
  enabled: true
pools:
  x:
    users:
      - username: a
`,
  );
  assert.deepEqual(notInForce.toSorted(), ['general.syslog_prog_name', 'prometheus.enabled']);
});

test('settings of included files are told, too', (context) => {
  const { notInForce } = loaded(context, {
    'main.yaml': 'include:\n  files: [more.toml]\n',
    'more.toml': '[general]\nsyslog_prog_name = "x"\n',
  });
  assert.deepEqual(notInForce, ['general.syslog_prog_name']);
});

test('what is only a default is not told', (context) => {
  assert.deepEqual(loadedYaml(context, '').notInForce, []);
});
