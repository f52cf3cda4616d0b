/** The console by the extended protocol, and what drivers say when they connect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bind,
  closeStatement,
  describePortal,
  describeStatement,
  errorFields,
  execute,
  flush,
  message,
  parse,
  query,
  string,
  sync,
  values,
} from '../../../support/messages.js';
import { answer, answerTo, bench, table, tags } from './console-context.js';

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
/** Bind of '' to '' that asks for these formats of the columns. */
const bindFormats = (...formats: number[]): Buffer =>
  message('B', string(''), string(''), int16(0), int16(0), int16(formats.length), ...formats.map(int16));

test('a command that is parsed, bound, described and executed answers what the simple query does', async () => {
  const { console } = await bench();
  const simple = await answer(console, 'SHOW LISTS');
  const extended = await answerTo(
    console,
    parse('', 'SHOW LISTS'),
    bind('', ''),
    describePortal(''),
    execute(),
    sync(),
  );
  assert.equal(tags(extended), `12${tags(simple)}`);
  assert.deepEqual(extended.slice(2), simple);
});

test('a statement is described before it is bound: no parameters, and its columns', async () => {
  const { console } = await bench();
  const messages = await answerTo(console, parse('s', 'SHOW VERSION'), describeStatement('s'), sync());
  assert.equal(tags(messages), '1tTZ');
  assert.deepEqual([...(messages[1]?.body ?? [])], [0, 0]);
});

test('a command without rows is described with NoData', async () => {
  const { console } = await bench();
  const said = [parse('s', 'PAUSE'), describeStatement('s'), bind('', 's'), describePortal(''), sync()];
  assert.equal(tags(await answerTo(console, ...said)), '1tn2nZ');
});

test('a statement is executed as often as it is bound, and each time anew', async () => {
  const { console, asked } = await bench();
  await answerTo(console, parse('s', 'PAUSE shop'), sync());
  for (let i = 0; i < 3; i++) {
    assert.equal(tags(await answerTo(console, bind('', 's'), execute(), sync())), '2CZ');
  }
  assert.equal(asked.length, 3);
});

test('a command is done when it is executed, not when it is parsed or bound', async () => {
  const { console, shutDowns } = await bench();
  await answerTo(console, parse('', 'SHUTDOWN'), describeStatement(''), bind('', ''), describePortal(''));
  assert.equal(shutDowns(), 0);
  await answerTo(console, execute(), sync());
  assert.equal(shutDowns(), 1);
});

test('rows are fetched in portions, as a driver with a fetch size does', async () => {
  const { console } = await bench();
  const messages = await answerTo(
    console,
    parse('', 'SHOW LISTS'),
    bind('', ''),
    execute('', 5),
    execute('', 5),
    execute('', 5),
    sync(),
  );
  assert.equal(tags(messages), '12DDDDDsDDDDDsDDCZ');
});

test('numbers are sent in binary to those who ask for it', async () => {
  const { console } = await bench();
  const messages = await answerTo(
    console,
    parse('', 'SHOW LISTS'),
    bindFormats(1),
    describePortal(''),
    execute('', 1),
    sync(),
  );
  const description = messages.find(({ tag }) => tag === 'T')?.body;
  assert.deepEqual(description?.subarray(-2), int16(1));
  const row = messages.find(({ tag }) => tag === 'D')?.body;
  assert.deepEqual(row?.subarray(-8), Buffer.from([0, 0, 0, 4, 0, 0, 0, 2]));
});

test('each column has its own format when one is said for each', async () => {
  const { console } = await bench();
  const messages = await answerTo(
    console,
    parse('', 'SHOW LISTS'),
    bindFormats(1, 0),
    execute('', 1),
    sync(),
  );
  const row = messages.find(({ tag }) => tag === 'D');
  assert.ok(row);
  assert.deepEqual(values(row), ['databases', '2']);
});

for (const [what, formats] of [
  ['too many formats', [0, 0, 0]],
  ['a format that there is not', [2]],
] as const) {
  test(`${what} in a Bind is 08P01, and the batch is dropped up to its Sync`, async () => {
    const { console } = await bench();
    const messages = await answerTo(
      console,
      parse('', 'SHOW LISTS'),
      bindFormats(...formats),
      execute(),
      sync(),
    );
    assert.equal(tags(messages), '1EZ');
    const [, error] = messages;
    assert.ok(error);
    assert.deepEqual([errorFields(error).C, errorFields(error).S], ['08P01', 'ERROR']);
  });
}

test('parameters are not taken: neither in the text nor in the Bind nor by their types', async () => {
  const { console } = await bench();
  for (const said of [
    [parse('', 'PAUSE $1')],
    [parse('', 'SHOW POOLS', [25])],
    [parse('', 'SHOW POOLS'), bind('', '', ['x'])],
  ]) {
    const messages = await answerTo(console, ...said, sync());
    assert.match(tags(messages), /^1?EZ$/);
  }
});

test('an error in a batch drops what follows up to Sync; then all is well again', async () => {
  const { console, asked } = await bench();
  const messages = await answerTo(
    console,
    parse('', 'SHOW NOTHING'),
    bind('', ''),
    execute(),
    parse('', 'PAUSE'),
    flush(),
    query('PAUSE'),
    sync(),
    parse('', 'SHOW VERSION'),
    bind('', ''),
    execute(),
    sync(),
  );
  assert.equal(tags(messages), 'EZ12DCZ');
  assert.deepEqual(asked, []);
});

test('statements and portals that there are not are 26000 and 34000', async () => {
  const { console } = await bench();
  for (const [said, sqlstate] of [
    [bind('', 'missing'), '26000'],
    [describeStatement('missing'), '26000'],
    [describePortal('missing'), '34000'],
    [execute('missing'), '34000'],
  ] as const) {
    const [error] = await answerTo(console, said, sync());
    assert.ok(error);
    assert.equal(errorFields(error).C, sqlstate);
  }
});

