/** The tests that asyncpg ships; see asyncpg-suite.sh. Chosen with PG_DOORMAN_TEST_DRIVERS=asyncpg-suite. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('asyncpg-suite.sh', import.meta.url));
const INSTALLED = fileURLToPath(new URL('../../../.cache/drivers/asyncpg-suite', import.meta.url));
/** What the script ends with when the suite cannot be tried here. */
const NOT_HERE = 77;

const chosen = process.env.PG_DOORMAN_TEST_DRIVERS?.split(',');

test('the tests of asyncpg', { skip: chosen?.includes('asyncpg-suite') === false }, async (context) => {
  mkdirSync(INSTALLED, { recursive: true });
  const child = spawn('sh', [SCRIPT, INSTALLED]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  const lastLine = output.trimEnd().split('\n').at(-1) ?? '';
  if (child.exitCode === NOT_HERE) return context.skip(`NOT TRIED: ${lastLine}`);
  context.diagnostic(lastLine);
  assert.equal(child.exitCode, 0, output);
});
