/** What a client calls its statements, against a map in the order of use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { Statement, StatementNames } from '../../../src/pooler/statements.js';
import { collidingTexts } from './collisions.js';

const UNLIMITED = 0;
const statement = (sql: string): Statement => new Statement(Buffer.from(sql), 0, Buffer.from('key'), '');
const [FIRST, SECOND, THIRD] = [statement('first'), statement('second'), statement('third')];

/** Names as a client of the protocol gives them: bytes amid others. */
const names = {
  get: (of: StatementNames, name: string): Statement | null => of.get(...lent(name)),
  set: (of: StatementNames, name: string, to: Statement): void => of.set(...lent(name), to),
  delete: (of: StatementNames, name: string): boolean => of.delete(...lent(name)),
};

function lent(name: string): [Uint8Array, number, number] {
  const bytes = Buffer.from(`x${name}x`);
  return [bytes, 1, bytes.length - 1];
}

test('a name stands for the statement it was given, the empty name too', () => {
  const mine = new StatementNames(UNLIMITED);
  names.set(mine, 'S_1', FIRST);
  names.set(mine, '', SECOND);
  assert.ok(names.get(mine, 'S_1') === FIRST);
  assert.ok(names.get(mine, '') === SECOND);
  for (const unknown of ['S_2', 's_1', 'S_', 'S_11']) assert.equal(names.get(mine, unknown), null, unknown);
});

test('a name that is given once more stands for the new statement, and counts once', () => {
  const mine = new StatementNames(UNLIMITED);
  names.set(mine, 'S_1', FIRST);
  names.set(mine, 'S_1', SECOND);
  assert.ok(names.get(mine, 'S_1') === SECOND);
  assert.equal(mine.size, 1);
});

test('two names may stand for one statement, and go one by one', () => {
  const mine = new StatementNames(UNLIMITED);
  names.set(mine, 'a', FIRST);
  names.set(mine, 'b', FIRST);
  assert.equal(names.delete(mine, 'a'), true);
  assert.equal(names.get(mine, 'a'), null);
  assert.ok(names.get(mine, 'b') === FIRST);
});

test('deleting says whether there was one', () => {
  const mine = new StatementNames(UNLIMITED);
  names.set(mine, 'a', FIRST);
  assert.equal(names.delete(mine, 'b'), false);
  assert.equal(names.delete(mine, 'a'), true);
  assert.equal(names.delete(mine, 'a'), false);
  assert.equal(mine.size, 0);
});

test('a name outlives the buffer it came in', () => {
  const mine = new StatementNames(UNLIMITED);
  const bytes = Buffer.from('S_1');
  mine.set(bytes, 0, 3, FIRST);
  bytes.fill(0x78);
  assert.ok(names.get(mine, 'S_1') === FIRST);
  assert.equal(names.get(mine, 'xxx'), null);
});

test('without a limit none is ever forgotten', () => {
  const mine = new StatementNames(UNLIMITED);
  for (let i = 0; i < 5_000; i++) names.set(mine, `S_${i}`, FIRST);
  assert.equal(mine.size, 5_000);
  for (let i = 0; i < 5_000; i++) assert.ok(names.get(mine, `S_${i}`) === FIRST);
});

test('names come out as they came in, whatever their bytes', () => {
  const mine = new StatementNames(1);
  const bytes = Uint8Array.from({ length: 255 }, (_, at) => at + 1);
  mine.set(bytes, 0, bytes.length, FIRST);
  assert.deepEqual(mine.all(), [{ name: bytes, content: FIRST.content }]);
  assert.equal(
    mine.all()[0]?.name.buffer.byteLength,
    bytes.length,
    'nothing else goes along to another thread',
  );
});

test('a name costs less than 200 bytes', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const used = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  const mine = new StatementNames(UNLIMITED);
  for (let i = 0; i < 20_000; i++) names.set(mine, `statement_${i}`, FIRST);
  const each = (used() - before) / mine.size;
  assert.ok(each > 0 && each < 200, `${each} bytes`);
});

test('over the limit the name that was unused for longest is forgotten', () => {
  const mine = new StatementNames(2);
  names.set(mine, 'a', FIRST);
  names.set(mine, 'b', SECOND);
  assert.ok(names.get(mine, 'a') === FIRST);
  names.set(mine, 'c', THIRD);
  assert.equal(names.get(mine, 'b'), null);
  assert.ok(names.get(mine, 'a') === FIRST);
  assert.ok(names.get(mine, 'c') === THIRD);
});

test('the unnamed statement takes no room and is not forgotten for want of it', () => {
  const mine = new StatementNames(1);
  names.set(mine, '', FIRST);
  for (const name of ['a', 'b']) names.set(mine, name, SECOND);
  assert.ok(names.get(mine, '') === FIRST);
  assert.ok(names.get(mine, 'b') === SECOND);
  assert.equal(mine.size, 1);
});

test('after everything was forgotten there is room again, also for the same names', () => {
  const mine = new StatementNames(2);
  for (const name of ['a', 'b']) names.set(mine, name, FIRST);
  mine.clear();
  assert.equal(mine.size, 0);
  assert.equal(names.get(mine, 'a'), null);
  for (const name of ['c', 'a']) names.set(mine, name, SECOND);
  assert.ok(names.get(mine, 'c') === SECOND);
  assert.ok(names.get(mine, 'a') === SECOND);
});

// ── against the model ────────────────────────────────────────────────────────────────────────────────────────────

const NAMES = ['', 'a', 'b', 'S_1', 'S_2', 'é', ...collidingTexts(3)];
const aName = fc.constantFrom(...NAMES);
const aStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      name: aName,
      to: fc.constantFrom(FIRST, SECOND, THIRD),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('get' as const), name: aName }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), name: aName }) },
  { weight: 1, arbitrary: fc.constant({ do: 'clear' as const }) },
);

test('whatever a client does with its names, colliding ones too, it finds what it was promised', () => {
  fc.assert(
    fc.property(fc.nat(6), fc.array(aStep, { maxLength: 100 }), (sizeMax, steps) => {
      const mine = new StatementNames(sizeMax);
      const model = new Map<string, Statement>(); // the one unused for longest first
      const isUsed = (name: string, to: Statement): void => {
        model.delete(name);
        model.set(name, to);
      };
      for (const step of steps) {
        if (step.do === 'clear') {
          mine.clear();
          model.clear();
        } else if (step.do === 'delete') {
          assert.equal(names.delete(mine, step.name), model.delete(step.name));
        } else if (step.do === 'get') {
          const expected = model.get(step.name);
          assert.ok(names.get(mine, step.name) === (expected ?? null), `get ${step.name}`);
          if (expected !== undefined) isUsed(step.name, expected);
        } else {
          names.set(mine, step.name, step.to);
          isUsed(step.name, step.to);
          const named = [...model.keys()].filter((name) => name !== '');
          if (sizeMax > 0 && named.length > sizeMax) model.delete(named[0] ?? '');
        }
        assert.equal(mine.size, [...model.keys()].filter((name) => name !== '').length);
      }
      for (const [name, expected] of [...model]) assert.ok(names.get(mine, name) === expected, name);
    }),
    { numRuns: 1000 },
  );
});
