/** The messages of Npgsql, the driver of .NET, in the order in which it sends them. Each play is played to PostgreSQL
 *  itself and then through the pooler, by clients whose server changes between their transactions: each of them hears
 *  what PostgreSQL says, message by message. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Doorman } from '../support/doorman.js';
import {
  CANCEL_REQUEST,
  closeStatement,
  copyData,
  copyDone,
  copyFail,
  describePortal,
  describeStatement,
  errorFields,
  execute,
  int32,
  type Message,
  message,
  packet,
  parse,
  query,
  startup,
  string,
  sync,
  terminate,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const POSTGRES_PORT = Number(pool().server_port);
const INT4 = 23;
const TEXT = 25;
/** Fails in Execute when its parameter is zero, not in Bind. */
const FAILS_AT_ZERO = 'SELECT 1 / i FROM generate_series($1, $1) i';
/** Npgsql hands its messages to the socket in pieces of this size. */
const WRITE_BUFFER = 8192;
/** How often a play is played through each pooler: all is new to its servers at first, and known then. */
const CLIENTS_IN_TURN = 3;

const BEGIN = query('BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED');
const COMMIT = query('COMMIT');
const ROLLBACK = query('ROLLBACK');
/** What the next user of a pooled connection sends first; without statements that are prepared. */
const DISCARD_ALL = query('DISCARD ALL');
/** The same where prepared statements are to stay. */
const RESET = query(
  'SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;' +
    'SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP',
);
const RESET_TAGS = 'CCCCTDCCCZ';

/** Bytes that are sent in one go, and the tags that PostgreSQL answers with. The next step follows then. */
type Step = readonly [said: readonly Buffer[], tags: string];

const poolers: Doorman[] = [];
before(async () => {
  // In the second, statements go from the caches all the time.
  for (const prepared_statements_cache_size of [8192, 2]) {
    const general = { prepared_statements_cache_size };
    poolers.push(await Doorman.start({ general, pools: { postgres: pool({ pool_size: 2 }) } }));
  }
  const client = await toPostgres();
  await client.query('create table npgsql (i int primary key, t text)');
  client.close();
});
after(async () => {
  for (const pooler of poolers) {
    await pooler.stop();
    assert.doesNotMatch(pooler.log, /broke the protocol/);
  }
});

test('connecting: the types are loaded with several statements in one Query', async () => {
  const builtIn = 'oid < 10000';
  await samePlay([
    [
      [
        query(
          'SELECT pg_is_in_recovery();' +
            `SELECT oid, typname, typtype, typelem FROM pg_type WHERE ${builtIn} ORDER BY oid;` +
            `SELECT attrelid, attname, atttypid FROM pg_attribute WHERE attrelid < 1300 ORDER BY attrelid, attnum;` +
            `SELECT oid, enumlabel FROM pg_enum WHERE ${builtIn} ORDER BY oid, enumsortorder`,
        ),
      ],
      'TDCTD+CTD+CTCZ',
    ],
    [[query('SHOW default_transaction_read_only; SELECT pg_is_in_recovery()')], 'TDCTDCZ'],
  ]);
});

test('a command', async () => {
  await samePlay([
    [command('SELECT $1 + 1', [41]), '12TDCZ'],
    [command('SELECT 1 WHERE false'), '12TCZ'],
    [command(''), '12nIZ'],
    [command('DO $$ BEGIN RAISE NOTICE $n$heard$n$; END $$'), '12nNCZ'],
  ]);
});

test('several commands in one batch with one Sync', async () => {
  await samePlay([
    [
      [
        ...run('SELECT $1', [1]),
        ...run('SELECT 2'),
        ...run('UPDATE npgsql SET t = NULL WHERE false'),
        sync(),
      ],
      '12TDC12TDC12nCZ',
    ],
    // The same text again and again.
    [
      [...run('SELECT $1', [1]), ...run('SELECT $1', [2]), ...run('SELECT $1', [3]), sync()],
      '12TDC12TDC12TDCZ',
    ],
  ]);
});

