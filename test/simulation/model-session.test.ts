/** The model of a backend answers as PostgreSQL does, and sees what a pooler must never do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bind,
  copyData,
  copyDone,
  describeStatement,
  errorFields,
  execute,
  flush,
  type Message,
  message,
  parse,
  query,
  sync,
  terminate,
  values,
} from '../support/messages.js';
import { postgresPort } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';
import { difference } from './model-comparison.js';
import { Stage } from './model-stage.js';

const SCRIPTS = Number(process.env.PG_DOORMAN_TEST_SCRIPTS ?? 400);
const FIRST_SEED = Number(process.env.PG_DOORMAN_TEST_SEED ?? 1);
const AT_ONCE = 8;

const tags = (messages: readonly Message[]): string => messages.map(({ tag }) => tag).join('');

function errorOf(messages: readonly Message[]): string {
  const error = messages.find(({ tag }) => tag === 'E');
  return error === undefined ? '' : (errorFields(error).C ?? '');
}

test('login', () => {
  const stage = new Stage({ application_name: 'me' });
  assert.match(tags(stage.heard), /^RS+KZ$/);
  assert.ok(stage.heard.some(({ tag, body }) => tag === 'S' && body.toString() === 'application_name\0me\0'));
  assert.deepEqual(stage.session.leftovers(), []);
  assert.equal(stage.session.isBusy, false);
});

test('a query, in one piece and byte by byte', () => {
  const stage = Stage.ready();
  const answer = stage.hear(query("/* c1 */ select 'a'"));
  assert.equal(tags(answer), 'TDCZ');
  assert.deepEqual(answer.filter(({ tag }) => tag === 'D').map(values), [['a']]);
  stage.sends.length = 0;
  for (const byte of query("/* c1 */ select 'a'")) stage.session.receive(Buffer.of(byte));
  assert.deepEqual(stage.heard, answer);
});

test('half a message is a leftover', () => {
  const stage = Stage.ready();
  stage.hear(sync().subarray(0, 3));
  assert.deepEqual(stage.session.leftovers(), ['half a message']);
  assert.equal(stage.session.isBusy, true);
  assert.equal(tags(stage.hear(sync().subarray(3))), 'Z');
  assert.deepEqual(stage.session.leftovers(), []);
});

test('messages wait while a query runs', () => {
  const stage = Stage.ready();
  assert.equal(tags(stage.hear(query('select pg_sleep(5)'), query("select 'a'"))), '');
  assert.equal(stage.session.isBusy, true);
  stage.rest();
  assert.equal(tags(stage.heard), 'TDCZTDCZ');
  assert.equal(stage.session.isBusy, false);
});

test('a cancel request ends what runs, and nothing else', () => {
  const stage = Stage.ready();
  stage.session.cancel();
  stage.hear(query('begin; select pg_sleep(5)'), query('rollback'));
  stage.session.cancel();
  assert.equal(tags(stage.heard), 'CTEZCZ');
  assert.equal(errorOf(stage.heard), '57014');
  stage.rest();
  assert.equal(tags(stage.heard), 'CTEZCZ');
});

test('a cancel request in COPY FROM STDIN is seen with the next row', () => {
  const stage = Stage.ready();
  assert.equal(tags(stage.hear(query('copy sink from stdin'))), 'G');
  stage.session.cancel();
  assert.equal(tags(stage.heard), 'G');
  const answer = stage.hear(copyData('row\n'), copyDone());
  assert.equal(tags(answer), 'EZ');
  assert.equal(errorOf(answer), '57014');
});

test('a session that is terminated says so and ends', () => {
  for (const before of [sync(), query('select pg_sleep(5)'), query('copy sink from stdin')]) {
    const stage = Stage.ready();
    stage.hear(before);
    stage.sends.length = 0;
    stage.session.terminate();
    stage.rest();
    assert.equal(tags(stage.heard).at(-1), 'E');
    assert.equal(errorOf(stage.heard), '57P01');
    assert.ok(stage.isClosed);
  }
});

test('Terminate ends the session', () => {
  const stage = Stage.ready();
  assert.equal(tags(stage.hear(query('begin'), terminate(), sync())), 'CZ');
  assert.ok(stage.isClosed);
});

test('what is not sent yet waits for Flush, Sync, an error, or 8 KB', () => {
  const stage = Stage.ready();
  assert.equal(tags(stage.hear(parse('', "select 'a'"), bind('', ''))), '');
  assert.equal(tags(stage.hear(flush())), '12');
  assert.equal(tags(stage.hear(execute())), '');
  assert.equal(tags(stage.hear(bind('', 'nobody'))), 'DCE');
  assert.equal(tags(stage.hear(flush(), execute(), sync())), 'Z');
  stage.hear(parse('', "select repeat('x', 9000)"), bind('', ''), execute());
  assert.equal(tags(stage.heard), '12D');
  assert.equal(tags(stage.hear(sync())), 'CZ');
});

