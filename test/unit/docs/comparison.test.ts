/** What the pages say is printed is compared strictly, but for what differs from run to run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blocksOf } from '../../docs/blocks.js';
import { amongOthers, wholly } from '../../docs/comparison.js';

test('numbers, versions and the width of columns may differ, words may not', () => {
  const expected = ' name | size\n------+-----\n a    |   1\n(1 row)';
  assert.match(' name | size   \n------+---------\n a    |    1234\n(12 row)\n\n', wholly(expected));
  assert.doesNotMatch(' name | size\n------+-----\n b    |   1\n(1 row)\n', wholly(expected));
  assert.match('pg_doorman 4.0.0\n', wholly('pg_doorman 4.0.0-alpha.1\n'));
  assert.doesNotMatch('pg_doorman four\n', wholly('pg_doorman 4.0.0-alpha.1\n'));
});

test('all that is printed must be expected, unless … stands for it', () => {
  assert.doesNotMatch('one\ntwo\n', wholly('one\n'));
  assert.doesNotMatch('one\n', wholly('one\ntwo\n'));
  assert.match('one\ntwo\nthree\n', wholly('one\n…\nthree\n'));
  assert.match('one\n', wholly('one\n…\n'));
  assert.doesNotMatch('one\nthree!\n', wholly('one\n…\nthree\n'));
  assert.match('a (b) is c\n', wholly('a (…) is c\n'));
  assert.doesNotMatch('a.c\n', wholly('abc\n'));
});

test('lines of a log stand there in their order, among others', () => {
  const log = '12:00 INFO one\n12:01 INFO other\n12:02 WARN two\n';
  assert.match(log, amongOthers('11:00 INFO one\n11:00 WARN two\n'));
  assert.doesNotMatch(log, amongOthers('11:00 WARN two\n11:00 INFO one\n'));
  assert.doesNotMatch(log, amongOthers('11:00 INFO on\n'));
});

test('blocks have a language, a task, and the line they begin in; comments that run are blocks', () => {
  const page = '# a\n\n```sh run\nls\n```\n\ntext\n\n<!-- run\npwd\n-->\n\n```yaml file=x.yaml\na: 1\n```\n';
  assert.deepEqual(blocksOf(page), [
    { language: 'sh', task: 'run', text: 'ls\n', line: 3 },
    { language: 'sh', task: 'run', text: 'pwd\n', line: 9 },
    { language: 'yaml', task: 'file=x.yaml', text: 'a: 1\n', line: 13 },
  ]);
});
