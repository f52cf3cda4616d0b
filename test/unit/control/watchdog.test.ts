/** Workers that do not come round. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Watchdog } from '../../../src/control/watchdog.js';

function watched(): { readonly dog: Watchdog; readonly said: string[] } {
  const said: string[] = [];
  const dog = new Watchdog({
    onSilent: (worker, seconds) => said.push(`${worker} silent ${seconds}`),
    onStuck: (worker, seconds) => said.push(`${worker} stuck ${seconds}`),
  });
  return { dog, said };
}

test('one whose seconds stand still is named, and then given up, once each', () => {
  const { dog, said } = watched();
  for (let look = 0; look < 40; look++) {
    dog.look(0, look);
    dog.look(1, 7);
  }
  assert.deepEqual(said, ['1 silent 5', '1 stuck 15']);
});

test('one that comes round again in time is let alone, and so is one that sees a second in three', () => {
  const { dog, said } = watched();
  for (let look = 0; look < 5; look++) dog.look(0, 1);
  for (let look = 0; look < 40; look++) dog.look(0, 2 + Math.floor(look / 3));
  assert.deepEqual(said, []);
});

test('the next in its place begins anew', () => {
  const { dog, said } = watched();
  for (let look = 0; look < 4; look++) dog.look(2, 1);
  dog.forget(2);
  for (let look = 0; look < 4; look++) dog.look(2, 1);
  assert.deepEqual(said, []);
});