test('Close forgets a statement, and is answered where there is none', async () => {
  const { console } = await bench();
  const messages = await answerTo(
    console,
    parse('s', 'SHOW VERSION'),
    closeStatement('s'),
    closeStatement('s'),
    bind('', 's'),
    sync(),
  );
  assert.equal(tags(messages), '133EZ');
});

test('an empty text is an empty query in the extended protocol, too', async () => {
  const { console } = await bench();
  const said = [parse('', ';'), describeStatement(''), bind('', ''), describePortal(''), execute(), sync()];
  assert.equal(tags(await answerTo(console, ...said)), '1tn2nIZ');
});

test('several commands in one Parse are 42601', async () => {
  const { console, asked } = await bench();
  const [error] = await answerTo(console, parse('', 'PAUSE; RESUME'), sync());
  assert.ok(error);
  assert.equal(errorFields(error).C, '42601');
  assert.deepEqual(asked, []);
});

test('a client keeps a thousand statements, and the next one is 54000', async () => {
  const { console } = await bench();
  const many = Array.from({ length: 1000 }, (_, i) => parse(`s${i}`, 'SHOW VERSION'));
  assert.equal(tags(await answerTo(console, ...many, sync())), `${'1'.repeat(1000)}Z`);
  const messages = await answerTo(console, parse('one more', 'SHOW VERSION'), sync());
  const [error] = messages;
  assert.ok(error);
  assert.equal(errorFields(error).C, '54000');
  assert.equal(tags(await answerTo(console, parse('s7', 'SHOW LISTS'), sync())), '1Z');
});

test('messages that the console does not have are refused, and it goes on', async () => {
  const { console } = await bench();
  assert.equal(tags(await answerTo(console, message('F'), sync())), 'EZ');
  assert.equal(tags(await answerTo(console, message('P', Buffer.from('no zero')), sync())), 'EZ');
});

test('BEGIN and COMMIT are answered, and ReadyForQuery says that a transaction is open', async () => {
  const { console } = await bench();
  const statusAfter = async (sql: string): Promise<string> =>
    (await answer(console, sql)).at(-1)?.body.toString() ?? '';
  for (const [begin, end] of [
    ['BEGIN', 'COMMIT'],
    ['begin transaction isolation level read committed', 'ROLLBACK'],
    ['START TRANSACTION', 'END'],
    ['BEGIN READ ONLY', 'abort'],
  ] as const) {
    assert.equal(await statusAfter(begin), 'T', begin);
    assert.equal(await statusAfter('SHOW VERSION'), 'T');
    assert.equal(await statusAfter(end), 'I', end);
  }
});

const ANSWERED: Readonly<Record<string, string>> = {
  'SET extra_float_digits = 3': 'SET',
  "SET application_name = 'DBeaver 25'": 'SET',
  'set session characteristics as transaction isolation level read committed; SELECT 1': 'SELECT 1',
  'RESET ALL': 'RESET',
  'DISCARD ALL': 'DISCARD ALL',
  'DEALLOCATE ALL': 'DEALLOCATE ALL',
  'CLOSE ALL': 'CLOSE CURSOR ALL',
  'UNLISTEN *': 'UNLISTEN',
  'SAVEPOINT s; ROLLBACK TO s': 'ROLLBACK',
  'SELECT pg_advisory_unlock_all()': 'SELECT 1',
  '/* ping */ select 1': 'SELECT 1',
  'select version()': 'SELECT 1',
  "SELECT t.oid, NULL FROM pg_type t JOIN pg_namespace ns ON true WHERE typname = 'hstore'": 'SELECT 0',
  'select pg_catalog.version()': 'SELECT 1',
  'select pg_is_in_recovery()': 'SELECT 1',
  'SHOW TRANSACTION ISOLATION LEVEL': 'SHOW',
  'show standard_conforming_strings': 'SHOW',
  'SHOW server_version': 'SHOW',
};
for (const [sql, tag] of Object.entries(ANSWERED)) {
  test(`${sql}, as drivers send it, is answered`, async () => {
    const { console, asked } = await bench();
    const messages = await answer(console, sql);
    assert.equal(messages.at(-2)?.body.toString(), `${tag}\0`);
    assert.ok(!tags(messages).includes('E'));
    assert.deepEqual(asked, []);
  });
}

test('what drivers ask for has the answers of the greeting', async () => {
  const { console } = await bench();
  assert.deepEqual((await table(console, 'show transaction isolation level')).rows, [['read committed']]);
  assert.deepEqual((await table(console, 'SHOW TimeZone')).columns[0]?.name, 'TimeZone');
  assert.deepEqual((await table(console, 'select 42')).rows, [['42']]);
});

test('whatever is sent is answered, and Sync always with ReadyForQuery', async () => {
  const { console } = await bench();
  const aMessage = fc.oneof(
    fc.constantFrom(
      parse('', 'SHOW VERSION'),
      parse('s', ''),
      parse('', '$1'),
      bind('', ''),
      bind('p', 's'),
      describeStatement('s'),
      describePortal('p'),
      execute('p', 1),
      execute(),
      closeStatement('s'),
      flush(),
      query('SHOW USERS'),
    ),
    fc
      .tuple(fc.constantFrom('P', 'B', 'D', 'E', 'C', 'H', 'F', 'd', 'z'), fc.uint8Array({ maxLength: 12 }))
      .map(([tag, body]) => message(tag, body)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(aMessage, { maxLength: 12 }), async (said) => {
      const messages = await answerTo(console, ...said, sync());
      assert.equal(messages.at(-1)?.tag, 'Z');
    }),
  );
});
