/** Buffers are counted by reference: none is given twice, none is lost, and lent ones go back to their lender. */
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  Buffers,
  LARGE_BEGIN,
  LARGE_BYTES,
  LARGE_COUNT,
  NO_BUFFER,
  SMALL_BYTES,
  SMALL_COUNT,
} from '../../../src/reactor/buffers.js';
import { Bug } from '../../../src/reactor/words.js';

const END = LARGE_BEGIN + LARGE_COUNT * LARGE_BYTES;

function sizeOf(buffer: number): number {
  return buffer < SMALL_COUNT ? SMALL_BYTES : LARGE_BYTES;
}

test('buffers lie one behind the other, and every byte knows its buffer', () => {
  const buffers = new Buffers();
  assert.equal(buffers.memory.length, END);
  let expected = 0;
  for (let buffer = 0; buffer < SMALL_COUNT + LARGE_COUNT; buffer++) {
    const begin = buffers.beginOf(buffer);
    assert.equal(begin, expected);
    expected += sizeOf(buffer);
    assert.equal(buffers.at(begin), buffer);
    assert.equal(buffers.at(expected - 1), buffer);
  }
  assert.equal(expected, END);
});

test('the memory can be written from its first to its last byte', () => {
  const { memory } = new Buffers();
  memory[0] = 1;
  memory[END - 1] = 2;
  assert.deepEqual([memory[0], memory[END - 1]], [1, 2]);
});

const step = fc.oneof(
  fc.constant({ kind: 'small' as const, which: 0 }),
  fc.constant({ kind: 'large' as const, which: 0 }),
  fc.record({ kind: fc.constant('hold' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('release' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('release' as const), which: fc.nat() }),
);

test('taking, holding and releasing in any order: a buffer is in use until its last reference goes', () => {
  const buffers = new Buffers();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const references: number[] = [];
      for (const { kind, which } of steps) {
        const held = references[which % references.length];
        if (kind === 'small' || kind === 'large') {
          const buffer = kind === 'small' ? buffers.takeSmall() : buffers.takeLarge();
          assert.equal(sizeOf(buffer), kind === 'small' ? SMALL_BYTES : LARGE_BYTES);
          assert.ok(!references.includes(buffer), 'a buffer in use is given again');
          references.push(buffer);
        } else if (held !== undefined && kind === 'hold') {
          buffers.hold(held);
          references.push(held);
        } else if (held !== undefined) {
          buffers.release(held);
          references.splice(which % references.length, 1);
        }
        assert.equal(buffers.inUse, new Set(references).size);
      }
      for (const each of references) buffers.release(each);
      assert.equal(buffers.inUse, 0);
    }),
  );
});

test('each small and each large buffer can be taken once, then there is none, then all again', () => {
  const buffers = new Buffers();
  for (let round = 0; round < 2; round++) {
    const taken = new Set<number>();
    for (let b = buffers.takeSmall(); b !== NO_BUFFER; b = buffers.takeSmall()) taken.add(b);
    assert.equal(taken.size, SMALL_COUNT);
    for (let b = buffers.takeLarge(); b !== NO_BUFFER; b = buffers.takeLarge()) taken.add(b);
    assert.equal(taken.size, SMALL_COUNT + LARGE_COUNT);
    assert.equal(buffers.inUse, SMALL_COUNT + LARGE_COUNT);
    for (const each of taken) buffers.release(each);
    assert.equal(buffers.inUse, 0);
  }
});

test('a lent buffer goes back to its lender with its last reference, and never to anybody else', () => {
  const buffers = new Buffers();
  const free: number[] = [];
  buffers.lender = { onFree: (buffer) => free.push(buffer) > 0 };
  const lent = [buffers.takeToLend(false), buffers.takeToLend(true)];
  for (const each of lent) {
    buffers.hold(each);
    buffers.hold(each);
    buffers.release(each);
  }
  assert.deepEqual(free, []);
  assert.equal(buffers.inUse, 2);
  for (const each of lent) buffers.release(each);
  assert.deepEqual(free, lent);
  assert.equal(buffers.inUse, 0);
  for (let b = buffers.takeSmall(); b !== NO_BUFFER; b = buffers.takeSmall()) assert.ok(!lent.includes(b));
  for (let b = buffers.takeLarge(); b !== NO_BUFFER; b = buffers.takeLarge()) assert.ok(!lent.includes(b));
});

test('when all small buffers are taken none can be lent, and large ones still can', () => {
  const buffers = new Buffers();
  while (buffers.takeSmall() !== NO_BUFFER);
  assert.equal(buffers.takeToLend(false), NO_BUFFER);
  assert.notEqual(buffers.takeToLend(true), NO_BUFFER);
});

test('releasing more often than holding is a bug that is told, and counts nothing', () => {
  const buffers = new Buffers();
  const buffer = buffers.takeSmall();
  buffers.release(buffer);
  assert.throws(() => buffers.release(buffer), Bug);
  assert.equal(buffers.inUse, 0);
});

test('a copy of any length, from anywhere to anywhere, touches nothing beside it', () => {
  const buffers = new Buffers();
  const { memory } = buffers;
  randomFillSync(memory, 0, 2 * SMALL_BYTES);
  const offset = fc.integer({ min: 1, max: 600 });
  fc.assert(
    fc.property(offset, offset, fc.integer({ min: 0, max: 300 }), (fromOffset, toOffset, length) => {
      const [from, to] = [fromOffset, SMALL_BYTES + toOffset];
      const expected = memory.slice(0, 2 * SMALL_BYTES);
      expected.set(memory.subarray(from, from + length), to);
      buffers.copy(to, from, length);
      assert.deepEqual(memory.subarray(0, 2 * SMALL_BYTES), expected);
    }),
  );
});