test('an error in the middle of a batch', async () => {
  const failing = (position: number): Buffer[] =>
    [0, 1, 2, 3].flatMap((i) => run(i === position ? FAILS_AT_ZERO : 'SELECT $1', [0]));
  await samePlay([
    [[...failing(0), sync()], '12TEZ'],
    [[...failing(1), sync()], '12TDC12TEZ'],
    [[...failing(3), sync()], '12TDC12TDC12TDC12TEZ'],
    [[...failing(4), sync()], '12TDC12TDC12TDC12TDCZ'],
    // An error in Parse, and in Bind.
    [[...run('SELECT $1', [0]), ...run('SELECT nothing'), ...run('SELECT $1', [0]), sync()], '12TDCEZ'],
    [
      [...run('SELECT $1', [0]), parse('', 'SELECT $1', [INT4]), bindBinary('', []), execute(), sync()],
      '12TDC1EZ',
    ],
    [command('SELECT $1', [5]), '12TDCZ'],
  ]);
});

test('error barriers: a Sync behind each command of a batch', async () => {
  await samePlay([
    [
      [
        ...command('SELECT 1'),
        ...command(FAILS_AT_ZERO, [0]),
        ...command('SELECT nothing'),
        ...command('SELECT 4'),
      ],
      '12TDCZ12TEZEZ12TDCZ',
    ],
    [
      [BEGIN, ...command('SELECT 1'), ...command(FAILS_AT_ZERO, [0]), ...command('SELECT 4'), ROLLBACK],
      'CZ12TDCZ12TEZEZCZ',
    ],
  ]);
});

test('BEGIN is sent with the first batch of the transaction, and not waited for', async () => {
  await samePlay([
    [[BEGIN, ...command('SELECT $1', [1])], 'CZ12TDCZ'],
    [command('SELECT $1', [2]), '12TDCZ'],
    [[COMMIT], 'CZ'],
    [[query('BEGIN ISOLATION LEVEL REPEATABLE READ'), ...command(FAILS_AT_ZERO, [0])], 'CZ12TEZ'],
    [command('SELECT $1', [2]), 'EZ'],
    [[ROLLBACK], 'CZ'],
    [[...run('BEGIN'), ...command('SELECT $1', [1])], '12nC12TDCZ'],
    [command('COMMIT'), '12nCZ'],
  ]);
});

test('SAVEPOINT is sent with the batch behind it too', async () => {
  await samePlay([
    [[BEGIN, query('SAVEPOINT "one"'), ...command(FAILS_AT_ZERO, [0])], 'CZCZ12TEZ'],
    [[query('ROLLBACK TO SAVEPOINT "one"')], 'CZ'],
    [command('SELECT $1', [1]), '12TDCZ'],
    [[query('RELEASE SAVEPOINT "one"')], 'CZ'],
    [[COMMIT], 'CZ'],
  ]);
});

test('Prepare() of one statement, and of several at once', async () => {
  await samePlay([
    [[...prepare('_p1', 'SELECT $1 + 1'), sync()], '1tTZ'],
    [use('_p1', [41]), '2DCZ'],
    [
      [
        ...prepare('_p2', 'SELECT $1 + 2'),
        ...prepare('_p3', 'UPDATE npgsql SET i = i WHERE i = $1'),
        ...prepare('_p4', 'SELECT $1 + 1'),
        sync(),
      ],
      '1tT1tn1tTZ',
    ],
    [
      [...uses('_p2', [1]), ...uses('_p3', [-1]), ...uses('_p1', [3]), ...uses('_p4', [4]), sync()],
      '2DC2C2DC2DCZ',
    ],
    [[...uses('_p2', [1]), ...run('SELECT $1', [2]), ...uses('_p4', [4]), sync()], '2DC12TDC2DCZ'],
    [[closeStatement('_p1'), closeStatement('_p2'), sync()], '33Z'],
    [use('_p4', [5]), '2DCZ'],
    [use('_p1', [5]), 'EZ'],
    [[...prepare('_p1', 'SELECT $1 + 1000'), sync()], '1tTZ'],
    [use('_p1', [5]), '2DCZ'],
  ]);
});

test('Prepare() that fails at one of several statements', async () => {
  const texts = ['SELECT $1 + 1', 'SELECT nothing', 'SELECT $1 + 3'];
  await samePlay([
    [[...texts.flatMap((text, i) => prepare(`_p${i}`, text)), sync()], '1tTEZ'],
    [use('_p0', [1]), '2DCZ'],
    [use('_p1', [1]), 'EZ'],
    [use('_p2', [1]), 'EZ'],
    [[...prepare('_p2', 'SELECT $1 + 3'), sync()], '1tTZ'],
    [[...uses('_p0', [1]), ...uses('_p2', [1]), sync()], '2DC2DCZ'],
  ]);
});

