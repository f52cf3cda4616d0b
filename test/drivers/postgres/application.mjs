/** What an application does with postgres.js (which prepares everything and pipelines), through the pooler. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { atOnce, check, end, load } from '../support/checks.mjs';

const postgres = load('postgres');
// The package does not export its package.json.
const description = new URL('node_modules/postgres/package.json', `file://${process.argv[2]}/`);
console.log('driver postgres', JSON.parse(readFileSync(description)).version);

/** Calls body with a pool of connections, and closes them whatever happened. */
async function connected(body, options = {}) {
  const sql = postgres({ onnotice: () => {}, ...options });
  try {
    return await body(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const failsWith = (code) => (error) => error.code === code;
const numbers = (count, from = 0) => Array.from({ length: count }, (_, n) => from + n);
const plain = (rows) => Array.from(rows, (row) => ({ ...row }));

await connected(async (sql) => {
  await sql`drop table if exists postgres_items`;
  await sql`create table postgres_items (id int primary key, name text, counter int not null default 0)`;
  await sql`insert into postgres_items select n, 'item ' || n from generate_series(0, 999) n`;
});

await check('statements are prepared once and used in many transactions', () =>
  connected(
    async (sql) => {
      for (const id of numbers(50)) {
        const [{ name }] = await sql.begin(
          (inside) => inside`select name from postgres_items where id = ${id}`,
        );
        assert.equal(name, `item ${id}`);
        assert.deepEqual(plain(await sql`select name from postgres_items where id = ${id}`), [{ name }]);
      }
    },
    { max: 1 },
  ),
);

for (const [how, options] of Object.entries({
  'prepared and pipelined': { max: 2 },
  'prepared and not pipelined': { max: 16, max_pipeline: 1 },
  'not prepared but pipelined': { max: 2, prepare: false },
  'not prepared, sixteen connections': { max: 16, prepare: false },
})) {
  await check(`hundreds of queries at the same time get their own answers: ${how}`, () =>
    connected(async (sql) => {
      const outcomes = await Promise.allSettled(
        numbers(400).map((n) =>
          n % 50 === 49 ? sql`select 1 / ${0}::int` : sql`select ${n}::int as n, ${`text ${n}`} as text`,
        ),
      );
      outcomes.forEach(({ value, reason }, n) => {
        if (n % 50 === 49) assert.equal(reason?.code, '22012');
        else assert.deepEqual(plain(value), [{ n, text: `text ${n}` }]);
      });
    }, options),
  );
}

await check('sixteen connections prepare the same texts under names of their own, in different order', () =>
  atOnce(16, (number) =>
    connected(
      async (sql) => {
        for (const step of numbers(20)) {
          const addend = (number + step) % 10;
          const [{ sum }] = await sql.unsafe(`select $1::int + ${addend} as sum`, [step], { prepare: true });
          assert.equal(sum, step + addend);
        }
      },
      { max: 1 },
    ),
  ),
);

await check('statements are described without being executed', () =>
  connected(async (sql) => {
    for (const _ of numbers(3)) {
      const statement = await sql`delete from postgres_items where id = ${1} returning id, name`.describe();
      assert.deepEqual(statement.types, [23]);
      assert.deepEqual(
        statement.columns.map(({ name, type }) => [name, type]),
        [
          ['id', 23],
          ['name', 25],
        ],
      );
    }
    const [{ count }] = await sql`select count(*)::int from postgres_items`;
    assert.equal(count, 1000);
  }),
);

await check('values of many types come back as they were sent', () =>
  connected(async (sql) => {
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
    };
    for (const [type, expected] of Object.entries(sent)) {
      for (const given of [expected, null]) {
        const [{ got }] = await sql`select ${given}::${sql.unsafe(type)} as got`;
        assert.deepEqual(got, given, type);
      }
    }
    const lists =
      await sql`select ${sql.array([1, -2, 3])}::int[] as a, ${['a,b', '"', '', '{}']}::text[] as b`;
    assert.deepEqual(plain(lists), [{ a: [1, -2, 3], b: ['a,b', '"', '', '{}'] }]);
  }),
);

await check('dynamic inserts, updates and lists write what they say', () =>
  connected(async (sql) => {
    const rows = numbers(300, 2000).map((id) => ({ id, name: `dynamic ${id}`, counter: id % 7 }));
    assert.deepEqual(plain(await sql`insert into postgres_items ${sql(rows)} returning *`), rows);
    await sql`update postgres_items set ${sql({ name: 'new', counter: 5 })} where id in ${sql([2000, 2001])}`;
    const deleted = await sql`delete from postgres_items where id >= 2000 returning name`;
    assert.equal(deleted.count, 300);
    assert.equal(deleted.filter(({ name }) => name === 'new').length, 2);
  }),
);

await check('5 MB of text and of bytes come back whole', () =>
  connected(async (sql) => {
    const text = 'čtyři '.repeat(800_000);
    const bytes = Buffer.alloc(5_000_000, Buffer.from(numbers(256)));
    for (const _ of numbers(2)) {
      const [row] = await sql`select ${text}::text as text, ${bytes}::bytea as bytes`;
      assert.ok(row.text === text);
      assert.ok(bytes.equals(row.bytes));
    }
  }),
);

await check('a hundred thousand rows come in order, at once and one by one', () =>
  connected(async (sql) => {
    const all = await sql`select n from generate_series(1, ${100_000}::int) n`.values();
    assert.ok(all.length === 100_000 && all.every(([n], at) => n === at + 1));
    let seen = 0;
    await sql`select n from generate_series(1, ${100_000}::int) n`.forEach(({ n }) => {
      seen++;
      assert.equal(n, seen);
    });
    assert.equal(seen, 100_000);
  }),
);

await check('simple queries give the results of all of their statements', () =>
  connected(async (sql) => {
    const results = await sql`select 1 as a; select 2 as b; values (3), (4)`.simple();
    assert.deepEqual(results.map(plain), [[{ a: 1 }], [{ b: 2 }], [{ column1: 3 }, { column1: 4 }]]);
    await assert.rejects(sql`delete from postgres_items; select 1 / 0`.simple(), failsWith('22012'));
    const [{ count }] = await sql`select count(*)::int from postgres_items`;
    assert.equal(count, 1000);
  }),
);

await check('transactions nest: the inner one is rolled back, the outer one committed', () =>
  connected(async (sql) => {
    await sql.begin(async (outer) => {
      await outer`insert into postgres_items values (${5000}, ${'outer'})`;
      const broken = outer.savepoint(async (inner) => {
        await inner`insert into postgres_items values (${5001}, ${'inner'})`;
        await inner`insert into postgres_items values (${5000}, ${'twice'})`;
      });
      await assert.rejects(broken, (error) => error.constraint_name === 'postgres_items_pkey');
    });
    const deleted = await sql`delete from postgres_items where id >= 5000 returning name`;
    assert.deepEqual(plain(deleted), [{ name: 'outer' }]);
  }),
);

await check('an error rolls a transaction back, and the connection goes on', () =>
  connected(
    async (sql) => {
      for (const _ of numbers(5)) {
        const broken = sql.begin(async (inside) => {
          await inside`update postgres_items set name = 'lost' where id = ${2}`;
          await assert.rejects(inside`select 1 / ${0}::int`, failsWith('22012'));
          await inside`select ${1}::int`;
        });
        await assert.rejects(broken, failsWith('22012'));
        const [{ name }] = await sql`select name from postgres_items where id = ${2}`;
        assert.equal(name, 'item 2');
      }
    },
    { max: 1 },
  ),
);

await check('a transaction sends all of its statements at once', () =>
  connected(async (sql) => {
    const results = await sql.begin((inside) => numbers(100).map((n) => inside`select ${n}::int as n`));
    assert.deepEqual(
      results.map((rows) => rows[0].n),
      numbers(100),
    );
    const broken = sql.begin((inside) => [
      inside`update postgres_items set name = 'lost' where id = ${4}`,
      inside`select 1 / ${0}::int`,
      inside`select ${1}::int`,
    ]);
    await assert.rejects(broken, failsWith('22012'));
    const [{ name }] = await sql`select name from postgres_items where id = ${4}`;
    assert.equal(name, 'item 4');
  }),
);

await check('isolation level and read-only hold for their own transaction', () =>
  connected(
    async (sql) => {
      await sql.begin('isolation level serializable read only', async (inside) => {
        const [row] = await inside`show transaction_isolation`;
        assert.equal(row.transaction_isolation, 'serializable');
        const broken = inside.savepoint((deeper) => deeper`delete from postgres_items`);
        await assert.rejects(broken, failsWith('25006'));
      });
      const [row] = await sql`show transaction_isolation`;
      assert.equal(row.transaction_isolation, 'read committed');
    },
    { max: 1 },
  ),
);

await check('wrong SQL is an error that points at its place, and the connection stays', () =>
  connected(
    async (sql) => {
      for (const _ of numbers(3)) {
        await assert.rejects(sql`select ${1}::int frmo nothing`, (error) => {
          assert.deepEqual([error.code, error.position], ['42601', '21']);
          return true;
        });
        await assert.rejects(sql`select * from postgres_missing where id = ${1}`, failsWith('42P01'));
        await assert.rejects(sql`select ${'x'}::text::int`, failsWith('22P02'));
        assert.deepEqual(plain(await sql`select ${2}::int as n`), [{ n: 2 }]);
      }
    },
    { max: 1 },
  ),
);

await check('a prepared statement answers again after its table has got another column', () =>
  connected(
    (other) =>
      connected(
        async (sql) => {
          await other`drop table if exists postgres_changing`;
          await other`create table postgres_changing (a int)`;
          await other`insert into postgres_changing values (1)`;
          const select = () => sql`select * from postgres_changing where a = ${1}`;
          for (const _ of numbers(3)) assert.deepEqual(plain(await select()), [{ a: 1 }]);
          await other`alter table postgres_changing add b int default 2`;
          // The driver itself prepares it again when PostgreSQL says that the plan has changed.
          for (const _ of numbers(3)) assert.deepEqual(plain(await select()), [{ a: 1, b: 2 }]);
        },
        { max: 1 },
      ),
    { max: 1 },
  ),
);

await check('a cursor reads its rows in portions, to the end or not, in a transaction or without', () =>
  connected(
    async (sql) => {
      const walk = async (how) => {
        const ids = [];
        const rows = how`select id from postgres_items where id >= ${0} order by id`;
        for await (const portion of rows.cursor(70)) ids.push(...portion.map(({ id }) => id));
        assert.deepEqual(ids, numbers(1000));
      };
      await walk(sql);
      await sql.begin(walk);
      let portions = 0;
      await sql`select n from generate_series(1, ${1_000_000}::int) n`.cursor(10, () => {
        portions++;
        return portions === 3 ? sql.CLOSE : undefined;
      });
      assert.equal(portions, 3);
      for await (const [{ n }] of sql`select n from generate_series(1, ${1_000_000}::int) n`.cursor()) {
        if (n === 20) break;
      }
      assert.deepEqual(plain(await sql`select ${4}::int as n`), [{ n: 4 }]);
    },
    { max: 1 },
  ),
);

await check('an error in the middle of a cursor ends it, and the connection stays', () =>
  connected(
    async (sql) => {
      const seen = [];
      const rows = sql`select 10 / (16 - n) as n from generate_series(1, ${100}::int) n`;
      const walk = async () => {
        for await (const portion of rows.cursor(5)) seen.push(...portion);
      };
      await assert.rejects(walk(), failsWith('22012'));
      assert.equal(seen.length, 15);
      assert.deepEqual(plain(await sql`select ${5}::int as n`), [{ n: 5 }]);
    },
    { max: 1 },
  ),
);

await check('sixteen clients walk cursors at the same time, each over its own rows', () =>
  connected(
    (sql) =>
      atOnce(16, async (number) => {
        const got = [];
        const rows = sql`select n + ${number * 1000}::int as n from generate_series(0, 299) n`;
        for await (const portion of rows.cursor(30)) got.push(...portion.map(({ n }) => n));
        assert.deepEqual(got, numbers(300, number * 1000));
      }),
    { max: 16 },
  ),
);

await check('COPY in and out keep every row', async () => {
  const lines = numbers(20_000, 10_000).map((n) => `${n}\tcopied ${n}\t${n % 7}\n`);
  const chunks = numbers(200).map((n) => lines.slice(n * 100, n * 100 + 100).join(''));
  await connected(async (sql) => {
    await pipeline(Readable.from(chunks), await sql`copy postgres_items from stdin`.writable());
  });
  let text = '';
  // With a connection of its own: the driver can leave it paused after a long COPY.
  await connected(async (sql) => {
    const query = sql`copy (select * from postgres_items where id >= 10000 order by id) to stdout`;
    for await (const chunk of await query.readable()) text += chunk;
  });
  assert.ok(text === lines.join(''));
  const { count } = await connected((sql) => sql`delete from postgres_items where id >= ${10_000}`);
  assert.equal(count, 20_000);
});

await check('a COPY that breaks off on either side leaves nothing, and the connection stays', () =>
  connected(
    async (sql) => {
      for (const breakOff of [
        (writable) => writable.write('not a number\tx\t0\n'),
        (writable) => writable.destroy(Object.assign(new Error('no more'), { code: 'ours' })),
      ]) {
        const writable = await sql`copy postgres_items from stdin`.writable();
        const failed = once(writable, 'error');
        for (const n of numbers(100, 10_000)) writable.write(`${n}\tlost\t0\n`);
        breakOff(writable);
        const [error] = await failed;
        assert.match(error.code, /^(22P02|ours)$/);
        const [{ count }] = await sql`select count(*)::int from postgres_items where id >= ${0}`;
        assert.equal(count, 1000);
      }
    },
    { max: 1 },
  ),
);

await check('a reserved connection keeps its transaction to itself', () =>
  connected(
    async (sql) => {
      const reserved = await sql.reserve();
      await reserved`begin`;
      await reserved`update postgres_items set name = ${'mine'} where id = ${6}`;
      const [theirs] = await sql`select name from postgres_items where id = ${6}`;
      const [mine] = await reserved`select name from postgres_items where id = ${6}`;
      await reserved`rollback`;
      reserved.release();
      assert.deepEqual([theirs.name, mine.name], ['item 6', 'mine']);
    },
    { max: 3 },
  ),
);

await check('sixteen clients on four servers count up in one row, and no count is lost', () =>
  connected(
    async (sql) => {
      await atOnce(16, async () => {
        for (const _ of numbers(20)) {
          await sql.begin(async (inside) => {
            const [{ counter }] = await inside`select counter from postgres_items where id = ${7} for update`;
            await inside`update postgres_items set counter = ${counter + 1} where id = ${7}`;
          });
        }
      });
      const [{ counter }] = await sql`select counter from postgres_items where id = ${7}`;
      assert.equal(counter, 16 * 20);
    },
    { max: 16 },
  ),
);

await check('a cancel ends the running query, has no error itself, and the connection stays usable', () =>
  connected((observer) =>
    connected(
      async (sql) => {
        const query = sql`select pg_sleep(${15})`;
        const sleeping = assert.rejects(query.execute(), failsWith('57014'));
        let running = 0;
        while (running === 0) {
          [{ running }] =
            await observer`select count(*)::int as running from pg_stat_activity where wait_event = 'PgSleep'`;
        }
        query.cancel(); // nobody sees its promise: an error of it would end an application
        await sleeping;
        assert.deepEqual(plain(await sql`select ${'still here'} as what`), [{ what: 'still here' }]);
      },
      { max: 1 },
    ),
  ),
);

await check('statement_timeout of a transaction ends its query, and does not outlive it', () =>
  connected(
    async (sql) => {
      const broken = sql.begin(async (inside) => {
        await inside`set local statement_timeout = '50ms'`;
        await inside`select pg_sleep(${15})`;
      });
      await assert.rejects(broken, failsWith('57014'));
      assert.deepEqual(plain(await sql`select 'done' as what from pg_sleep(0.1)`), [{ what: 'done' }]);
    },
    { max: 1 },
  ),
);

await check('notices come to the client whose statement raised them', () =>
  atOnce(8, async (number) => {
    const heard = [];
    const body = async (sql) => {
      for (const _ of numbers(5)) {
        await sql.unsafe(`do $$ begin raise notice 'for client %', ${number}; end $$`);
      }
    };
    await connected(body, { max: 1, onnotice: ({ message }) => heard.push(message) });
    assert.deepEqual(heard, Array(5).fill(`for client ${number}`));
  }),
);

await check('connections that reach the end of their life are replaced under load', () =>
  connected(
    async (sql) => {
      const answers = await atOnce(200, async (n) => {
        const [row] = await sql`select ${n}::int as n from pg_sleep(0.01)`;
        return row.n;
      });
      assert.deepEqual(answers, numbers(200));
    },
    { max: 8, max_lifetime: 0.1, max_pipeline: 1 },
  ),
);

// LISTEN belongs to a session; transaction pooling promises nothing of it, so `sql.listen` is not tried.
await check('a NOTIFY is sent', () =>
  connected(async (sql) => {
    const result = await sql.notify('postgres_news', 'text');
    assert.equal(result.command, 'SELECT');
  }),
);

await check('a wrong password is refused', () =>
  assert.rejects(
    connected((sql) => sql`select 1`, { password: 'not this one' }),
    failsWith('28P01'),
  ),
);

end();
