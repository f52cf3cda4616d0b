/** The statements of a pool, against a map in the order of use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Statement, StatementCache } from '../../../src/pooler/statements.js';
import { alone } from './alone.js';
import { collidingTexts } from './collisions.js';

const KEY = Buffer.from('a key for tests');

/** What stands in a Parse behind the name: the text, and the parameter types by their oids. */
function content(sql: string, types: readonly number[] = []): Buffer {
  const numbers = Buffer.alloc(2 + 4 * types.length);
  numbers.writeInt16BE(types.length);
  types.forEach((oid, i) => {
    numbers.writeInt32BE(oid, 2 + 4 * i);
  });
  return Buffer.concat([Buffer.from(`${sql}\0`), numbers]);
}

function find(cache: StatementCache, bytes: Uint8Array): Statement {
  return cache.find(bytes, 0, bytes.length);
}

const nameOf = ({ name }: Statement): string => Buffer.from(name).toString('latin1');

const COLLIDING = collidingTexts(3).map((text) => Buffer.from(text));

test('the colliding texts of these tests do collide, and are different statements all the same', () => {
  const cache = new StatementCache(100, KEY, alone());
  const statements = COLLIDING.map((each) => find(cache, each));
  assert.equal(new Set(statements.map(({ hash }) => hash)).size, 1);
  assert.equal(new Set(statements).size, COLLIDING.length);
  assert.equal(new Set(statements.map(nameOf)).size, COLLIDING.length);
  assert.equal(cache.size, COLLIDING.length);
  COLLIDING.forEach((each, i) => {
    assert.ok(find(cache, each) === statements[i]);
  });
});

test('a text with the same parameter types is the same statement, wherever it stands in a buffer', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.array(fc.nat(9999), { maxLength: 3 }),
      fc.uint8Array(),
      (sql, types, before) => {
        const cache = new StatementCache(10, KEY, alone());
        const bytes = content(sql, types);
        const buffer = Buffer.concat([before, bytes, before]);
        assert.ok(find(cache, bytes) === cache.find(buffer, before.length, before.length + bytes.length));
        assert.equal(cache.size, 1);
      },
    ),
  );
});

test('another text, or other parameter types, is another statement with another name', () => {
  const different = [
    content('select $1'),
    content('select $1 '),
    content('select $1', [23]),
    content('select $1', [25]),
    content('select $1', [23, 23]),
    content(''),
  ];
  const cache = new StatementCache(10, KEY, alone());
  const statements = different.map((each) => find(cache, each));
  assert.equal(new Set(statements).size, different.length);
  assert.equal(new Set(statements.map(nameOf)).size, different.length);
});

test('a statement keeps its own copy: what comes into the buffer next does not change it', () => {
  const cache = new StatementCache(10, KEY, alone());
  const bytes = content('select 1');
  const statement = find(cache, bytes);
  bytes.fill(0x78);
  assert.deepEqual(Buffer.from(statement.content), content('select 1'));
  assert.ok(find(cache, content('select 1')) === statement);
});

// ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a name begins with DOORMAN_, ends with a zero, and is short enough for PostgreSQL not to cut it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 1 }), (bytes, key) => {
      assert.match(
        nameOf(find(new StatementCache(10, key, alone()), bytes)),
        /^DOORMAN_[A-Za-z0-9_-]{22}\0$/,
      );
    }),
  );
});

test('every worker that has the key finds the same name, and nobody without it', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), fc.uint8Array(), (bytes, key, otherKey) => {
      const name = nameOf(find(new StatementCache(10, key, alone()), bytes));
      assert.equal(nameOf(find(new StatementCache(1, Buffer.from(key), alone()), Buffer.from(bytes))), name);
      fc.pre(!isSameHmacKey(key, otherKey));
      assert.notEqual(nameOf(find(new StatementCache(10, otherKey, alone()), bytes)), name);
    }),
  );
});

/** HMAC fills a key up with zeros. */
function isSameHmacKey(a: Uint8Array, b: Uint8Array): boolean {
  const filled = (key: Uint8Array): string =>
    Buffer.concat([key, new Uint8Array(64 - key.length)]).toString('hex');
  return filled(a) === filled(b);
}

