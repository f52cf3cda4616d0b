/** Where log lines go, and what becomes of them when nobody takes them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LogOutput, type LogTarget, Taken } from '../../../src/control/log-output.js';
import { StandardOutput } from '../../../src/control/standard-output.js';
import { Errno, type Fd, read } from '../../../src/reactor/libc.js';

/** A target that does as it is told. */
class Obedient implements LogTarget {
  answer = Taken.Yes;
  readonly lines: string[] = [];

  take(line: string): Taken {
    if (this.answer === Taken.Yes) this.lines.push(line);
    return this.answer;
  }

  goOn(): boolean {
    return true;
  }

  awaitRoom(): void {
    // it is not told to have room later
  }
}

function output(target: LogTarget): LogOutput {
  return new LogOutput(target, (count) => `${count} lost`);
}

test('lines are written at once, and in order', () => {
  const target = new Obedient();
  const log = output(target);
  log.write('one', 'info');
  log.write('two', 'info');
  assert.deepEqual(target.lines, ['one', 'two']);
});

test('what cannot be taken now waits, and comes in order', () => {
  const target = new Obedient();
  const log = output(target);
  log.write('one', 'info');
  target.answer = Taken.NotNow;
  log.write('two', 'info');
  log.write('three', 'info');
  target.answer = Taken.Yes;
  log.flush();
  assert.deepEqual(target.lines, ['one', 'two', 'three']);
});

test('of what waits too much there is only a count', () => {
  const target = new Obedient();
  target.answer = Taken.NotNow;
  const log = output(target);
  const long = 'x'.repeat(1024);
  for (let i = 0; i < 3000; i++) log.write(long, 'info');
  target.answer = Taken.Yes;
  log.flush();
  assert.equal(target.lines.length, 1 + 1024);
  assert.equal(target.lines[0], `${3000 - 1024} lost`);
});

test('lines that are lost are counted, and told of before the next that is written', () => {
  const target = new Obedient();
  const log = output(target);
  target.answer = Taken.Never;
  for (let i = 0; i < 7; i++) log.write('never', 'info');
  target.answer = Taken.Yes;
  log.write('after', 'info');
  assert.deepEqual(target.lines, ['7 lost', 'after']);
});

test('lost lines are told of even when nothing follows', async () => {
  const target = new Obedient();
  const log = output(target);
  target.answer = Taken.Never;
  log.write('never', 'info');
  target.answer = Taken.Yes;
  while (target.lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(target.lines, ['1 lost']);
});

test('flushing gives up on a target that takes nothing', () => {
  const target = new Obedient();
  target.answer = Taken.NotNow;
  const log = output(target);
  log.write('one', 'info');
  log.flush();
  assert.deepEqual(target.lines, []);
});

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-log-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** A pipe of which both ends are here: what is in it, and a standard output that writes to it. */
function pipe(name: string): { readonly writer: StandardOutput; read(): string; closeReader(): void } {
  const path = join(directory, name);
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = new StandardOutput(openSync(path, constants.O_WRONLY));
  return {
    writer,
    read: () => {
      const bytes = new Uint8Array(1024 * 1024);
      const length = read(reader as Fd, bytes);
      assert.ok(length >= 0 || length === -Errno.EAGAIN);
      return Buffer.from(bytes.subarray(0, Math.max(0, length))).toString();
    },
    closeReader: () => closeSync(reader),
  };
}

test('a pipe that nobody reads from does not stop the writer, and has every line once it is read', () => {
  const { writer, read } = pipe('full');
  let written = 0;
  while (writer.take(`line ${written}`) === Taken.Yes) written++;
  assert.ok(written > 1000, `${written} lines`);
  let text = '';
  do text += read();
  while (!writer.goOn());
  text += read();
  assert.deepEqual(
    text.trimEnd().split('\n'),
    Array.from({ length: written }, (_, i) => `line ${i}`),
  );
});

test('a line that is longer than the pipe goes through it in pieces', () => {
  const { writer, read } = pipe('long');
  const long = 'y'.repeat(300_000);
  assert.equal(writer.take(long), Taken.Yes);
  assert.equal(writer.take('next'), Taken.NotNow);
  let text = '';
  do text += read();
  while (!writer.goOn());
  assert.equal(writer.take('next'), Taken.Yes);
  assert.equal(text + read(), `${long}\nnext\n`);
});

test('a reader that has gone costs the lines, not the writer', () => {
  const { writer, closeReader } = pipe('gone');
  closeReader();
  assert.equal(writer.take('one'), Taken.Never);
  assert.equal(writer.take('two'), Taken.Never);
});

test('a full disk costs the lines, not the writer', () => {
  const writer = new StandardOutput(openSync('/dev/full', 'w'));
  assert.equal(writer.take('one'), Taken.Never);
  assert.equal(writer.take('two'), Taken.Never);
});
