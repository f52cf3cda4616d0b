/** What a worker posts for the log: lines that are wanted, and a count of those that were held back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLevel, ToControl } from '../../../src/pooler/thread-messages.js';
import { WorkerLog } from '../../../src/pooler/worker-log.js';

/** What is posted while a log is used. */
function posted(level: LogLevel, use: (log: WorkerLog) => void): ToControl[] {
  const messages: ToControl[] = [];
  use(new WorkerLog(level, (message) => messages.push(message)));
  return messages;
}

test('a line that nobody wants is not posted, until its level is', () => {
  const messages = posted('info', (log) => {
    log.log('debug', 'before', 0);
    log.level = 'debug';
    log.log('debug', 'after', 0, { client_id: 3 });
  });
  assert.deepEqual(messages, [{ type: 'log', level: 'debug', text: 'after', fields: { client_id: 3 } }]);
});

test('lines that were held back are told of by the next one of the kind', () => {
  const messages = posted('info', (log) => {
    for (let i = 0; i < 12; i++) log.log('error', `cannot open a server: ${i}`, 0);
    log.log('error', 'cannot open a server: again', 1000);
  });
  assert.equal(messages.length, 11);
  const text = 'cannot open a server: again (2 more like this were not logged)';
  assert.deepEqual(messages.at(-1), { type: 'log', level: 'error', text, fields: {} });
});

test('… or by a line of their own', () => {
  const messages = posted('info', (log) => {
    for (let i = 0; i < 12; i++) log.log('error', `cannot open a server: ${i}`, 0);
    log.everySecond(1000);
  });
  const text = 'cannot open a server: 2 more like this were not logged';
  assert.deepEqual(messages.at(-1), { type: 'log', level: 'error', text, fields: {} });
});