test('Prepare() and prepared commands in a transaction', async () => {
  await samePlay([
    [[BEGIN, ...prepare('_p1', 'SELECT $1 + 1'), sync()], 'CZ1tTZ'],
    [use('_p1', [1]), '2DCZ'],
    [[...prepare('_p2', FAILS_AT_ZERO), sync()], '1tTZ'],
    [[...uses('_p1', [1]), ...uses('_p2', [0]), ...uses('_p1', [2]), sync()], '2DC2EZ'],
    [[ROLLBACK], 'CZ'],
    [[BEGIN, ...use('_p2', [1]), ...use('_p1', [2]), COMMIT], 'CZ2DCZ2DCZCZ'],
  ]);
});

test('a statement is prepared by the command that uses it for the fifth time', async () => {
  const text = 'SELECT $1 + 5';
  await samePlay([
    ...Array.from({ length: 4 }, (): Step => [command(text, [1]), '12TDCZ']),
    [command(text, [1], '_auto0'), '12TDCZ'],
    [use('_auto0', [2]), '2DCZ'],
    [[BEGIN, ...use('_auto0', [3])], 'CZ2DCZ'],
    [[COMMIT], 'CZ'],
  ]);
});

test('a statement makes room for another in the same batch', async () => {
  await samePlay([
    [command('SELECT $1 + 1', [1], '_auto0'), '12TDCZ'],
    [command('SELECT $1 + 2', [1], '_auto1'), '12TDCZ'],
    // Close of the old one comes before Parse of the new one, whether it takes its name or not.
    [[closeStatement('_auto0'), ...command('SELECT $1 + 3', [1], '_auto0')], '312TDCZ'],
    [[closeStatement('_auto1'), ...command('SELECT $1 + 4', [1], '_auto2')], '312TDCZ'],
    [[...uses('_auto0', [1]), ...uses('_auto2', [1]), sync()], '2DC2DCZ'],
    [use('_auto1', [1]), 'EZ'],
    [
      [
        closeStatement('_auto0'),
        ...run('SELECT $1 + 5', [1], '_auto0'),
        closeStatement('_auto2'),
        ...run('SELECT $1 + 6', [1], '_auto1'),
        ...uses('_auto0', [7]),
        sync(),
      ],
      '312TDC312TDC2DCZ',
    ],
    // A batch that fails ahead of the Close leaves the old one as it is, and one behind it does not.
    [[...run(FAILS_AT_ZERO, [0]), closeStatement('_auto0'), ...command('SELECT 7', [], '_auto0')], '12TEZ'],
    [use('_auto0', [1]), '2DCZ'],
    [[closeStatement('_auto0'), ...command('SELECT nothing', [], '_auto3')], '3EZ'],
    [use('_auto0', [1]), 'EZ'],
    [use('_auto1', [1]), '2DCZ'],
  ]);
});

test('a name that is parsed twice', async () => {
  await samePlay([
    [[...prepare('_p1', 'SELECT $1 + 1'), sync()], '1tTZ'],
    [[closeStatement('_p1'), ...prepare('_p1', 'SELECT $1 + 1'), closeStatement('_p1'), sync()], '31tT3Z'],
    [[...prepare('_p1', 'SELECT $1 + 1'), ...uses('_p1', [1]), sync()], '1tT2DCZ'],
  ]);
});

test('thirty statements in turn, in batches of ten', async () => {
  const text = (i: number): string => `SELECT $1 + ${1000 + i}`;
  const batch = (from: number): number[] => Array.from({ length: 10 }, (_, i) => from + i);
  await samePlay([
    ...[0, 10, 20].map(
      (from): Step => [
        [...batch(from).flatMap((i) => prepare(`_p${i}`, text(i))), sync()],
        `${'1tT'.repeat(10)}Z`,
      ],
    ),
    ...[0, 10, 20, 5, 15].map(
      (from): Step => [[...batch(from).flatMap((i) => uses(`_p${i}`, [i])), sync()], `${'2DC'.repeat(10)}Z`],
    ),
    [
      [...batch(0).flatMap((i) => [...uses(`_p${i}`, [i]), ...uses(`_p${29 - i}`, [i])]), sync()],
      `${'2DC'.repeat(20)}Z`,
    ],
  ]);
});

