/** Runs the tests: `npm test [-- PATH…]`. One PostgreSQL serves them all. Those of the drivers, which install other
 *  languages' packages, of faults, of packages and of the manual's commands run when they are named.
 *  PG_DOORMAN_TEST_IO_BACKEND chooses how pg_doorman does its I/O (auto, io_uring, epoll), PG_DOORMAN_TEST_EXECUTABLE a
 *  single executable that is tried in the place of the compiled files. Ends with a line that counts what passed and what
 *  failed. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { Postgres } from './support/postgres.js';

/** For a whole file; the one of the drivers compiles Rust and Java. */
const TEST_TIMEOUT_MS = 900_000;
const FILES_AT_ONCE = 2;

const chosen = process.argv.slice(2);
const ALL_BUT_DRIVERS = ['unit', 'protocol', 'integration', 'simulation', 'patroni', 'fuzz', 'house'].map(
  (name) => join('test', name),
);
const files = (chosen.length > 0 ? chosen : ALL_BUT_DRIVERS).flatMap(testFilesIn).sort();
const postgres = await Postgres.create();
process.env.PG_DOORMAN_TEST_POSTGRES_PORT = String(postgres.port);
let passed = 0;
let failed = 0;
let skipped = 0;
const tests = run({ files, concurrency: FILES_AT_ONCE, timeout: TEST_TIMEOUT_MS });
tests.on('test:pass', ({ details, skip }) => {
  if (skip !== undefined) skipped++;
  else if (details.type !== 'suite') passed++;
});
tests.on('test:fail', ({ details }) => {
  if (details.type !== 'suite') failed++;
});
tests.compose(new spec()).pipe(process.stdout);
await new Promise((resolve) => tests.once('end', resolve));
await postgres.remove();
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
process.on('exit', () =>
  console.log(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} not tried`}`),
);

function testFilesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.test.ts')).map((name) => join(path, name));
}
