/** Repeated log lines: which come through, and what is told of the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogLimit } from '../../../src/pooler/log-limit.js';

/** How many of so many refusals at one moment come through. */
function refusals(limit: LogLimit, count: number, nowMs: number, scope = ''): number {
  let admitted = 0;
  for (let i = 0; i < count; i++) {
    if (limit.admit('warn', `login refused: client ${i}`, scope, nowMs) >= 0) admitted++;
  }
  return admitted;
}

test('the first few of a kind come through, and then one a second with the number of the others', () => {
  const limit = new LogLimit();
  assert.equal(refusals(limit, 1000, 0), 10);
  assert.equal(limit.admit('warn', 'login refused: x', '', 500), -1);
  assert.equal(limit.admit('warn', 'login refused: x', '', 1000), 991);
  assert.equal(limit.admit('warn', 'login refused: x', '', 1001), -1);
});

test('a kind is a level, a beginning and a scope', () => {
  const limit = new LogLimit();
  assert.equal(refusals(limit, 11, 0), 10);
  assert.equal(refusals(limit, 1, 0, 'another pool'), 1);
  assert.equal(limit.admit('warn', 'server closed: server_closed', '', 0), 0);
  assert.equal(limit.admit('error', 'login refused: x', '', 0), 0);
});

test('clients that come and go may be many more', () => {
  const limit = new LogLimit();
  let admitted = 0;
  for (let i = 0; i < 1000; i++) if (limit.admit('info', 'client connected', '', 0) >= 0) admitted++;
  assert.equal(admitted, 500);
});

test('what was held back is told once the kind has become quiet', () => {
  const limit = new LogLimit();
  refusals(limit, 25, 0);
  assert.deepEqual(limit.settle(500), []);
  assert.deepEqual(limit.settle(1000), [{ level: 'warn', head: 'login refused', count: 15 }]);
  assert.deepEqual(limit.settle(2000), []);
});

test('after a quiet time as many come through as in the beginning', () => {
  const limit = new LogLimit();
  refusals(limit, 25, 0);
  limit.settle(5000);
  limit.settle(60_000);
  assert.equal(refusals(limit, 25, 60_000), 10);
});