test('only the schema is asked for, or the parameters', async () => {
  await samePlay([
    [
      [
        ...prepare('', 'SELECT i, t FROM npgsql WHERE i = $1'),
        ...prepare('', 'UPDATE npgsql SET i = i WHERE i = $1'),
        sync(),
      ],
      '1tT1tnZ',
    ],
    [[...prepare('', 'SELECT i, t FROM npgsql WHERE i = $1', []), sync()], '1tTZ'],
  ]);
});

test('a pooled connection is reset with what its next user sends', async () => {
  await samePlay([
    [[DISCARD_ALL, ...command('SELECT $1', [1])], 'CZ12TDCZ'],
    [[DISCARD_ALL, BEGIN, ...command('SELECT $1', [1])], 'CZCZ12TDCZ'],
    [[ROLLBACK], 'CZ'],
    [[DISCARD_ALL, ...prepare('_p1', 'SELECT $1 + 1'), sync()], 'CZ1tTZ'],
    [[RESET, ...use('_p1', [1])], `${RESET_TAGS}2DCZ`],
    [[RESET, BEGIN, ...use('_p1', [1])], `${RESET_TAGS}CZ2DCZ`],
    [[COMMIT], 'CZ'],
    [[RESET, ...command('SELECT nothing')], `${RESET_TAGS}EZ`],
    [[RESET, closeStatement('_p1'), ...command('SELECT $1 + 2', [1], '_auto0')], `${RESET_TAGS}312TDCZ`],
    [[RESET, RESET, ...use('_auto0', [1])], `${RESET_TAGS}${RESET_TAGS}2DCZ`],
    [[query('DEALLOCATE ALL'), ...prepare('_p1', 'SELECT $1 + 1'), sync()], 'CZ1tTZ'],
    [use('_p1', [1]), '2DCZ'],
  ]);
});

test('DISCARD ALL as a command, with what is known behind it', async () => {
  const known = command('SELECT $1 + 1', [1]);
  await samePlay([
    [known, '12TDCZ'],
    [[...command('DISCARD ALL'), ...known], '12nCZ12TDCZ'],
    [[...run('DISCARD ALL'), ...known], '12nC12TDCZ'],
    [[...command('DEALLOCATE ALL'), ...known], '12nCZ12TDCZ'],
    [known, '12TDCZ'],
  ]);
});

test('DISCARD ALL of one leaves the statements of the others', async () => {
  for (const { port } of poolers) {
    const [one, other] = [await connectAt(port), await connectAt(port)];
    other.client.send(...prepare('_p1', 'SELECT $1 + 1'), sync());
    assert.equal(tagsOf(await other.client.until('Z')), '1tTZ');
    for (let i = 0; i < 4; i++) {
      one.client.send(DISCARD_ALL, ...command('SELECT $1', [1]));
      assert.equal(tagsOf(await one.client.until('Z')), 'CZ');
      assert.equal(tagsOf(await one.client.until('Z')), '12TDCZ');
      other.client.send(...use('_p1', [i]));
      const answer = await other.client.until('Z');
      assert.equal(tagsOf(answer), '2DCZ');
      assert.equal(answer[1]?.body.readInt32BE(6), i + 1);
    }
    for (const { client } of [one, other]) client.close();
  }
});

test('keepalive', async () => {
  await samePlay([
    [[sync()], 'Z'],
    [[query('SELECT NULL')], 'TDCZ'],
    [[query(';')], 'IZ'],
    [[query('')], 'IZ'],
    [[BEGIN, sync()], 'CZZ'],
    [[sync()], 'Z'],
    [[query(';')], 'IZ'],
    [[ROLLBACK, sync(), query(';'), ...command('SELECT 1')], 'CZZIZ12TDCZ'],
  ]);
});

test('rows come in between: long answers in a batch whose statements are known', async () => {
  const many = 'SELECT i, repeat($1, 200) FROM generate_series(1, 3000) i';
  const text = Buffer.from('x');
  const ask = (name: string): Buffer[] => [
    parse(name, many, [TEXT]),
    bindBinary(name, [text]),
    describePortal(''),
    execute(),
  ];
  await samePlay([
    [
      [...ask(''), ...run('SELECT $1', [1]), ...ask(''), ...run('SELECT $1', [1]), sync()],
      '12TD+C12TDC12TD+C12TDCZ',
    ],
    [[...ask('_p1'), ...run(FAILS_AT_ZERO, [0]), ...ask('_p2'), sync()], '12TD+C12TEZ'],
    [[...use('_p1', [text]), ...run('SELECT $1', [1]), sync()], '2D+CZ12TDCZ'],
  ]);
});

