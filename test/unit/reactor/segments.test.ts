/** Lists of segments against arrays: what is put in comes out in order, and every reference to a buffer comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Buffers, SMALL_BYTES } from '../../../src/reactor/buffers.js';
import { NONE, Segments } from '../../../src/reactor/segments.js';

/** One list, and what should be in it. */
interface List {
  head: number;
  tail: number;
  readonly expected: { begin: number; length: number }[];
}

function contents(segments: Segments, head: number): { begin: number; length: number }[] {
  const found: { begin: number; length: number }[] = [];
  for (let each = head; each !== NONE; each = segments.nextOf(each)) {
    found.push({ begin: segments.beginOf(each), length: segments.lengthOf(each) });
  }
  return found;
}

const LISTS = 3;
const list = fc.nat(LISTS - 1);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('append' as const), list, by: fc.nat(SMALL_BYTES - 2) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('drop' as const), list, by: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance' as const), list, by: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('join' as const), list, by: fc.nat() }) },
);

test('several lists at once keep their contents and their order, and no buffer leaks', () => {
  const buffers = new Buffers();
  const segments = new Segments(buffers);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const lists: List[] = Array.from({ length: LISTS }, () => ({ head: NONE, tail: NONE, expected: [] }));
      for (const { kind, list: which, by } of steps) {
        const one = lists[which];
        const other = lists[(which + 1) % LISTS];
        assert.ok(one && other);
        const [first] = one.expected;
        if (kind === 'append') {
          const buffer = buffers.takeSmall();
          const begin = buffers.beginOf(buffer) + by;
          const length = SMALL_BYTES - by;
          one.tail = segments.append(one.tail, begin, length);
          if (one.head === NONE) one.head = one.tail;
          one.expected.push({ begin, length });
          buffers.release(buffer); // the segment holds it
        } else if (first === undefined) {
          continue;
        } else if (kind === 'drop') {
          one.head = segments.drop(one.head);
          if (one.head === NONE) one.tail = NONE;
          one.expected.shift();
        } else if (kind === 'advance') {
          const length = by % first.length;
          segments.advance(one.head, length);
          one.expected[0] = { begin: first.begin + length, length: first.length - length };
        } else if (other.head !== NONE) {
          segments.join(one.tail, other.head);
          one.tail = other.tail;
          one.expected.push(...other.expected.splice(0));
          other.head = NONE;
          other.tail = NONE;
        }
        for (const each of lists) assert.deepEqual(contents(segments, each.head), each.expected);
        const count = lists.reduce((sum, each) => sum + each.expected.length, 0);
        assert.equal(segments.inUse, count);
        assert.equal(buffers.inUse, count);
      }
      for (const each of lists) while (each.head !== NONE) each.head = segments.drop(each.head);
      assert.equal(segments.inUse, 0);
      assert.equal(buffers.inUse, 0);
    }),
  );
});

test('segments of one buffer hold it until the last of them goes', () => {
  const buffers = new Buffers();
  const segments = new Segments(buffers);
  const buffer = buffers.takeSmall();
  const begin = buffers.beginOf(buffer);
  const first = segments.append(NONE, begin, 10);
  segments.append(first, begin + SMALL_BYTES - 1, 1);
  buffers.release(buffer);
  const second = segments.drop(first);
  assert.equal(buffers.inUse, 1);
  assert.equal(segments.drop(second), NONE);
  assert.equal(buffers.inUse, 0);
});

test('a segment that was advanced to the last byte of its buffer still gives that buffer back', () => {
  const buffers = new Buffers();
  const segments = new Segments(buffers);
  const buffer = buffers.takeSmall();
  const segment = segments.append(NONE, buffers.beginOf(buffer), SMALL_BYTES);
  buffers.release(buffer);
  segments.advance(segment, SMALL_BYTES - 1);
  assert.equal(segments.lengthOf(segment), 1);
  segments.drop(segment);
  assert.equal(buffers.inUse, 0);
});

test('a segment that was extended is longer at its end', () => {
  const buffers = new Buffers();
  const segments = new Segments(buffers);
  const segment = segments.append(NONE, 100, 10);
  segments.extend(segment, 5);
  assert.deepEqual(contents(segments, segment), [{ begin: 100, length: 15 }]);
  assert.equal(buffers.inUse, 1);
});

test('lists keep their contents while the arrays grow', () => {
  const buffers = new Buffers();
  const segments = new Segments(buffers);
  const COUNT = 5000;
  let tail = NONE;
  let head = NONE;
  for (let i = 0; i < COUNT; i++) {
    tail = segments.append(tail, i, i + 1);
    if (head === NONE) head = tail;
  }
  assert.deepEqual(
    contents(segments, head),
    Array.from({ length: COUNT }, (_, i) => ({ begin: i, length: i + 1 })),
  );
  while (head !== NONE) head = segments.drop(head);
  assert.equal(segments.inUse, 0);
  assert.equal(buffers.inUse, 0);
});
