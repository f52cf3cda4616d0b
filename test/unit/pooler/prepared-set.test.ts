/** Which statements of a server go first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PreparedSet } from '../../../src/pooler/prepared-set.js';
import { type Statement, StatementCache } from '../../../src/pooler/statements.js';
import { alone } from './alone.js';

const KEPT_MIN = 256;

function filled(
  sizeMax: number,
  count: number,
): { set: PreparedSet; cache: StatementCache; made: Statement[] } {
  const set = new PreparedSet(sizeMax);
  const cache = new StatementCache(10_000, Buffer.from('key'), alone());
  const made = Array.from({ length: count }, (_, i) => {
    const content = Buffer.from(`select ${i}\0\0\0`);
    return cache.find(content, 0, content.length);
  });
  for (const each of made) set.add(each);
  return { set, cache, made };
}

test('one that is full gives up the first that came, unless it was used since', () => {
  const { set, cache, made } = filled(3, 3);
  const [first, second] = made;
  assert.ok(first);
  cache.used(first);
  assert.equal(set.takeSurplus(cache), second?.nameText);
  assert.equal(set.takeSurplus(cache), null);
});

test('one that is full of what is used gives up the first all the same', () => {
  const { set, cache, made } = filled(3, 3);
  for (const each of made) cache.used(each);
  assert.equal(set.takeSurplus(cache), made[0]?.nameText);
});

test('what is retired goes at once', () => {
  const { set, cache, made } = filled(100, 3);
  const [, second] = made;
  assert.ok(second);
  set.retire(second);
  assert.equal(set.takeSurplus(cache), second?.nameText);
  assert.equal(set.has(second), false);
  assert.equal(set.takeSurplus(cache), null);
});

test('of many those of an earlier epoch go that are not used', () => {
  const { set, cache, made } = filled(1000, KEPT_MIN + 10);
  assert.equal(set.takeSurplus(cache), null);
  cache.renewAll();
  const [first] = made;
  assert.ok(first);
  cache.used(first);
  let gone = 0;
  while (set.takeSurplus(cache) !== null) gone++;
  assert.equal(gone, 11);
  assert.equal(set.size, KEPT_MIN - 1);
  assert.ok(set.has(first));
});

test('one that came from another worker is known by its name, and goes first unless it is asked for', () => {
  const { set, cache, made } = filled(4, 3);
  const [first, second] = made;
  assert.ok(first && second);
  const other = new PreparedSet(3);
  for (const name of set.names()) other.addName(name);
  assert.ok(other.has(first));
  cache.used(first);
  assert.equal(other.takeSurplus(cache), second.nameText);
  assert.ok(other.has(first));
});

test('what is retired goes first in another worker, too', () => {
  const { set, made } = filled(4, 3);
  const [first, second, third] = made;
  assert.ok(first && second && third);
  set.retire(third);
  assert.deepEqual(
    set.names(),
    [third, first, second].map(({ nameText }) => nameText),
  );
});