test('a thousand commands in a batch, more than fits into a buffer', async () => {
  const values = Array.from({ length: 1000 }, (_, i) => i);
  await samePlay([
    [[...values.flatMap((i) => run('SELECT $1', [i])), sync()], `${'12TDC'.repeat(1000)}Z`],
    [[...values.flatMap((i) => command('SELECT $1', [i]))], '12TDCZ'.repeat(1000)],
    [
      [...values.flatMap((i) => run(i === 700 ? FAILS_AT_ZERO : 'SELECT 7000 + $1', [i - 700])), sync()],
      `${'12TDC'.repeat(701)}Z`.replace(/12TDCZ$/, '12TEZ'),
    ],
    [[...values.flatMap((i) => run(`SELECT ${i % 40} + $1`, [i])), sync()], `${'12TDC'.repeat(1000)}Z`],
  ]);
});

test('values of 3 MB both ways', async () => {
  const large = Buffer.alloc(3_000_000, 'y');
  const ask: Buffer[] = [
    parse('', 'SELECT $1', [TEXT]),
    bindBinary('', [large]),
    describePortal(''),
    execute(),
  ];
  await samePlay([[[...ask, ...run('SELECT $1', [1]), ...ask, sync()], '12TDC12TDC12TDCZ']]);
});

test('binary COPY in', async () => {
  const copy = 'COPY npgsql (i, t) FROM STDIN (FORMAT BINARY)';
  const rows = Array.from({ length: 2000 }, (_, i) => binaryRow(i, `row ${i}`));
  const data = [copyData(BINARY_HEADER), ...rows.map(copyData), copyData(BINARY_TRAILER), copyDone()];
  const count: Step = [command('SELECT count(*), max(t) FROM npgsql'), '12TDCZ'];
  const truncate: Step = [[query('TRUNCATE npgsql')], 'CZ'];
  await samePlay([
    truncate,
    [[query(copy)], 'G'],
    [data, 'CZ'],
    count,
    truncate,
    // In a transaction, and behind the reset of a pooled connection.
    [[RESET, BEGIN, query(copy)], `${RESET_TAGS}CZG`],
    [data, 'CZ'],
    [[ROLLBACK], 'CZ'],
    count,
    // In the extended protocol, the Sync with it: PostgreSQL ignores it, and wants another behind the data.
    [[...runText(copy), sync()], '12nG'],
    [[...data, sync()], 'CZ'],
    count,
  ]);
});

test('binary COPY in that is not completed', async () => {
  const copy = 'COPY npgsql (i, t) FROM STDIN (FORMAT BINARY)';
  const some = [copyData(BINARY_HEADER), copyData(binaryRow(1, 'one')), copyData(binaryRow(2, 'two'))];
  const count: Step = [command('SELECT count(*) FROM npgsql'), '12TDCZ'];
  await samePlay([
    [[query('TRUNCATE npgsql')], 'CZ'],
    [[query(copy)], 'G'],
    [[...some, copyFail('Cancelled by user')], 'EZ'],
    count,
    [[BEGIN, query(copy)], 'CZG'],
    [[...some, copyFail('Cancelled by user')], 'EZ'],
    [[ROLLBACK], 'CZ'],
    // The same key twice; data that is none.
    [[query(copy)], 'G'],
    [[...some, copyData(binaryRow(1, 'again')), copyData(BINARY_TRAILER), copyDone()], 'EZ'],
    count,
    [[query(copy)], 'G'],
    [[copyData('this is no header at all'), ...some, copyDone()], 'EZ'],
    count,
    [[query('COPY nothing FROM STDIN (FORMAT BINARY)')], 'EZ'],
    [[...runText(copy), sync()], '12nG'],
    [[...some, copyFail('Cancelled by user'), sync()], 'EZ'],
    count,
  ]);
});

test('binary COPY out', async () => {
  const copy = "COPY (SELECT i, repeat('z', i) FROM generate_series(1, 2000) i) TO STDOUT (FORMAT BINARY)";
  await samePlay([
    [[query(copy)], 'Hd+cCZ'],
    [[BEGIN, query(copy)], 'CZHd+cCZ'],
    [[ROLLBACK], 'CZ'],
    [[...runText(copy), sync()], '12nHd+cCZ'],
    [[query('COPY (SELECT 1 / (3 - i) FROM generate_series(1, 5) i) TO STDOUT (FORMAT BINARY)')], 'Hd+EZ'],
    [command('SELECT $1', [1]), '12TDCZ'],
  ]);
});

