/** Batches that no driver sends and any client may: the pooler answers what PostgreSQL answers, and goes on with it.
 *  Each is played to both. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import {
  bind,
  closeStatement,
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
  string,
  sync,
} from '../support/messages.js';
import { pool, postgresPort } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 2 }) } });
after(() => doorman.stop());

const LONG_NAME = 'n'.repeat(63 * 1024);
const SOME = [parse('', 'select 1'), bind('', ''), execute()];
const many = (count: number, ...messages: Buffer[]): Buffer[] => Array(count).fill(messages).flat();

const BATCHES: Record<string, Buffer[]> = {
  'a statement name of 63 KB': [
    parse(LONG_NAME, 'select 1'),
    bind('', LONG_NAME),
    execute(),
    bind('', `not ${LONG_NAME}`),
    sync(),
  ],
  'Bind before Parse': [bind('', 'later'), parse('later', 'select 1'), execute(), sync()],
  'Execute and nothing else': [execute(), sync()],
  'Parse with more types than the text has parameters': [
    parse('', 'select 1', [23, 25, 25]),
    bind('', ''),
    sync(),
  ],
  'Bind with too few values': [parse('', 'select $1::int, $2::int'), bind('', '', ['1']), execute(), sync()],
  'Bind with too many values': [parse('', 'select $1::int'), bind('', '', ['1', '2']), execute(), sync()],
  'a Bind that says less than it promises': [
    parse('', 'select $1::int'),
    message('B', string(''), string(''), Buffer.from([0, 0, 0, 9, 0, 0])),
    execute(),
    sync(),
  ],
  'a thousand Syncs': many(1000, sync()),
  'a thousand Syncs between batches': many(1000, ...SOME, sync(), sync()),
  'a thousand Flushes': [...many(1000, flush()), ...SOME, ...many(1000, flush()), sync()],
  'a Flush behind every message': [...SOME.flatMap((each) => [each, flush()]), sync(), flush()],
  'COPY data without COPY': [copyData('1\t2\n'), copyDone(), ...SOME, copyData('x'), sync()],
  'an empty text, and one of blanks': [parse('', ''), bind('', ''), execute(), sync(), query(' ')],
  'many errors in many batches': many(200, parse('', 'selec'), ...SOME, sync()),
  'the same portal bound again and again': [
    ...SOME,
    ...many(100, bind('p', ''), execute('p')).slice(0, 2),
    bind('p', ''),
    sync(),
  ],
  'Close of everything that is not there': [
    closeStatement('a'),
    closeStatement(''),
    closeStatement('b'),
    sync(),
  ],
};

for (const [name, batch] of Object.entries(BATCHES)) {
  test(name, async () => {
    const [direct, pooled] = await Promise.all(
      [postgresPort, doorman.port].map(async (port) => {
        const client = await WireClient.login(port, 'postgres', 'postgres');
        client.send(...batch, query("select 'the end'"));
        const answer = await untilTheEnd(client);
        client.close();
        return answer;
      }),
    );
    assert.deepEqual(pooled, direct);
  });
}

async function untilTheEnd(client: WireClient): Promise<string[]> {
  const lines: string[] = [];
  for (let each = await client.next(); each !== null; each = await client.next()) {
    lines.push(lineOf(each));
    if (each.tag === 'D' && each.body.includes('the end')) break;
  }
  return lines;
}

/** Names of statements differ in the texts of errors. */
function lineOf(each: Message): string {
  return each.tag === 'E'
    ? `E ${errorFields(each).C}`
    : `${each.tag} ${each.body.toString('latin1').slice(0, 100)}`;
}

test('Describe, Close and Execute that are longer than PostgreSQL takes end the connection, with a word', async () => {
  for (const each of [describeStatement(LONG_NAME), closeStatement(LONG_NAME), execute(LONG_NAME)]) {
    const direct = await WireClient.login(postgresPort, 'postgres', 'postgres');
    direct.send(each, sync());
    assert.deepEqual(await direct.closed(), []);
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    client.send(each, sync());
    assert.equal(sqlstateOf(await client.closed()), '08P01');
  }
});

test('a name with a zero byte in it is a message that does not end where it should', async () => {
  for (const port of [postgresPort, doorman.port]) {
    const client = await WireClient.login(port, 'postgres', 'postgres');
    client.send(message('D', Buffer.from('Sab\0cd\0')), sync());
    const [error] = await client.until('Z');
    assert.equal(error && errorFields(error).C, '08P01', String(port));
    client.close();
  }
});

test('COPY data without COPY behind a Parse that the server need not see again', async () => {
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  client.send(parse('', 'select 1'), sync());
  await client.until('Z');
  client.send(parse('', 'select 1'), copyData('x'), sync());
  assert.equal(tagsOf(await client.until('Z')), '1Z');
  client.close();
});