test('ParameterStatus follows a SET, and its rollback', () => {
  const stage = Stage.ready();
  assert.equal(tags(stage.hear(query("begin; set timezone to 'Asia/Tokyo'"))), 'CCSZ');
  assert.deepEqual(stage.session.leftovers(), ['an open transaction', 'TimeZone Asia/Tokyo']);
  assert.equal(tags(stage.hear(query('rollback'))), 'CSZ');
  assert.deepEqual(stage.session.leftovers(), []);
});

test('what the next client would find', () => {
  const stage = Stage.ready();
  stage.hear(
    query("set work_mem to '8MB'"),
    query('prepare q as select 7'),
    query('declare k cursor with hold for select 7'),
    query('listen news'),
    parse('mine', "select 'a'"),
    parse('DOORMAN_1', "select 'a'"),
    sync(),
  );
  const all = ['work_mem 8MB', 'statement q', 'statement mine', 'cursor k', 'LISTEN news'];
  assert.deepEqual(stage.session.leftovers(), all);
  stage.hear(query('RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;CLOSE ALL;DEALLOCATE ALL;UNLISTEN *'));
  assert.deepEqual(stage.session.leftovers(), []);
  stage.hear(query('copy sink from stdin'));
  assert.deepEqual(stage.session.leftovers(), ['an open transaction', 'COPY']);
  stage.hear(copyDone(), parse('', "select 'a'"));
  assert.deepEqual(stage.session.leftovers(), ['an open transaction']);
  stage.hear(bind('', 'nobody'));
  assert.deepEqual(stage.session.leftovers(), ['a batch without its Sync']);
  stage.hear(sync());
  assert.deepEqual(stage.session.leftovers(), []);
  assert.deepEqual(stage.violations, []);
});

test('a client that finds what another one has left', () => {
  const stage = Stage.ready();
  stage.hear(query("/* c1 */ set timezone to 'Asia/Tokyo'"), query('/* c1 */ show timezone'));
  assert.deepEqual(stage.violations, []);
  stage.hear(query('/* c2 */ show timezone'));
  assert.deepEqual(stage.violations, ['c2 finds what c1 has left: TimeZone Asia/Tokyo']);
});

test('… or whose statement is used in the transaction of another one', () => {
  const stage = Stage.ready();
  stage.hear(parse('DOORMAN_1', "/* c1 */ select 'a'"), sync(), query('/* c2 */ begin'));
  assert.deepEqual(stage.violations, []);
  stage.hear(bind('', 'DOORMAN_1'), execute(), sync());
  assert.deepEqual(stage.violations, ['c1 finds what c2 has left: an open transaction']);
});

test('a client that comes after a clean one', () => {
  const stage = Stage.ready();
  stage.hear(query("/* c1 */ set timezone to 'Asia/Tokyo'"), query('reset all'), query('/* c2 */ begin'));
  stage.hear(query('rollback'), query('/* c1 */ begin'));
  assert.deepEqual(stage.violations, []);
});

test('statements of the pooler that are not there, or there already', () => {
  const stage = Stage.ready();
  stage.hear(bind('', 'DOORMAN_1'), sync(), describeStatement('DOORMAN_1'), sync());
  stage.hear(parse('DOORMAN_1', 'select 7'), parse('DOORMAN_1', 'select 7'), sync());
  assert.deepEqual(stage.violations, [
    'Bind of DOORMAN_1, which is not there',
    'Describe of DOORMAN_1, which is not there',
    'Parse of DOORMAN_1, which is there already',
  ]);
});

test('what is no message', () => {
  const nonsense = [
    message('?'),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0x51, 0, 0, 0, 3]),
    message('Q', Buffer.from('no zero')),
    message('B', Buffer.from('\0\0\0\0\0\x05')),
    message('D', Buffer.from('Xname\0')),
  ];
  for (const bytes of nonsense) {
    const stage = Stage.ready();
    assert.equal(errorOf(stage.hear(bytes)), '08P01');
    assert.equal(stage.violations.length, 1, bytes.toString());
  }
});

test('random scripts are answered as by PostgreSQL', async () => {
  const client = await WireClient.login(postgresPort, 'postgres', 'postgres');
  await client.query('create table if not exists sink (line text)');
  client.close();
  let next = FIRST_SEED;
  const play = async (): Promise<void> => {
    while (next < FIRST_SEED + SCRIPTS) {
      const found = await difference(next++);
      if (found !== '') assert.fail(found);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, play));
});
