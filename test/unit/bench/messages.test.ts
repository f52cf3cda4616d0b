import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionFailed } from '../../../bench/errors.js';
import { MessageReader, message } from '../../../bench/messages.js';

test('messages are found however their bytes are cut', () => {
  const bytes = Buffer.concat([message('T', 'row'), message('D', ''), message('Z', 'I')]);
  for (let first = 0; first <= bytes.length; first++)
    for (let second = first; second <= bytes.length; second++) {
      const seen: string[] = [];
      const reader = new MessageReader((tag, body) => seen.push(`${String.fromCharCode(tag)}${body}`));
      for (const part of [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)])
        reader.push(part);
      assert.deepEqual(seen, ['Trow', 'D', 'ZI'], `cut at ${first} and ${second}`);
    }
});

test('a length that no message has is an error', () => {
  const reader = new MessageReader(() => {});
  assert.throws(() => reader.push(Buffer.from([0x5a, 0, 0, 0, 3])), ConnectionFailed);
});
