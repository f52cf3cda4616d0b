import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GreetingMessages } from '../../../src/pooler/greeting-messages.js';
import { takeMessages } from '../../support/messages.js';

const NOTHING: ReadonlyMap<string, string> = new Map();

/** The parameters that these messages tell, in order. */
function told(messages: Uint8Array): string[] {
  const { messages: all, rest } = takeMessages(Buffer.from(messages));
  assert.equal(rest.length, 0);
  return all.map(({ tag, body }) => `${tag} ${body.toString().split('\0').slice(0, 2).join('=')}`);
}

test('a client is told all parameters of its servers once, and its own application_name', () => {
  const greeting = new GreetingMessages(
    new Map([
      ['TimeZone', 'UTC'],
      ['application_name', 'a server'],
    ]),
  );
  for (const name of ['one', 'two']) {
    assert.deepEqual(told(greeting.of(name, NOTHING)), ['S TimeZone=UTC', `S application_name=${name}`]);
  }
});

test('what a client wants is told to this client only', () => {
  const greeting = new GreetingMessages(new Map([['TimeZone', 'UTC']]));
  const wanted = new Map([
    ['TimeZone', 'Europe/Moscow'],
    ['DateStyle', 'German'],
  ]);
  assert.deepEqual(told(greeting.of('x', wanted)), [
    'S TimeZone=Europe/Moscow',
    'S DateStyle=German',
    'S application_name=x',
  ]);
  assert.deepEqual(told(greeting.of('x', NOTHING)), ['S TimeZone=UTC', 'S application_name=x']);
});

test('parameters that have changed are told when the old ones are forgotten', () => {
  const parameters = new Map([['server_version', '17']]);
  const greeting = new GreetingMessages(parameters);
  greeting.of('x', NOTHING);
  parameters.set('server_version', '18');
  greeting.forget();
  assert.deepEqual(told(greeting.of('x', NOTHING)), ['S server_version=18', 'S application_name=x']);
});
