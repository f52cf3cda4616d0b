/** What there is for containers, as far as it can be tried without an engine for them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ValidationSeverity, validate } from 'dockerfile-utils';
import { parse } from 'yaml';
import { loadConfiguration } from '../../src/config/load.js';
import { Doorman } from '../support/doorman.js';

const DIRECTORY = 'packaging/docker';
const text = readFileSync(join(DIRECTORY, 'Dockerfile'), 'utf8');
const { ERROR } = ValidationSeverity;

test('a linter finds nothing in the Dockerfile', () => {
  const complaints = validate(text, {
    deprecatedMaintainer: ERROR,
    directiveCasing: ERROR,
    emptyContinuationLine: ERROR,
    instructionCasing: ERROR,
    instructionCmdMultiple: ERROR,
    instructionEntrypointMultiple: ERROR,
    instructionHealthcheckMultiple: ERROR,
    instructionJSONInSingleQuotes: ERROR,
    instructionWorkdirRelative: ERROR,
  });
  assert.deepEqual(complaints, []);
});

test('what the Dockerfile copies is there, and in its context', () => {
  const context = readFileSync(join(DIRECTORY, 'Dockerfile.dockerignore'), 'utf8').split('\n');
  const sources = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names = '']) =>
    names.split(' '),
  );
  assert.ok(sources.length > 0);
  for (const source of sources) {
    assert.ok(existsSync(source), source);
    assert.ok(context.includes(`!${source}`), source);
  }
});

test('the health check is content with a pooler that serves, and with no other', async () => {
  const doorman = await Doorman.start({
    pools: {},
    prometheus: { enabled: true, host: '127.0.0.1', port: 0 },
  });
  const [, port = ''] = await doorman.logged(/metrics on http:.*:(\d+)\/metrics/);
  const [, command = ''] = /^HEALTHCHECK [^[]*(\[.*\])$/m.exec(text.replaceAll('\\\n', '')) ?? [];
  const [program, ...args]: string[] = JSON.parse(command.replace('9127', port));
  const status = (): number | null => spawnSync(program ?? '', args).status;
  assert.equal(status(), 0);
  await doorman.stop();
  assert.equal(status(), 1);
});

test('the files of the compose example are there, and pg_doorman understands its own', () => {
  const { services }: { services: Record<string, { volumes?: string[] }> } = parse(
    readFileSync(join(DIRECTORY, 'compose.yaml'), 'utf8'),
  );
  const mounted = Object.values(services)
    .flatMap(({ volumes = [] }) => volumes.map((each) => each.split(':')[0] ?? ''))
    .filter((path) => path.startsWith('.'));
  assert.equal(mounted.length, 3);
  for (const path of mounted) assert.ok(existsSync(join(DIRECTORY, path)), path);
  const { general, prometheus } = loadConfiguration(join(DIRECTORY, 'pg_doorman.yaml')).configuration;
  assert.deepEqual([general.port, prometheus.enabled, prometheus.port], [6432, true, 9127]);
});