test('its Parse names it and carries text and types unchanged', () => {
  const bytes = content('select $1::int', [23]);
  const { parse, name } = find(new StatementCache(10, KEY, alone()), bytes);
  const expected = Buffer.concat([Buffer.from('P\0\0\0\0'), name, bytes]);
  expected.writeInt32BE(expected.length - 1, 1);
  assert.deepEqual(Buffer.from(parse), expected);
});

// ── how many ─────────────────────────────────────────────────────────────────────────────────────────────────────

test('the statement that has just come is kept, though there is no room', () => {
  const cache = new StatementCache(3, KEY, alone());
  for (let i = 0; i < 10; i++) {
    const statement = find(cache, content(`select ${i}`));
    assert.ok(find(cache, content(`select ${i}`)) === statement, `the statement ${i} was made twice`);
  }
});

test('the one that was unused for longest goes first', () => {
  const cache = new StatementCache(3, KEY, alone());
  const [a, b, c] = ['a', 'b', 'c'].map((sql) => find(cache, content(sql)));
  assert.ok(a && b && c);
  assert.ok(find(cache, content('a')) === a);
  find(cache, content('d'));
  assert.ok(find(cache, content('a')) === a);
  assert.ok(find(cache, content('c')) === c);
  assert.ok(find(cache, content('b')) !== b);
});

test('a Bind is a use too', () => {
  const cache = new StatementCache(2, KEY, alone());
  const [a] = ['a', 'b'].map((sql) => find(cache, content(sql)));
  assert.ok(a);
  assert.ok(cache.used(a) === a);
  find(cache, content('c'));
  assert.ok(find(cache, content('a')) === a);
});

test('one that went and came again has the name that servers know', () => {
  const cache = new StatementCache(1, KEY, alone());
  const first = find(cache, content('a'));
  find(cache, content('b'));
  const again = find(cache, content('a'));
  assert.ok(again !== first);
  assert.equal(nameOf(again), nameOf(first));
});

test('a cache of size 0, or less, still holds the one in use', () => {
  for (const sizeMax of [0, -1, 1]) {
    const cache = new StatementCache(sizeMax, KEY, alone());
    find(cache, content('a'));
    const statement = find(cache, content('b'));
    assert.equal(cache.size, 1);
    assert.ok(find(cache, content('b')) === statement);
  }
});

test('it finds what it holds, never holds more than its size, and a tenth that was unused for longest goes', () => {
  const texts = [...COLLIDING, ...Array.from({ length: 24 }, (_, i) => content(`select ${i}`))];
  const uses = fc.array(fc.nat(texts.length - 1), { maxLength: 120 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), uses, (sizeMax, indices) => {
      const cache = new StatementCache(sizeMax, KEY, alone());
      const held = new Map<number, Statement>(); // by text, the one unused for longest first
      const all = new Set<Statement>();
      for (const index of indices) {
        const statement = find(cache, texts[index] ?? Buffer.alloc(0));
        const known = held.get(index);
        if (known !== undefined) assert.ok(statement === known, 'a statement that was held was made again');
        else assert.ok(!all.has(statement), 'the statement of another text');
        assert.deepEqual(Buffer.from(statement.content), texts[index]);
        all.add(statement);
        held.delete(index);
        held.set(index, statement);
        if (held.size > sizeMax) {
          const go = Math.max(1, Math.floor(sizeMax / 10));
          for (const oldest of [...held.keys()].slice(0, go)) held.delete(oldest);
        }
        assert.equal(cache.size, held.size);
      }
    }),
    { numRuns: 300 },
  );
});

test('what one worker renews has the same new name in another', () => {
  const told: [Uint8Array, number][] = [];
  const one = new StatementCache(
    10,
    KEY,
    alone((text, serial) => told.push([text, serial])),
  );
  const other = new StatementCache(10, KEY, alone());
  const bytes = content('select * from changed');
  const before = find(one, bytes);
  assert.equal(nameOf(find(other, bytes)), nameOf(before));
  one.renew(before);
  for (const [text, serial] of told) other.wasRenewed(text, serial);
  assert.notEqual(nameOf(find(one, bytes)), nameOf(before));
  assert.equal(nameOf(find(other, bytes)), nameOf(find(one, bytes)));
});
