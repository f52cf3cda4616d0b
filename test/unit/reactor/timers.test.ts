/** The timers' heap against a plain list that is sorted anew each time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Timer, TimerHeap } from '../../../src/reactor/timers.js';

/** Remembers what fired, by the number it was made with. */
class Log {
  readonly fired: number[] = [];
  timers(count: number): Timer[] {
    return Array.from(
      { length: count },
      (_, i) =>
        new Timer({
          onTimer: () => this.fired.push(i),
        }),
    );
  }
}

function timerAt(timers: readonly Timer[], index: number): Timer {
  const timer = timers[index];
  assert.ok(timer);
  return timer;
}

const COUNT = 12;
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), which: fc.nat(COUNT - 1), at: fc.nat(100) }),
  fc.record({ kind: fc.constant('clear' as const), which: fc.nat(COUNT - 1), at: fc.constant(0) }),
  fc.record({ kind: fc.constant('fire' as const), which: fc.constant(0), at: fc.nat(120) }),
);

test('setting, moving, clearing and firing in any order agree with a sorted list', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const log = new Log();
      const timers = log.timers(COUNT);
      const heap = new TimerHeap();
      const expected = new Map<number, number>();
      for (const { kind, which, at } of steps) {
        if (kind === 'set') {
          heap.set(timerAt(timers, which), at);
          expected.set(which, at);
        } else if (kind === 'clear') {
          heap.clear(timerAt(timers, which));
          expected.delete(which);
        } else {
          const due = [...expected].filter(([, deadline]) => deadline <= at);
          log.fired.length = 0;
          heap.fire(at);
          for (const [each] of due) expected.delete(each);
          const deadlines = new Map(due);
          assert.deepEqual([...log.fired].sort(byNumber), due.map(([each]) => each).sort(byNumber));
          const order = log.fired.map((each) => deadlines.get(each) ?? -1);
          assert.deepEqual(order, [...order].sort(byNumber));
        }
        assert.equal(heap.size, expected.size);
        assert.equal(heap.nextDeadlineMs, Math.min(Number.POSITIVE_INFINITY, ...expected.values()));
        timers.forEach((timer, i) => {
          assert.equal(timer.isSet, expected.has(i));
        });
      }
    }),
  );
});

function byNumber(a: number, b: number): number {
  return a - b;
}

test('a timer fires at its deadline and not before', () => {
  const log = new Log();
  const [timer] = log.timers(1);
  assert.ok(timer);
  const heap = new TimerHeap();
  heap.set(timer, 10);
  heap.fire(9.999);
  assert.deepEqual(log.fired, []);
  heap.fire(10);
  assert.deepEqual(log.fired, [0]);
});

test('a timer that was set again fires once, at the later setting', () => {
  const log = new Log();
  const [timer] = log.timers(1);
  assert.ok(timer);
  const heap = new TimerHeap();
  heap.set(timer, 10);
  heap.set(timer, 20);
  heap.fire(15);
  assert.deepEqual(log.fired, []);
  heap.fire(25);
  heap.fire(30);
  assert.deepEqual(log.fired, [0]);
});

test('a timer that has fired is not set, and may be set again by its own target', () => {
  const heap = new TimerHeap();
  let left = 3;
  const timer = new Timer({
    onTimer: (itself) => {
      assert.equal(itself.isSet, false);
      if (--left > 0) heap.set(itself, 10 * (4 - left));
    },
  });
  heap.set(timer, 10);
  for (const now of [10, 20, 30, 40]) heap.fire(now);
  assert.equal(left, 0);
  assert.equal(heap.size, 0);
});

test('what a target sets for the same moment fires in the next round, so that a round ends', () => {
  const heap = new TimerHeap();
  let times = 0;
  const timer = new Timer({
    onTimer: (itself) => {
      times++;
      heap.set(itself, 0);
    },
  });
  heap.set(timer, 0);
  heap.fire(5);
  assert.equal(times, 1);
  heap.fire(5);
  assert.equal(times, 2);
});

test('a target may clear another timer that is due as well', () => {
  const heap = new TimerHeap();
  const fired: string[] = [];
  const second = new Timer({ onTimer: () => fired.push('second') });
  const first = new Timer({
    onTimer: () => {
      fired.push('first');
      heap.clear(second);
    },
  });
  heap.set(first, 1);
  heap.set(second, 2);
  heap.fire(3);
  assert.deepEqual(fired, ['first']);
  assert.equal(second.isSet, false);
});

test('clearing a timer that is not set does nothing', () => {
  const log = new Log();
  const [one, other] = log.timers(2);
  assert.ok(one && other);
  const heap = new TimerHeap();
  heap.set(one, 1);
  heap.clear(other);
  heap.clear(other);
  heap.fire(1);
  assert.deepEqual(log.fired, [0]);
});
