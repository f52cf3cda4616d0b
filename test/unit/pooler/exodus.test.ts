/** When many clients have left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Exodus } from '../../../src/pooler/exodus.js';

/** Clients at the end of each second, and how many have come in it; the seconds in which an exodus was over. */
function exoduses(...seconds: readonly (readonly [clients: number, came: number])[]): number[] {
  const exodus = new Exodus();
  return seconds.flatMap(([clients, came], second) => {
    exodus.came = came;
    return exodus.isOver(clients) ? [second] : [];
  });
}

test('an exodus is over in the first second in which few leave', () => {
  assert.deepEqual(exoduses([1200, 1200], [250, 0], [0, 0], [0, 0], [0, 0]), [3]);
});

test('… or after some stay: no more than a quarter', () => {
  assert.deepEqual(exoduses([1200, 1200], [300, 0], [295, 3], [295, 0]), [2]);
  assert.deepEqual(exoduses([1200, 1200], [301, 0], [301, 0], [301, 0]), []);
});

test('while many come it is not', () => {
  assert.deepEqual(exoduses([1200, 1200], [0, 0], [20, 20], [25, 15], [25, 10]), [4]);
});

test('there is none without many clients, and none twice of the same', () => {
  assert.deepEqual(exoduses([999, 999], [0, 0], [0, 0]), []);
  assert.deepEqual(exoduses([1000, 1000], [0, 0], [0, 0], [0, 0], [1000, 1000], [0, 0], [0, 0]), [2, 6]);
});
