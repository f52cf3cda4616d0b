/** The file with the process id: who has it, and who may have it next. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PidFile, PidFileError } from '../../../src/control/pid-file.js';

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-pid-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const OWN = `${process.pid}\n`;

test('it has the process id, everybody may read it, and it goes with its process', () => {
  const path = join(directory, 'plain');
  const before = process.umask(0o077);
  const file = PidFile.take(path);
  process.umask(before);
  assert.equal(readFileSync(path, 'utf8'), OWN);
  assert.equal(statSync(path).mode & 0o777, 0o644);
  file.remove();
  assert.equal(existsSync(path), false);
});

test('one of a process that lives is refused, with the process', () => {
  const path = join(directory, 'taken');
  const file = PidFile.take(path);
  assert.throws(
    () => PidFile.take(path),
    new PidFileError(
      `another pg_doorman runs with the same general.daemon_pid_file ${path}: pid ${process.pid}`,
    ),
  );
  assert.equal(readFileSync(path, 'utf8'), OWN);
  file.remove();
});

test('one that a dead process has left is free, whoever has its number now', () => {
  const path = join(directory, 'stale');
  const { pid } = spawnSync('true');
  for (const left of [`${pid}\n`, '1\n', '', 'no number, and longer than a number is']) {
    writeFileSync(path, left);
    const file = PidFile.take(path);
    assert.equal(readFileSync(path, 'utf8'), OWN);
    file.remove();
  }
});

test('a successor takes it from the process that it names, whose end does not remove it', () => {
  const path = join(directory, 'upgrade');
  const old = PidFile.take(path);
  const successor = PidFile.take(path, process.pid);
  old.remove();
  assert.equal(readFileSync(path, 'utf8'), OWN);
  assert.throws(() => PidFile.take(path), PidFileError);
  successor.remove();
  assert.equal(existsSync(path), false);
});

test('a successor does not take it from anybody else', () => {
  const path = join(directory, 'other');
  const file = PidFile.take(path);
  assert.throws(() => PidFile.take(path, 1), PidFileError);
  file.remove();
});

test('a link, and a directory that is not there, are told', () => {
  const path = join(directory, 'link');
  symlinkSync(join(directory, 'elsewhere'), path);
  assert.throws(
    () => PidFile.take(path),
    new PidFileError(`general.daemon_pid_file ${path} cannot be written: ELOOP`),
  );
  assert.equal(existsSync(join(directory, 'elsewhere')), false);
  const nowhere = join(directory, 'nowhere', 'pid');
  assert.throws(() => PidFile.take(nowhere), /cannot be written: ENOENT/);
});
