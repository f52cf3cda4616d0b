/** Durations in ticks that wrap around, against plain subtraction. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { msSince, ticksAt, ticksSince, usOf } from '../../../src/pooler/ticks.js';

const TICK_MS = 1 / 32;
/** When the ticks come round: 2^32 of them, 37 hours. */
const ROUND_MS = 2 ** 32 * TICK_MS;
/** A machine that has been up for some 30 years. */
const MOMENT_MAX_MS = 1e12;

const moment = fc.double({ min: 0, max: MOMENT_MAX_MS, noNaN: true });
const duration = fc.double({ min: 0, max: ROUND_MS - 1, noNaN: true });

function assertWithinATick(measured: number, durationMs: number): void {
  assert.ok(Math.abs(measured - durationMs) <= TICK_MS + 1e-3, `${measured} instead of ${durationMs}`);
}

test('a duration is right to a tick, whenever it begins', () => {
  fc.assert(
    fc.property(moment, duration, (begin, durationMs) => {
      assertWithinATick(msSince(ticksAt(begin), begin + durationMs), durationMs);
    }),
    { numRuns: 1000 },
  );
});

test('a duration over the wrap of the ticks, and over the change of their sign, is right', () => {
  for (const turn of [ROUND_MS / 2, ROUND_MS, 1.5 * ROUND_MS, 2 * ROUND_MS, 1000 * ROUND_MS]) {
    for (const durationMs of [0.5, 1, 5_000, 600_000]) {
      const begin = turn - durationMs / 2;
      assertWithinATick(msSince(ticksAt(begin), begin + durationMs), durationMs);
    }
  }
});

test('no time has passed at the same moment', () => {
  fc.assert(fc.property(moment, (now) => assert.equal(msSince(ticksAt(now), now), 0)));
});

test('whole milliseconds are exact', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(ROUND_MS - 1), (from, durationMs) => {
      const begin = from % MOMENT_MAX_MS;
      assert.equal(msSince(ticksAt(begin), begin + durationMs), durationMs);
    }),
  );
});

test('a tick is a 32-bit integer', () => {
  fc.assert(fc.property(moment, (now) => assert.equal(ticksAt(now), ticksAt(now) | 0)));
});

test('microseconds are thousandths of the same', () => {
  assert.equal(usOf(ticksSince(ticksAt(1_000), 1_002.5)), 2_500);
  assert.equal(usOf(ticksSince(ticksAt(ROUND_MS - 1), ROUND_MS + 1)), 2_000);
});
