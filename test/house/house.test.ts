/** The rules of the house that no compiler checks. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SKIPPED = ['node_modules', 'dist', '.git'];

function filesIn(folder: string, ending: RegExp): { name: string; text: string }[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter(({ name }) => !SKIPPED.includes(name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesIn(path, ending);
      return ending.test(entry.name) ? [{ name: path, text: readFileSync(join(ROOT, path), 'utf8') }] : [];
    });
}

const sources = filesIn('src', /\.ts$/);

/** Fails with the names of the files in which the pattern stands. */
function nowhere(files: { name: string; text: string }[], pattern: RegExp): void {
  assert.deepEqual(
    files.filter(({ text }) => pattern.test(text)).map(({ name }) => name),
    [],
  );
}

test('the data plane asks its reactor for time and chance, and nobody else', () => {
  const dataPlane = sources.filter(({ name }) => /^src\/(wire|pooler|patroni\/relay)\//.test(name));
  nowhere(dataPlane, /Math\.random|Date\.now|new Date\(|performance\.|setTimeout|setInterval|setImmediate/);
});

test('the data plane has no promises', () => {
  const dataPlane = sources.filter(({ name }) => /^src\/(reactor|pooler|patroni\/relay)\//.test(name));
  nowhere(dataPlane, /\basync\b|\bawait\b|Promise/);
});

test('one module is the door to the system, one to OpenSSL, and one to PAM', () => {
  const doors = /^src\/(reactor\/(libc|openssl)|pam\/libpam)\.ts$/;
  const others = sources.filter(({ name }) => !doors.test(name));
  nowhere(others, /from 'koffi'/);
});

test('no type is talked away', () => {
  nowhere(sources, /as unknown as|@ts-ignore|@ts-expect-error/);
});

test('the lock files name no place that packages come from', () => {
  for (const file of ['package-lock.json', 'site/package-lock.json'])
    assert.doesNotMatch(readFileSync(join(ROOT, file), 'utf8'), /"resolved"|https?:\/\/registry/, file);
});

test('every source file begins by saying what it is for', () => {
  // Tables that are their own explanation: the console's commands.
  const explained = sources.filter(({ name }) => !/\/show-[a-z-]+\.ts$/.test(name));
  const silent = explained.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ name }) => name);
  assert.deepEqual(silent, []);
});