test('COPY out that is given up is cancelled, and read to its end', async () => {
  for (const port of [POSTGRES_PORT, ...poolers.map((pooler) => pooler.port)]) {
    const { client, key } = await connectAt(port);
    client.send(
      query("COPY (SELECT repeat('x', 8000), generate_series(1, 10000000)) TO STDOUT (FORMAT BINARY)"),
    );
    assert.equal(tagsOf(await client.until('d')), 'Hd');
    client.socket.pause();
    await cancel(port, key);
    client.socket.resume();
    const rest = await client.until('Z');
    assert.match(tagsOf(rest), /^d*EZ$/);
    assert.equal(sqlstateOf(rest), '57014');
    client.send(...command('SELECT $1', [1]));
    assert.equal(tagsOf(await client.until('Z')), '12TDCZ');
    client.close();
  }
});

test('a command that takes too long is cancelled: the rest of its batch is skipped', async () => {
  for (const port of [POSTGRES_PORT, ...poolers.map((pooler) => pooler.port)]) {
    const { client, key } = await connectAt(port);
    const mark = `/* to be cancelled at ${port} */`;
    client.send(...run('SELECT $1', [1]), ...run(`SELECT pg_sleep(60) ${mark}`), ...run('SELECT 3'), sync());
    await isRunning(mark);
    await cancel(port, key);
    const answer = await client.until('Z');
    assert.equal(tagsOf(answer), '12TDC12TEZ');
    assert.equal(sqlstateOf(answer), '57014');
    assert.equal(answer.at(-1)?.body.toString(), 'I');
    client.send(...command('SELECT $1', [1]));
    assert.equal(tagsOf(await client.until('Z')), '12TDCZ');
    client.close();
  }
});

test('a command in a transaction is cancelled, with error barriers around it', async () => {
  for (const port of [POSTGRES_PORT, ...poolers.map((pooler) => pooler.port)]) {
    const { client, key } = await connectAt(port);
    const mark = `/* to be cancelled between barriers at ${port} */`;
    client.send(
      BEGIN,
      ...command('SELECT 1'),
      ...command(`SELECT pg_sleep(60) ${mark}`),
      ...command('SELECT 3'),
    );
    await isRunning(mark);
    await cancel(port, key);
    const answers: Message[][] = [];
    for (let i = 0; i < 4; i++) answers.push(await client.until('Z'));
    assert.deepEqual(answers.map(tagsOf), ['CZ', '12TDCZ', '12TEZ', 'EZ']);
    assert.deepEqual(answers.map(sqlstateOf), ['', '', '57014', '25P02']);
    client.send(ROLLBACK, ...command('SELECT 4'));
    assert.equal(tagsOf(await client.until('Z')), 'CZ');
    assert.equal(tagsOf(await client.until('Z')), '12TDCZ');
    client.close();
  }
});

test('a cancel that comes too late harms nobody', async () => {
  for (const { port } of poolers) {
    const [late, other] = [await connectAt(port), await connectAt(port)];
    late.client.send(...command('SELECT $1', [1]));
    await late.client.until('Z');
    await cancel(port, late.key);
    for (const { client } of [other, late]) {
      client.send(...command('SELECT $1', [1]), ...command('SELECT $1', [2]));
      assert.equal(tagsOf(await client.until('Z')), '12TDCZ');
      assert.equal(tagsOf(await client.until('Z')), '12TDCZ');
      client.close();
    }
  }
});

test('Terminate behind a batch that was not waited for', async () => {
  for (const port of [POSTGRES_PORT, ...poolers.map((pooler) => pooler.port)]) {
    const { client } = await connectAt(port);
    client.send(BEGIN, ...command('SELECT $1', [1]), terminate());
    assert.equal(tagsOf(await client.closed()), 'CZ12TDCZ');
  }
  // Their servers are there for others.
  for (const { port } of poolers) (await Neighbours.at(port)).leave();
});

