/** Runs the tests: `npm test [-- FILE…]`. One PostgreSQL serves them all. PG_DOORMAN_TEST_IO_BACKEND chooses how
 *  pg_doorman does its I/O (auto, io_uring, epoll). Ends with a line that counts what passed and what failed. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { Postgres } from './support/postgres.js';

/** For a whole file. */
const TEST_TIMEOUT_MS = 300_000;
const FILES_AT_ONCE = 2;

const chosen = process.argv.slice(2);
const files = (chosen.length > 0 ? chosen : ['test']).flatMap(testFilesIn).sort();
const postgres = await Postgres.create();
process.env.PG_DOORMAN_TEST_POSTGRES_PORT = String(postgres.port);
let passed = 0;
let failed = 0;
const tests = run({ files, concurrency: FILES_AT_ONCE, timeout: TEST_TIMEOUT_MS });
tests.on('test:pass', ({ details }) => {
  if (details.type !== 'suite') passed++;
});
tests.on('test:fail', ({ details }) => {
  if (details.type !== 'suite') failed++;
});
tests.compose(new spec()).pipe(process.stdout);
await new Promise((resolve) => tests.once('end', resolve));
await postgres.remove();
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
process.on('exit', () => console.log(`${passed} passed, ${failed} failed`));

function testFilesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.test.ts')).map((name) => join(path, name));
}
