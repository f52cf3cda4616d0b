/** What an application does with node-postgres, its cursors and its streams, through the pooler. */
import assert from 'node:assert/strict';
import { atOnce, check, end, load } from '../support/checks.mjs';

const pg = load('pg');
const Cursor = load('pg-cursor');
const QueryStream = load('pg-query-stream');
console.log('driver pg', load('pg/package.json').version);

/** Calls body with a connection, and closes it whatever happened. */
async function connected(body, options = {}) {
  const client = new pg.Client(options);
  await client.connect();
  try {
    return await body(client);
  } finally {
    await client.end();
  }
}

/** What the first column of the first row is. */
async function value(client, text, values) {
  const { rows } = await client.query({ text, values, rowMode: 'array' });
  return rows[0][0];
}

async function inTransaction(client, body) {
  await client.query('begin');
  try {
    const result = await body();
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

const failsWith = (code) => (error) => error.code === code;
const numbers = (count, from = 0) => Array.from({ length: count }, (_, n) => from + n);

await connected(async (client) => {
  await client.query('drop table if exists pg_items');
  await client.query('create table pg_items (id int primary key, name text, counter int not null default 0)');
  await client.query("insert into pg_items select n, 'item ' || n from generate_series(0, 999) n");
});

await check('named statements are prepared once and used in many transactions', () =>
  connected(async (client) => {
    const query = { name: 'item', text: 'select name from pg_items where id = $1', rowMode: 'array' };
    for (const id of numbers(30)) {
      const { rows } = await client.query({ ...query, values: [id] });
      assert.deepEqual(rows, [[`item ${id}`]]);
    }
    for (const id of numbers(20)) {
      const { rows } = await inTransaction(client, () => client.query({ ...query, values: [id] }));
      assert.deepEqual(rows, [[`item ${id}`]]);
    }
  }),
);

await check('sixteen clients give the same names to different statements', () =>
  atOnce(16, (number) =>
    connected(async (client) => {
      for (const step of numbers(30)) {
        const addend = number * 10 + (step % 3);
        const query = { name: `add ${step % 3}`, text: `select $1::int + ${addend} as sum`, values: [step] };
        assert.deepEqual((await client.query(query)).rows, [{ sum: step + addend }]);
      }
    }),
  ),
);

await check('the simple, the extended and the binary protocol give the same rows', () =>
  connected(async (client) => {
    const expected = [{ n: 7, text: 'žluť', flag: true, none: null }];
    const texts = `7 as n, 'žluť' as text, true as flag, null::int as none`;
    for (const _ of numbers(3)) {
      assert.deepEqual((await client.query(`select ${texts}`)).rows, expected);
      assert.deepEqual(
        (await client.query({ text: `select ${texts}`, queryMode: 'extended' })).rows,
        expected,
      );
      assert.deepEqual(
        (await client.query({ text: `select ${texts}`, binary: true, values: [] })).rows,
        expected,
      );
      const converted = await client.query(
        'select $1::int as n, $2::text as text, $3::bool as flag, $4::int as none',
        [7, 'žluť', true, null],
      );
      assert.deepEqual(converted.rows, expected);
    }
  }),
);

await check('values of many types come back as they were sent', () =>
  connected(async (client) => {
    const sent = {
      int8: String(2n ** 63n - 1n),
      numeric: '-12345678901234567890.0123456789',
      float8: 0.1,
      bool: false,
      text: 'žluťoučký 💩 \\ \' " \t\n',
      bytea: Buffer.from([0, 255, 39, 92]),
      timestamptz: new Date('1999-12-31T23:59:59.999Z'),
      uuid: '00000010-0000-0000-0000-000000000001',
      jsonb: { ü: [1, null, '\u2028'] },
      'int[]': [1, null, 3],
      'text[]': ['a,b', '"', '', null, '{}'],
    };
    for (const [type, expected] of Object.entries(sent)) {
      assert.deepEqual(await value(client, `select $1::${type}`, [expected]), expected, type);
      assert.equal(await value(client, `select $1::${type}`, [null]), null, type);
    }
  }),
);

await check('5 MB of text and of bytes come back whole', () =>
  connected(async (client) => {
    const text = 'čtyři '.repeat(800_000);
    const bytes = Buffer.alloc(5_000_000, Buffer.from(numbers(256)));
    for (const _ of numbers(2)) {
      assert.ok((await value(client, 'select $1::text', [text])) === text);
      assert.ok(bytes.equals(await value(client, 'select $1::bytea', [bytes])));
    }
  }),
);

await check('a hundred thousand rows come in order', () =>
  connected(async (client) => {
    const text = "select n, 'row ' || n from generate_series(1, $1::int) n";
    const { rows } = await client.query({ text, values: [100_000], rowMode: 'array' });
    assert.equal(rows.length, 100_000);
    assert.ok(rows.every(([n, name], at) => n === at + 1 && name === `row ${at + 1}`));
  }),
);

await check('several statements in one query give all of their results, and an error undoes them', () =>
  connected(async (client) => {
    const results = await client.query(
      "select 1 as a; update pg_items set name = name where id < 3; select 'x' as b",
    );
    assert.deepEqual(
      results.map(({ command, rowCount, rows }) => [command, rowCount, rows]),
      [
        ['SELECT', 1, [{ a: 1 }]],
        ['UPDATE', 3, []],
        ['SELECT', 1, [{ b: 'x' }]],
      ],
    );
    await assert.rejects(client.query('delete from pg_items; select 1 / 0'), failsWith('22012'));
    assert.equal(await value(client, 'select count(*)::int from pg_items'), 1000);
    assert.deepEqual((await client.query('')).rows, []);
  }),
);

await check('queries that are queued on one connection keep their order', () =>
  connected(async (client) => {
    const answers = await Promise.all(numbers(200).map((n) => value(client, 'select $1::int', [n])));
    assert.deepEqual(answers, numbers(200));
    const outcomes = await Promise.allSettled(
      numbers(50).map((n) => value(client, 'select 10 / ($1::int % 5)', [n])),
    );
    outcomes.forEach(({ status, value: got, reason }, n) => {
      if (n % 5 === 0) assert.equal(reason.code, '22012');
      else assert.deepEqual([status, got], ['fulfilled', Math.floor(10 / (n % 5))]);
    });
  }),
);

await check('pipelined queries get their own answers, errors among them', () =>
  connected(
    async (client) => {
      const outcomes = await Promise.allSettled(
        numbers(200).map((n) => {
          if (n % 50 === 49) return client.query('select 1 / $1::int', [0]);
          if (n % 3 === 0) return client.query({ name: 'same', text: 'select $1::int as n', values: [n] });
          if (n % 3 === 1) return client.query('select $1::int as n', [n]);
          return client.query(`select ${n} as n`);
        }),
      );
      outcomes.forEach(({ value: got, reason }, n) => {
        if (n % 50 === 49) assert.equal(reason?.code, '22012');
        else assert.deepEqual(got?.rows, [{ n }]);
      });
    },
    { pipeline: true },
  ),
);

await check('after an error a transaction takes nothing more until its rollback', () =>
  connected(async (client) => {
    await client.query('begin');
    await client.query("update pg_items set name = 'lost' where id = $1", [2]);
    await assert.rejects(client.query('select 1 / $1::int', [0]), failsWith('22012'));
    await assert.rejects(client.query('select $1::int', [0]), failsWith('25P02'));
    await assert.rejects(client.query('select 1'), failsWith('25P02'));
    assert.equal((await client.query('commit')).command, 'ROLLBACK');
    assert.equal(await value(client, 'select name from pg_items where id = $1', [2]), 'item 2');
  }),
);

await check('a unique violation says which constraint, and a savepoint saves the rest', () =>
  connected((client) =>
    inTransaction(client, async () => {
      const insert = { name: 'insert', text: 'insert into pg_items values ($1, $2)' };
      await client.query({ ...insert, values: [5000, 'kept'] });
      await client.query('savepoint before');
      await assert.rejects(client.query({ ...insert, values: [5000, 'twice'] }), (error) => {
        assert.deepEqual([error.code, error.constraint], ['23505', 'pg_items_pkey']);
        return true;
      });
      await client.query('rollback to before');
      const { rows } = await client.query('delete from pg_items where id >= 5000 returning name');
      assert.deepEqual(rows, [{ name: 'kept' }]);
    }),
  ),
);

await check('wrong SQL is an error that points at its place, and its name can be used for right SQL', () =>
  connected(async (client) => {
    const wrong = { name: 'fixed later', text: 'select $1::int frmo nothing', values: [1] };
    for (const _ of numbers(3)) {
      await assert.rejects(client.query(wrong), (error) => {
        assert.deepEqual([error.code, error.position], ['42601', '21']);
        return true;
      });
    }
    const right = { name: 'fixed later', text: 'select $1::int as n', values: [1] };
    assert.deepEqual((await client.query(right)).rows, [{ n: 1 }]);
    assert.deepEqual((await client.query(right)).rows, [{ n: 1 }]);
  }),
);

await check('a prepared statement answers again after its table has got another column', () =>
  connected((other) =>
    connected(async (client) => {
      await other.query('drop table if exists pg_changing; create table pg_changing (a int)');
      await other.query('insert into pg_changing values (1)');
      const query = { text: 'select * from pg_changing where a = $1', values: [1] };
      for (const _ of numbers(3)) {
        assert.deepEqual((await client.query({ ...query, name: 'old' })).rows, [{ a: 1 }]);
        assert.deepEqual((await client.query(query)).rows, [{ a: 1 }]);
      }
      await other.query('alter table pg_changing add b int default 2');
      // An unnamed statement is always prepared anew; so is one that gets another name.
      for (const _ of numbers(3)) {
        assert.deepEqual((await client.query(query)).rows, [{ a: 1, b: 2 }]);
        assert.deepEqual((await client.query({ ...query, name: 'new' })).rows, [{ a: 1, b: 2 }]);
      }
    }),
  ),
);

await check('a cursor reads its rows in portions, to the end or not, in a transaction or without', () =>
  connected(async (client) => {
    const walk = async () => {
      const cursor = client.query(new Cursor('select id from pg_items where id >= $1 order by id', [0]));
      const ids = [];
      for (let rows = await cursor.read(70); rows.length > 0; rows = await cursor.read(70)) {
        ids.push(...rows.map(({ id }) => id));
      }
      assert.deepEqual(ids, numbers(1000));
    };
    await walk();
    await inTransaction(client, walk);
    const given = client.query(new Cursor('select n from generate_series(1, $1::int) n', [1_000_000]));
    assert.equal((await given.read(10)).length, 10);
    await given.close();
    assert.equal(await value(client, 'select $1::int', [4]), 4);
  }),
);

await check('an error in the middle of a cursor ends it, and the connection stays', () =>
  connected(async (client) => {
    const cursor = client.query(new Cursor('select 10 / (20 - n) from generate_series(1, $1::int) n', [100]));
    assert.equal((await cursor.read(15)).length, 15);
    await assert.rejects(cursor.read(15), failsWith('22012'));
    assert.equal(await value(client, 'select $1::int', [5]), 5);
  }),
);

await check('sixteen clients read streams at the same time, each its own rows', () =>
  atOnce(16, (number) =>
    connected(async (client) => {
      const text = 'select n + $1::int as n from generate_series(0, 499) n';
      const got = [];
      for await (const { n } of client.query(new QueryStream(text, [number * 1000], { batchSize: 50 })))
        got.push(n);
      assert.deepEqual(got, numbers(500, number * 1000));
      for await (const { n } of client.query(new QueryStream(text, [number * 1000], { batchSize: 50 }))) {
        if (n === number * 1000 + 120) break;
      }
      assert.equal(await value(client, 'select $1::int', [number]), number);
    }),
  ),
);

await check('rows are fetched in portions with the maximum of rows of the protocol', () =>
  connected(async (client) => {
    const query = new pg.Query({
      text: 'select n from generate_series(1, $1::int) n',
      values: [95],
      rows: 10,
    });
    const got = [];
    query.on('row', ({ n }) => got.push(n));
    const ended = new Promise((resolve, reject) => query.on('end', resolve).on('error', reject));
    client.query(query);
    await ended;
    assert.deepEqual(got, numbers(95, 1));
  }),
);

await check('sixteen clients on four servers count up in one row, and no count is lost', async () => {
  await atOnce(16, () =>
    connected(async (client) => {
      for (const _ of numbers(20)) {
        await inTransaction(client, async () => {
          const before = await value(client, 'select counter from pg_items where id = $1 for update', [7]);
          await client.query('update pg_items set counter = $1 where id = $2', [before + 1, 7]);
        });
      }
    }),
  );
  await connected(async (client) => {
    assert.equal(await value(client, 'select counter from pg_items where id = 7'), 16 * 20);
  });
});

await check("the driver's own pool gives every caller his own answer", async () => {
  const pool = new pg.Pool({ max: 16, maxUses: 50 });
  const answers = await atOnce(400, (number) => value(pool, 'select $1::int * 2', [number]));
  assert.deepEqual(
    answers,
    numbers(400).map((n) => n * 2),
  );
  const client = await pool.connect();
  await client.query('begin');
  await client.query('delete from pg_items');
  client.release(true); // closed in the middle of a transaction
  assert.equal(await value(pool, 'select count(*)::int from pg_items'), 1000);
  await pool.end();
});

await check('a query that times out at the driver closes its connection, and others go on', () =>
  connected(async (other) => {
    const client = new pg.Client({ query_timeout: 100 });
    await client.connect();
    await assert.rejects(client.query('select pg_sleep(1)'), /timeout/i);
    client.on('error', () => {}); // of the connection that is torn down
    client.connection.stream.destroy();
    for (const n of numbers(20)) assert.equal(await value(other, 'select $1::int', [n]), n);
  }),
);

await check('statement_timeout of a transaction ends its query, and does not outlive it', () =>
  connected(async (client) => {
    await client.query('begin');
    await client.query("set local statement_timeout = '50ms'");
    await assert.rejects(client.query('select pg_sleep($1)', [15]), failsWith('57014'));
    await client.query('rollback');
    const { rows } = await client.query("select 'done' as what from pg_sleep(0.1)");
    assert.deepEqual(rows, [{ what: 'done' }]);
  }),
);

await check('a CancelRequest ends the running query, and has no error itself', () =>
  connected((observer) =>
    connected(async (client) => {
      for (const _ of numbers(3)) {
        const query = new pg.Query('select pg_sleep($1)', [15]);
        const ended = new Promise((resolve) => query.on('error', resolve).on('end', resolve));
        client.query(query);
        const atWork =
          "select count(*)::int from pg_stat_activity where wait_event = 'PgSleep' and query like '%$1%'";
        while ((await value(observer, atWork)) === 0);
        const canceller = new pg.Client();
        const closed = new Promise((resolve) => canceller.connection.on('error', resolve).on('end', resolve));
        canceller.cancel(client, query);
        assert.equal((await ended)?.code, '57014');
        assert.equal(await value(client, 'select $1::text', ['still here']), 'still here');
        assert.equal(await closed, undefined);
      }
    }),
  ),
);

await check('notices come to the client whose statement raised them', () =>
  atOnce(8, (number) =>
    connected(async (client) => {
      const heard = [];
      client.on('notice', ({ message }) => heard.push(message));
      for (const _ of numbers(5)) {
        await client.query(`do $$ begin raise notice 'for client %', ${number}; end $$`);
      }
      assert.deepEqual(heard, Array(5).fill(`for client ${number}`));
    }),
  ),
);

await check(
  'connections that break off in the middle of a transaction or of a query leave nothing behind',
  async () => {
    await atOnce(16, async (number) => {
      const client = new pg.Client();
      client.on('error', () => {});
      await client.connect();
      await client.query('begin');
      await client.query("update pg_items set name = 'lost' where id = $1", [100 + number]);
      if (number % 2 === 0) client.query('select pg_sleep(0.2)').catch(() => {});
      client.connection.stream.destroy();
    });
    await connected((client) =>
      inTransaction(client, async () => {
        await client.query('lock table pg_items'); // has to wait for those that are still at work
        assert.equal(await value(client, "select count(*)::int from pg_items where name = 'lost'"), 0);
      }),
    );
  },
);

await check('a wrong password is refused', () =>
  assert.rejects(
    connected(() => {}, { password: 'not this one' }),
    failsWith('28P01'),
  ),
);

end();
