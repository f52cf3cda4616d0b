/** PAUSE and its like over several workers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PauseEnded } from '../../../src/control/admin/errors.js';
import { type AdministeredWorker, PoolAdministration } from '../../../src/control/pool-administration.js';

const NEVER = new AbortController().signal;

/** Workers whose pools have so many servers together, and what they were told. */
function workers(count: number, state: { servers: number; onAsked?: () => void }) {
  const told: string[] = [];
  const all: AdministeredWorker[] = Array.from({ length: count }, (_, worker) => ({
    administer: async (command, database) => {
      told.push(`${worker} ${command} ${database}`);
      state.onAsked?.();
      return state.servers;
    },
    killClient: async (client) => (client === worker ? 1 : 0),
  }));
  return { administration: new PoolAdministration(() => all), told, all };
}

test('PAUSE returns when no worker has a server any more, and asks all of them until then', async () => {
  const state = {
    servers: 2,
    onAsked: () => {
      state.servers = Math.max(0, state.servers - 0.5);
    },
  };
  const { administration, told } = workers(2, state);
  await administration.pause('shop', NEVER);
  assert.deepEqual(told.slice(-2), ['0 pause shop', '1 pause shop']);
  assert.ok(told.length > 2);
});

test('a PAUSE that is cancelled ends with 57014, and what it paused goes on', async () => {
  const cancel = new AbortController();
  const { administration, told } = workers(1, { servers: 1, onAsked: () => cancel.abort() });
  await assert.rejects(administration.pause(null, cancel.signal), PauseEnded);
  assert.equal(told.at(-1), '0 resume null');
});

test('a PAUSE that is cancelled leaves paused what was so before', async () => {
  const cancel = new AbortController();
  const state = { servers: 0, onAsked: () => {} };
  const { administration, told } = workers(1, state);
  await administration.pause('shop', NEVER);
  state.servers = 1;
  state.onAsked = () => cancel.abort();
  await assert.rejects(administration.pause('shop', cancel.signal), PauseEnded);
  assert.equal(told.at(-1), '0 pause shop');
});

test('RESUME of another ends a PAUSE that waits', async () => {
  const state = { servers: 1, onAsked: () => {} };
  const { administration } = workers(1, state);
  const pausing = administration.pause('shop', NEVER);
  assert.equal(await administration.resume('shop'), true);
  await assert.rejects(pausing, PauseEnded);
});

test('RESUME tells whether there was something to resume', async () => {
  const { administration, told } = workers(1, { servers: 0 });
  assert.equal(await administration.resume(null), false);
  assert.equal(await administration.resume('shop'), false);
  await administration.pause('shop', NEVER);
  assert.equal(await administration.resume('mail'), false);
  assert.equal(await administration.resume(null), true);
  assert.equal(await administration.resume('shop'), false);
  assert.deepEqual(told, ['0 pause shop', '0 resume null']);
});

test('a worker that takes the place of another is told what is paused', async () => {
  const { administration, told, all } = workers(1, { servers: 0 });
  await administration.pause('shop', NEVER);
  await administration.kill('mail');
  const [worker] = all;
  assert.ok(worker);
  administration.greet(worker);
  assert.deepEqual(told.slice(-2), ['0 pause shop', '0 pause mail']);
});

test('KILL_CLIENT finds the client in whatever worker it is', async () => {
  const { administration } = workers(3, { servers: 0 });
  assert.equal(await administration.killClient(2), true);
  assert.equal(await administration.killClient(3), false);
});
