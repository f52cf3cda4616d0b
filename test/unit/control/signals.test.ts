/** What each signal means, on a terminal and without one. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { listenToSignals } from '../../../src/control/signals.js';

const NAMES = ['SIGTERM', 'SIGINT', 'SIGUSR1'] as const;
let asked: string[] = [];

beforeEach(() => {
  asked = [];
  for (const name of NAMES) process.removeAllListeners(name);
});

function listen(isOnTerminal: boolean, hasUpgrade: boolean): void {
  listenToSignals(
    {
      stopAtOnce: (signal) => asked.push(`stop at once: ${signal}`),
      shutDown: (signal) => asked.push(`shut down: ${signal}`),
      upgradeInstead: hasUpgrade ? (signal) => asked.push(`upgrade: ${signal}`) : null,
      note: (text) => asked.push(text),
    },
    () => isOnTerminal,
  );
}

test('SIGTERM is the end at once', () => {
  listen(false, true);
  process.emit('SIGTERM');
  assert.deepEqual(asked, ['stop at once: SIGTERM']);
});

test('Ctrl+C is the end after transactions, and at once the second time', () => {
  listen(true, true);
  process.emit('SIGINT');
  process.emit('SIGINT');
  assert.deepEqual(asked, ['shut down: SIGINT', 'stop at once: SIGINT again']);
});

test('SIGINT without a terminal is an upgrade', () => {
  listen(false, true);
  process.emit('SIGINT');
  assert.deepEqual(asked, ['upgrade: SIGINT']);
});

test('SIGINT without a terminal is the end after transactions where there is no upgrade', () => {
  listen(false, false);
  process.emit('SIGINT');
  process.emit('SIGINT');
  assert.deepEqual(asked, ['shut down: SIGINT', 'shut down: SIGINT']);
});

test('SIGUSR1 opens no door for debuggers', () => {
  listen(false, true);
  process.emit('SIGUSR1');
  assert.deepEqual(asked, ['SIGUSR1 has no meaning here: ignored']);
});