/** Twenty connections with names of their own for the same texts, and the same names for texts of their own. */
test('many connections prepare, replace and use at the same time', async () => {
  for (const { port } of poolers) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const { client } = await connectAt(port);
        for (let round = 0; round < 20; round++) {
          const more = round % 3 === 0 ? n : round;
          client.send(
            closeStatement('_auto0'),
            ...run(`SELECT $1 + ${more}`, [n], '_auto0'),
            ...uses('_auto0', [1000]),
            sync(),
            BEGIN,
            ...use('_auto0', [n]),
            COMMIT,
          );
          const first = await client.until('Z');
          assert.equal(tagsOf(first), '312TDC2DCZ');
          assert.deepEqual(numbersIn(first), [n + more, 1000 + more]);
          assert.equal(tagsOf(await client.until('Z')), 'CZ');
          const second = await client.until('Z');
          assert.equal(tagsOf(second), '2DCZ');
          assert.deepEqual(numbersIn(second), [n + more]);
          assert.equal(tagsOf(await client.until('Z')), 'CZ');
        }
        client.close();
      }),
    );
  }
});

/** Parse, Bind, Describe and Execute of a command. */
function run(sql: string, numbers: readonly number[] = [], name = ''): Buffer[] {
  const types = numbers.map(() => INT4);
  return [parse(name, sql, types), bindBinary(name, numbers), describePortal(''), execute()];
}

const runText = (sql: string): Buffer[] => run(sql);

/** A command alone. */
function command(sql: string, numbers: readonly number[] = [], name = ''): Buffer[] {
  return [...run(sql, numbers, name), sync()];
}

/** What Prepare() sends for each statement. */
function prepare(name: string, sql: string, types: number[] = sql.includes('$1') ? [INT4] : []): Buffer[] {
  return [parse(name, sql, types), describeStatement(name)];
}

/** A statement that is prepared. */
function uses(name: string, parameters: readonly (number | Buffer)[]): Buffer[] {
  return [bindBinary(name, parameters), execute()];
}

function use(name: string, parameters: readonly (number | Buffer)[]): Buffer[] {
  return [...uses(name, parameters), sync()];
}

/** Bind with parameters and results in binary format. */
function bindBinary(statement: string, parameters: readonly (number | Buffer)[]): Buffer {
  const fields = parameters.flatMap((value) => {
    const bytes = typeof value === 'number' ? int32(value) : value;
    return [int32(bytes.length), bytes];
  });
  const binary = Buffer.of(0, 1, 0, 1);
  const formats = parameters.length === 0 ? Buffer.of(0, 0) : binary;
  return message('B', string(''), string(statement), formats, int16(parameters.length), ...fields, binary);
}

function int16(value: number): Buffer {
  return int32(value).subarray(2);
}

const BINARY_HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), int32(0), int32(0)]);
const BINARY_TRAILER = Buffer.of(0xff, 0xff);

function binaryRow(number: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([int16(2), int32(4), int32(number), int32(bytes.length), bytes]);
}

/** The first column of each row, four bytes. */
function numbersIn(answer: readonly Message[]): number[] {
  return answer.filter(({ tag }) => tag === 'D').map(({ body }) => body.readInt32BE(6));
}

interface Connection {
  readonly client: WireClient;
  /** What a CancelRequest names: process and secret. */
  readonly key: Buffer;
}

async function connectAt(port: number): Promise<Connection> {
  const client = await WireClient.open(port);
  client.send(startup({ user: 'postgres', client_encoding: 'UTF8', database: 'postgres' }));
  const key = (await client.until('Z')).find(({ tag }) => tag === 'K');
  assert.ok(key);
  return { client, key: key.body };
}

async function toPostgres(): Promise<WireClient> {
  return WireClient.login(POSTGRES_PORT, 'postgres', 'postgres');
}

/** Npgsql waits until the other side closes. */
async function cancel(port: number, key: Buffer): Promise<void> {
  const client = await WireClient.open(port);
  client.send(packet(CANCEL_REQUEST, key));
  await client.closed();
}

/** Returns when PostgreSQL runs a query with this text in it. */
async function isRunning(text: string): Promise<void> {
  const client = await toPostgres();
  const asks = `SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'
    AND query LIKE '%${text}%' AND pid <> pg_backend_pid()`;
  while ((await client.value(asks)) !== '1');
  client.close();
}

