/** The example files of 3.3.1's documentation, as an operator has them: each is in order unchanged, and starts. Of the
 *  copies that are started only the ports are others, so that runs do not meet. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMAND } from '../support/doorman.js';
import { freePort } from '../support/free-port.js';
import { startFile } from '../support/start-file.js';

const DOCUMENTED = fileURLToPath(new URL('../fixtures/documented', import.meta.url));
const FILES = [
  ...['minimal.yaml', 'minimal.toml', 'settings.yaml', 'settings.toml', 'include.yaml', 'values.yaml'],
  ...['pg-hba.toml', 'pg-hba-path.toml', 'pg-hba-content.toml', 'passthrough.yaml', 'auth-query.yaml'],
  'prometheus.yaml',
];

async function copyWithOtherPorts(context: TestContext, name: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-documented-'));
  context.after(() => rmSync(directory, { recursive: true }));
  cpSync(DOCUMENTED, directory, { recursive: true });
  const file = join(directory, name);
  const text = readFileSync(file, 'utf8')
    .replace(/\b6432\b/, '0')
    .replace(/\b9127\b/, String(await freePort()));
  writeFileSync(file, text);
  return file;
}

for (const name of FILES) {
  test(`${name} is in order unchanged`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, '-t', join(DOCUMENTED, name)], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /is in order/);
  });

  test(`${name} starts`, async (context) => {
    const started = await startFile(await copyWithOtherPorts(context, name));
    assert.ok(started.port > 0);
    assert.equal(await started.stop(), 0, started.log);
  });
}

test('a hash of which the documentation shows only the ends is told of, at the test and at the start', async (context) => {
  const told = /password of doorman is no whole hash/;
  const file = join(DOCUMENTED, 'minimal.yaml');
  const { stderr } = spawnSync(process.execPath, [COMMAND, '-t', file], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.match(stderr, told);
  const started = await startFile(await copyWithOtherPorts(context, 'minimal.yaml'));
  await started.stop();
  assert.match(started.log, told);
  assert.doesNotMatch(started.log, /6nD\+Ppi9/);
});
