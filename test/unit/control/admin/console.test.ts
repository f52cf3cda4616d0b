/** The admin console: one command in, the messages that answer it out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { errorFields, type Message, query } from '../../../support/messages.js';
import { answer, bench, table, tags } from './console-context.js';

const SHOWS = [
  'SHOW HELP',
  'SHOW CLIENTS',
  'SHOW CONFIG',
  'SHOW CONNECTIONS',
  'SHOW DATABASES',
  'SHOW LISTS',
  'SHOW LOG_LEVEL',
  'SHOW POOLS',
  'SHOW POOLS_EXTENDED',
  'SHOW PREPARED_STATEMENTS',
  'SHOW SERVERS',
  'SHOW SOCKETS',
  'SHOW STATS',
  'SHOW USERS',
  'SHOW VERSION',
  'SHOW WAITS',
  'SHOW WORKERS',
];

for (const command of SHOWS) {
  test(`${command} answers with a table, its verb, and ReadyForQuery`, async () => {
    const { console } = await bench();
    const messages = await answer(console, command);
    assert.match(tags(messages), command === 'SHOW HELP' ? /^NTD+CZ$/ : /^TD+CZ$/);
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
      for (const row of rows) assert.match(row[index] ?? '0', /^\d+$/, name);
    });
  });
}

test('commands are understood in any case, with blanks and semicolons', async () => {
  const { console } = await bench();
  const wanted = await console.answer(query('SHOW LISTS'));
  const blank = fc.string({ unit: fc.constantFrom(' ', '\t', '\n'), minLength: 1, maxLength: 3 });
  const end = fc.string({ unit: fc.constantFrom(' ', ';', '\n'), maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.mixedCase(fc.constant('show')),
      blank,
      fc.mixedCase(fc.constant('lists')),
      end,
      async (verb, between, subject, behind) => {
        assert.deepEqual(await console.answer(query(`${verb}${between}${subject}${behind}`)), wanted);
        assert.deepEqual(await console.answer(query(`${between}${verb} ${subject}${behind}`)), wanted);
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

const UNKNOWN = ['SHOW NOTHING', 'SELECT 1 FROM t', 'SHOWPOOLS', 'TERMINATE', 'é', "'"];
for (const sql of UNKNOWN) {
  test(`${JSON.stringify(sql)} is unknown: 58000, with the list of what there is`, async () => {
    const { console } = await bench();
    const messages = await answer(console, sql);
    assert.equal(tags(messages), 'EZ');
    const fields = fieldsOf(messages);
    assert.equal(fields.C, '58000');
    assert.equal(fields.S, 'ERROR');
    assert.equal(fields.V, 'ERROR');
    assert.ok(fields.M?.includes(sql), fields.M);
    for (const command of [...SHOWS, 'SHUTDOWN', 'PAUSE [database]', 'KILL_CLIENT client_id']) {
      assert.ok(fields.H?.includes(command), command);
    }
  });
}

test('an unknown command that is very long is not repeated as a whole', async () => {
  const { console } = await bench();
  const fields = fieldsOf(await answer(console, 'x'.repeat(10_000)));
  assert.ok((fields.M?.length ?? 0) < 200);
});

const WRONG: Readonly<Record<string, string>> = {
  'SHUTDOWN now': 'Write: SHUTDOWN',
  'SHOW POOLS shop': 'Write: SHOW POOLS',
  'PAUSE shop mail': 'Write: PAUSE [database]',
  KILL: 'Write: KILL database',
  KILL_CLIENT: 'Write: KILL_CLIENT client_id',
  'SET log_level': "Write: SET log_level = 'error|warn|info|debug'",
  'SET log_level = info debug': "Write: SET log_level = 'error|warn|info|debug'",
};
for (const [sql, hint] of Object.entries(WRONG)) {
  test(`${JSON.stringify(sql)} is answered with how it is written`, async () => {
    const { console, shutDowns, asked } = await bench();
    const messages = await answer(console, sql);
    assert.equal(tags(messages), 'EZ');
    assert.equal(fieldsOf(messages).C, '42601');
    assert.equal(fieldsOf(messages).H, hint);
    assert.equal(shutDowns(), 0);
    assert.deepEqual(asked, []);
  });
}

test('SHOW alone is SHOW HELP', async () => {
  const { console } = await bench();
  assert.deepEqual(await console.answer(query('SHOW')), await console.answer(query('SHOW HELP')));
});

test('SHOW HELP says what there is in a notice as well, as 3.3.1 did', async () => {
  const { console } = await bench();
  const [notice] = await answer(console, 'SHOW HELP');
  assert.ok(notice);
  assert.equal(errorFields(notice).M, 'Console usage');
  assert.match(errorFields(notice).D ?? '', /\tSHOW POOLS\n/);
});

test('several commands in one text are answered one after the other, up to the first error', async () => {
  const { console, asked } = await bench();
  const messages = await answer(console, 'PAUSE shop; show version ;; KILL nobody; RESUME shop');
  assert.equal(tags(messages), 'CTDCEZ');
  assert.deepEqual(asked, ['pause shop']);
});

test('PAUSE, RESUME, RECONNECT and KILL are about one database, or about all', async () => {
  const { console, asked } = await bench();
  for (const sql of ['pause', 'PAUSE shop', 'resume "shop"', 'RECONNECT', "reconnect 'shop'", 'KILL SHOP']) {
    const messages = await answer(console, sql);
    assert.equal(tags(messages), 'CZ', sql);
    assert.equal(messages[0]?.body.toString(), `${sql.split(' ')[0]?.toUpperCase()}\0`);
  }
  assert.deepEqual(asked, ['pause', 'pause shop', 'resume shop', 'reconnect', 'reconnect shop', 'kill shop']);
});

test('a database that is not configured is 3D000, with those that are', async () => {
  const { console, asked } = await bench();
  for (const command of ['PAUSE', 'RESUME', 'RECONNECT', 'KILL']) {
    const fields = fieldsOf(await answer(console, `${command} postgres`));
    assert.deepEqual([fields.C, fields.H], ['3D000', 'There is shop, mail.'], command);
  }
  assert.deepEqual(asked, []);
});

test('RESUME of what is not paused is an error', async () => {
  const { console } = await bench();
  const fields = fieldsOf(await answer(console, 'RESUME mail'));
  assert.deepEqual([fields.C, fields.M], ['58000', 'database "mail" is not paused']);
});

test('KILL_CLIENT takes the id as SHOW CLIENTS writes it, or its number', async () => {
  const { console, asked } = await bench();
  for (const id of ['#c5', 'c5', '5', "'#c5'"]) {
    const messages = await answer(console, `KILL_CLIENT ${id}`);
    assert.equal(messages[0]?.body.toString(), 'KILL_CLIENT\0', id);
  }
  assert.deepEqual(asked, Array(4).fill('kill_client 5'));
});

test('KILL_CLIENT of nobody is 42704', async () => {
  const { console } = await bench();
  for (const id of ['6', 'alice', '99999999999', '-5']) {
    const fields = fieldsOf(await answer(console, `KILL_CLIENT ${id}`));
    assert.deepEqual([fields.C, fields.M], ['42704', `there is no client ${id}`]);
  }
});

test('SET log_level changes what SHOW LOG_LEVEL says', async () => {
  const { console } = await bench();
  for (const [sql, level] of [
    ["SET log_level = 'debug'", 'debug'],
    ['set LOG_LEVEL to WARN', 'warn'],
    ["set log_level='error';", 'error'],
  ] as const) {
    assert.equal(tags(await answer(console, sql)), 'CZ');
    assert.deepEqual((await table(console, 'SHOW log_level')).rows, [[level]]);
  }
});

test('a log level that there is not is 22023, with those that there are', async () => {
  const { console } = await bench();
  const fields = fieldsOf(await answer(console, "SET log_level = 'loud'"));
  assert.deepEqual([fields.C, fields.H], ['22023', 'There is error, warn, info, debug.']);
  assert.deepEqual((await table(console, 'SHOW LOG_LEVEL')).rows, [['info']]);
});

test('RELOAD is answered when the new configuration is in force', async () => {
  const { console } = await bench({ reload: () => Promise.resolve([]) });
  const messages = await answer(console, 'RELOAD');
  assert.equal(messages[0]?.body.toString(), 'RELOAD\0');
});

test('RELOAD tells all that is wrong with the file', async () => {
  const { console } = await bench({ reload: () => Promise.resolve(['line 3: port', 'line 4: host']) });
  const fields = fieldsOf(await answer(console, 'RELOAD'));
  assert.deepEqual([fields.C, fields.D], ['F0000', 'line 3: port\nline 4: host']);
});

test('UPGRADE is answered when the new process serves, or with why it does not', async () => {
  const good = await bench({ upgrade: () => Promise.resolve() });
  assert.deepEqual((await table(good.console, 'UPGRADE')).rows, [['t']]);
  const bad = await bench({ upgrade: () => Promise.reject(new Error('no such file')) });
  const fields = fieldsOf(await answer(bad.console, 'UPGRADE'));
  assert.deepEqual([fields.C, fields.D], ['58000', 'no such file']);
});

test('a command that fails unforeseen is XX000, and the failure is told to the log', async () => {
  const why = new Error('no workers');
  const { console, failures } = await bench({ snapshot: () => Promise.reject(why) });
  const messages = await answer(console, 'SHOW CLIENTS');
  assert.equal(tags(messages), 'EZ');
  assert.equal(fieldsOf(messages).C, 'XX000');
  assert.deepEqual(failures, [why]);
});

test('a SET, as drivers send it when they connect, is answered and changes nothing', async () => {
  const { console } = await bench();
  for (const sql of ["SET application_name = 'psql'", 'set extra_float_digits to 3;', 'SET x']) {
    const messages = await answer(console, sql);
    assert.equal(tags(messages), 'CZ');
    assert.equal(messages[0]?.body.toString('latin1'), 'SET\0');
  }
});

test('a SET that may be meant for log_level, and is not, is no SET of a driver', async () => {
  const { console } = await bench();
  for (const sql of ['SET loglevel = debug', 'set log to debug']) {
    const messages = await answer(console, sql);
    assert.equal(tags(messages), 'EZ');
    assert.match(fieldsOf(messages).H ?? '', /SET log_level/);
  }
});

for (const sql of ['SHUTDOWN', 'shutdown;', ' Shutdown ; ']) {
  test(`${JSON.stringify(sql)} asks for the end once, and is answered`, async () => {
    const { console, shutDowns } = await bench();
    const messages = await answer(console, sql);
    assert.equal(shutDowns(), 1);
    assert.equal(tags(messages), 'TDCZ');
    assert.equal(messages[2]?.body.toString('latin1'), 'SHUTDOWN\0');
  });
}

test('whatever is asked is answered, and the answer ends with ReadyForQuery', async () => {
  const { console } = await bench();
  const unit = fc.constantFrom('SHOW', 'POOLS', 'SET', ' ', ';', '\n', 'x', 'é', "'", '\u{1F418}');
  await fc.assert(
    fc.asyncProperty(fc.string({ unit, maxLength: 12 }), async (sql) => {
      assert.match(tags(await answer(console, sql)), /^((N?TD*C|C)*E?|I)Z$/);
    }),
  );
});

/** Of the first ErrorResponse. */
function fieldsOf(messages: readonly Message[]): Record<string, string> {
  const error = messages.find(({ tag }) => tag === 'E');
  assert.ok(error);
  return errorFields(error);
}