/** Plays to PostgreSQL, which gives the tags that are expected, and through the poolers, which say the same. */
async function samePlay(steps: readonly Step[]): Promise<void> {
  const direct = await connectAt(POSTGRES_PORT);
  const expected = await play(direct.client, steps);
  direct.client.close();
  for (const [i, [, tags]] of steps.entries()) {
    const got = tagsOfLines(expected[i] ?? []);
    assert.match(got, new RegExp(`^${tags}$`), `step ${i} to PostgreSQL: ${got.slice(0, 200)}`);
  }
  for (const [which, { port }] of poolers.entries()) {
    const neighbours = await Neighbours.at(port);
    try {
      for (let turn = 0; turn < CLIENTS_IN_TURN; turn++) {
        const { client } = await connectAt(port);
        const got = await play(client, steps, neighbours);
        client.close();
        for (const i of steps.keys()) {
          const where = `step ${i} of client ${turn} of pooler ${which}`;
          const [asPostgres, asPooler] = [expected[i] ?? [], got[i] ?? []];
          assert.equal(tagsOfLines(asPooler), tagsOfLines(asPostgres), `${where}: ${errorsOf(asPooler)}`);
          assert.deepEqual(asPooler, asPostgres, where);
        }
      }
    } finally {
      neighbours.leave();
    }
  }
}

function errorsOf(lines: readonly string[]): string {
  return lines.filter((line) => /^[E?]/.test(line)).join('\n');
}

/** Says each step and hears its answers, as lines; before each that is outside a transaction the server changes. */
async function play(
  client: WireClient,
  steps: readonly Step[],
  neighbours?: Neighbours,
): Promise<string[][]> {
  const answers: string[][] = [];
  let status = 'I';
  for (const [said, tags] of steps) {
    if (status === 'I') await neighbours?.changeServers();
    const [answer] = await Promise.all([hear(client, tags), speak(client, said)]);
    answers.push(answer);
    status = tags.endsWith('G')
      ? 'in COPY'
      : (answer.findLast((line) => line.startsWith('Z '))?.slice(2) ?? '');
  }
  return answers;
}

/** Hears as many ReadyForQuery as PostgreSQL says, and CopyInResponse if that is what ends the answer. */
async function hear(client: WireClient, tags: string): Promise<string[]> {
  const cycles = tags.split('Z').length - 1;
  const endsWithCopy = tags.endsWith('G');
  const lines: string[] = [];
  const timer = setTimeout(() => client.close(), 20_000);
  for (let ready = 0; ready < cycles || endsWithCopy; ) {
    const each = await client.next();
    if (each === null) {
      lines.push('? the connection has ended, or nothing has come for a long time');
      break;
    }
    if (each.tag === 'S') continue; // comes when it likes
    lines.push(lineOf(each));
    if (each.tag === 'Z') ready++;
    if (ready > cycles || (each.tag === 'G' && ready === cycles)) break;
  }
  clearTimeout(timer);
  return lines;
}

async function speak(client: WireClient, said: readonly Buffer[]): Promise<void> {
  const bytes = Buffer.concat(said);
  for (let at = 0; at < bytes.length; at += WRITE_BUFFER) {
    client.send(bytes.subarray(at, at + WRITE_BUFFER));
    await setImmediate();
  }
}

/** A message without the place in PostgreSQL's source, and without the names that statements have on servers. */
function lineOf(each: Message): string {
  if (each.tag !== 'E' && each.tag !== 'N') return `${each.tag} ${each.body.toString('latin1')}`;
  const { S, C, M = '', P } = errorFields(each);
  return `${each.tag} ${S} ${C} ${M.replace(/(prepared statement) "[^"]*"/, '$1')} ${P}`;
}

function tagsOfLines(lines: readonly string[]): string {
  return lines.map((line) => line.charAt(0)).join('');
}

/** Two other clients of a pool of two servers: one of them is always in a transaction. */
class Neighbours {
  private holding: WireClient;
  private waiting: WireClient;

  private constructor(holding: WireClient, waiting: WireClient) {
    this.holding = holding;
    this.waiting = waiting;
  }

  static async at(port: number): Promise<Neighbours> {
    const neighbours = new Neighbours((await connectAt(port)).client, (await connectAt(port)).client);
    await take(neighbours.holding);
    return neighbours;
  }

  /** Takes the server that is free, and leaves the other. */
  async changeServers(): Promise<void> {
    await take(this.waiting);
    await this.holding.query('COMMIT');
    [this.holding, this.waiting] = [this.waiting, this.holding];
  }

  leave(): void {
    for (const client of [this.holding, this.waiting]) client.close();
  }
}

async function take(client: WireClient): Promise<void> {
  await client.query('BEGIN');
  await client.query('SELECT 1');
}
