/** Notices, which a server may send at any time: nothing of the pooler's own is put into the middle of one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import { FakePostgres } from '../support/fake-postgres.js';
import {
  bind,
  closeStatement,
  execute,
  flush,
  message,
  parse,
  query,
  string,
  sync,
} from '../support/messages.js';
import { poolAt } from '../support/shared-postgres.js';
import { tagsOf, WireClient } from '../support/wire-client.js';

const NOTICE = message(
  'N',
  string('SWARNING'),
  string('C01000'),
  string('Mone half, and then the other'),
  Buffer.of(0),
);
const HALF = Math.floor(NOTICE.length / 2);
const ERROR = message('E', string('SERROR'), string('C42601'), string('Msyntax error'), Buffer.of(0));
const IN_TRANSACTION = message('Z', Buffer.from('T'));

test('the pooler answers a Close behind the notice that the server is in the middle of', async (t) => {
  const fake = await FakePostgres.start({
    onMessage: ({ tag }, { socket }) => {
      if (tag === 'Q') socket.write(Buffer.concat([message('C', string('BEGIN')), IN_TRANSACTION]));
      else if (tag === 'P') socket.write(message('1'));
      else if (tag === 'B') socket.write(message('2'));
      else if (tag === 'E') socket.write(message('C', string('SELECT 0')));
      else if (tag === 'S') socket.write(Buffer.concat([IN_TRANSACTION, NOTICE.subarray(0, HALF)]));
      else if (tag === 'H') socket.write(NOTICE.subarray(HALF));
    },
  });
  t.after(() => fake.stop());
  const doorman = await Doorman.start({ pools: { postgres: poolAt(fake.port) } });
  t.after(() => doorman.stop());
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  client.send(query('begin'), parse('s', 'select 1'), bind('', 's'), execute(), sync());
  assert.equal(tagsOf(await client.until('Z')), 'CZ');
  assert.equal(tagsOf(await client.until('Z')), '12CZ');
  const half = await client.bytes(HALF);
  client.send(closeStatement('s'), flush());
  const notice = Buffer.concat([half, await client.bytes(NOTICE.length - HALF)]);
  assert.deepEqual(notice, NOTICE);
  assert.equal((await client.next())?.tag, '3');
  client.close();
});

test('… and ahead of an error whose beginning comes together with the end of the notice', async (t) => {
  let isSecond = false;
  const fake = await FakePostgres.start({
    onMessage: ({ tag }, { socket }) => {
      if (tag === 'Q') socket.write(Buffer.concat([message('C', string('BEGIN')), IN_TRANSACTION]));
      else if (tag === 'P' && !isSecond) socket.write(message('1'));
      else if (tag === 'B') socket.write(message('2'));
      else if (tag === 'E') socket.write(message('C', string('SELECT 0')));
      else if (tag === 'S' && !isSecond) {
        isSecond = true;
        socket.write(Buffer.concat([IN_TRANSACTION, NOTICE.subarray(0, HALF)]));
      } else if (tag === 'S') socket.write(Buffer.concat([NOTICE.subarray(HALF), ERROR.subarray(0, 9)]));
    },
  });
  t.after(() => fake.stop());
  const doorman = await Doorman.start({ pools: { postgres: poolAt(fake.port) } });
  t.after(() => doorman.stop());
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  client.send(query('begin'), parse('s', 'select 1'), bind('', 's'), execute(), sync());
  assert.equal(tagsOf(await client.until('Z')), 'CZ');
  assert.equal(tagsOf(await client.until('Z')), '12CZ');
  const half = await client.bytes(HALF);
  client.send(closeStatement('s'), parse('t', 'selec'), sync());
  const notice = Buffer.concat([half, await client.bytes(NOTICE.length - HALF)]);
  assert.deepEqual(notice, NOTICE);
  const failed = message('Z', Buffer.from('E'));
  fake.sessions.at(-1)?.socket.write(Buffer.concat([ERROR.subarray(9), failed]));
  assert.equal(tagsOf(await client.until('Z')), '3EZ');
  client.close();
});

test('a notice that ends together with the FATAL of a server that ends is whole for the client that was done', async (t) => {
  const answer = Buffer.concat([message('C', string('SELECT 0')), message('Z', Buffer.from('I'))]);
  const fake = await FakePostgres.start({
    onMessage: ({ tag }, { socket }) => {
      if (tag === 'Q') socket.write(Buffer.concat([answer, NOTICE.subarray(0, HALF)]));
    },
  });
  t.after(() => fake.stop());
  const doorman = await Doorman.start({ pools: { postgres: poolAt(fake.port) } });
  t.after(() => doorman.stop());
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  client.send(query('select'));
  assert.equal(tagsOf(await client.until('Z')), 'CZ');
  const half = await client.bytes(HALF);
  const ending = message('E', string('SFATAL'), string('C57P01'), string('Mgoes down'), Buffer.of(0));
  fake.sessions.at(-1)?.socket.end(Buffer.concat([NOTICE.subarray(HALF), ending]));
  const notice = Buffer.concat([half, await client.bytes(NOTICE.length - HALF)]);
  assert.deepEqual(notice, NOTICE);
  client.send(query('select'));
  assert.equal(tagsOf(await client.until('Z')), 'CZ');
  client.close();
});
