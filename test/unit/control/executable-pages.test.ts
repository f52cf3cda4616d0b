/** When pages of the node executable are given back. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { ExecutablePages } from '../../../src/control/executable-pages.js';

test('pages that logins needed are given back when no more of them come, and only then', () => {
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  let pages = 3000;
  let forgotten = 0;
  const forget = (): void => {
    forgotten++;
    pages = 500;
  };
  new ExecutablePages(() => pages, forget).begin();
  assert.equal(forgotten, 1);
  pages = 800; // what is in use comes back
  mock.timers.tick(1000);
  for (pages of [1200, 1700, 2200]) mock.timers.tick(1000); // logins
  assert.equal(forgotten, 1);
  mock.timers.tick(1000);
  assert.equal(forgotten, 2);
  pages = 900;
  mock.timers.tick(1000);
  pages = 1800; // less than is worth it
  for (let look = 0; look < 3; look++) mock.timers.tick(1000);
  assert.equal(forgotten, 2);
  mock.timers.reset();
});
