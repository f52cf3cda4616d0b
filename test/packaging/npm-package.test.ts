/** What `npm pack` makes, installed into an empty folder. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VERSION } from '../../src/control/version.js';
import { Doorman } from '../support/doorman.js';
import { pool } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-npm-'));
after(() => rmSync(directory, { recursive: true }));
const folder = join(directory, 'empty');
mkdirSync(folder);
run('.', 'npm', 'pack', '--ignore-scripts', '--pack-destination', directory);
const [tarball = ''] = readdirSync(directory).filter((name) => name.endsWith('.tgz'));
// Without a package.json npm would install into the next folder above that has one.
writeFileSync(join(folder, 'package.json'), '{}');
run(
  folder,
  'npm',
  'install',
  '--ignore-scripts',
  '--prefer-offline',
  '--loglevel=error',
  join(directory, tarball),
);

function run(cwd: string, program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${args.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
}

test('npx runs both commands', () => {
  assert.equal(run(folder, 'npx', 'pg_doorman', '--version'), `pg_doorman ${VERSION}\n`);
  assert.equal(run(folder, 'npx', 'patroni_proxy', '--version'), `patroni_proxy ${VERSION}\n`);
});

test('it answers queries', async () => {
  const program = [join(folder, 'node_modules/.bin/pg_doorman')];
  const doorman = await Doorman.start({ program, pools: { postgres: pool() } });
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  assert.equal(await client.value('select 6 * 7'), '42');
  client.close();
  await doorman.stop();
});

test('it has programs, manual, dashboard and examples, and neither tests nor sources', () => {
  const installed = join(folder, 'node_modules/pg-doorman');
  const expected = [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist',
    'docs',
    'grafana',
    'package.json',
    'packaging',
  ];
  assert.deepEqual(readdirSync(installed).sort(), expected.sort());
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    files.filter((name) => /\.(map|ts)$|^dist\/executable/.test(name)),
    [],
  );
});
