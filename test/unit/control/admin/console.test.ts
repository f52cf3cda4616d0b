/** The admin console: one command in, the messages that answer it out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { errorFields } from '../../../support/messages.js';
import { answer, bench, table, tags } from './console-context.js';

const SHOWS = [
  'SHOW HELP',
  'SHOW CLIENTS',
  'SHOW CONFIG',
  'SHOW CONNECTIONS',
  'SHOW DATABASES',
  'SHOW LISTS',
  'SHOW POOLS',
  'SHOW POOLS_EXTENDED',
  'SHOW SERVERS',
  'SHOW STATS',
  'SHOW USERS',
  'SHOW VERSION',
  'SHOW WORKERS',
];

for (const command of SHOWS) {
  test(`${command} answers with a table, its verb, and ReadyForQuery`, async () => {
    const { console } = await bench();
    const messages = await answer(console, command);
    assert.match(tags(messages), /^TD+CZ$/);
    assert.equal(messages.at(-2)?.body.toString('latin1'), 'SHOW\0');
    assert.equal(messages.at(-1)?.body.toString('latin1'), 'I');
  });

  test(`${command} has as many values in each row as it has columns`, async () => {
    const { console } = await bench();
    const { columns, rows } = await table(console, command);
    for (const row of rows) assert.equal(row.length, columns.length);
  });

  test(`${command} has numbers in its numeric columns`, async () => {
    const { console } = await bench();
    const { columns, rows } = await table(console, command);
    columns.forEach(({ name, typeOid }, index) => {
      if (typeOid === 25) return;
      for (const row of rows) assert.match(row[index] ?? '', /^\d+$/, name);
    });
  });
}

test('commands are understood in any case, with blanks and semicolons', async () => {
  const { console } = await bench();
  const wanted = await console.answer('SHOW LISTS');
  const blank = fc.string({ unit: fc.constantFrom(' ', '\t', '\n'), minLength: 1, maxLength: 3 });
  const end = fc.string({ unit: fc.constantFrom(' ', ';', '\n'), maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.mixedCase(fc.constant('show')),
      blank,
      fc.mixedCase(fc.constant('lists')),
      end,
      async (verb, between, subject, behind) => {
        assert.deepEqual(await console.answer(`${verb}${between}${subject}${behind}`), wanted);
        assert.deepEqual(await console.answer(`${between}${verb} ${subject}${behind}`), wanted);
      },
    ),
  );
});

for (const sql of ['', ' ', ';', ' ; ;\n']) {
  test(`${JSON.stringify(sql)} is an empty query`, async () => {
    const { console } = await bench();
    assert.equal(tags(await answer(console, sql)), 'IZ');
  });
}

const UNKNOWN = [
  'SHOW',
  'SHOW NOTHING',
  'SELECT 1',
  'SHOW POOLS; SHOW USERS',
  'SHOWPOOLS',
  'SHUTDOWN now',
  'TERMINATE',
  'é',
];
for (const sql of UNKNOWN) {
  test(`${JSON.stringify(sql)} is unknown: 58000, with the list of what there is`, async () => {
    const { console, shutDowns } = await bench();
    const messages = await answer(console, sql);
    assert.equal(tags(messages), 'EZ');
    const [error] = messages;
    assert.ok(error);
    const fields = errorFields(error);
    assert.equal(fields.C, '58000');
    assert.equal(fields.S, 'ERROR');
    assert.equal(fields.V, 'ERROR');
    assert.ok(fields.M?.includes(sql), fields.M);
    for (const command of [...SHOWS, 'SHUTDOWN']) assert.ok(fields.H?.includes(command), command);
    assert.equal(shutDowns(), 0);
  });
}

test('a SET, as drivers send it when they connect, is answered and changes nothing', async () => {
  const { console } = await bench();
  for (const sql of ["SET application_name = 'psql'", 'set extra_float_digits to 3;', 'SET x']) {
    const messages = await answer(console, sql);
    assert.equal(tags(messages), 'CZ');
    assert.equal(messages[0]?.body.toString('latin1'), 'SET\0');
  }
});

for (const sql of ['SHUTDOWN', 'shutdown;', ' Shutdown ; ']) {
  test(`${JSON.stringify(sql)} asks for the end once, and is answered`, async () => {
    const { console, shutDowns } = await bench();
    const messages = await answer(console, sql);
    assert.equal(shutDowns(), 1);
    assert.equal(tags(messages), 'CZ');
    assert.equal(messages[0]?.body.toString('latin1'), 'SHUTDOWN\0');
  });
}

test('whatever is asked is answered, and the answer ends with ReadyForQuery', async () => {
  const { console } = await bench();
  const unit = fc.constantFrom('SHOW', 'POOLS', 'SET', ' ', ';', '\n', 'x', 'é', "'", '\u{1F418}');
  await fc.assert(
    fc.asyncProperty(fc.string({ unit, maxLength: 12 }), async (sql) => {
      assert.match(tags(await answer(console, sql)), /^(TD*C|C|E|I)Z$/);
    }),
  );
});
