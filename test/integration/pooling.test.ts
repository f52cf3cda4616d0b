/** What a pooler is for: many clients, few servers, with an ordinary driver. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import pg from 'pg';
import { Doorman } from '../support/doorman.js';
import { pool } from '../support/shared-postgres.js';

const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 3 }) } });
after(() => doorman.stop());

test('a hundred clients share three servers', async () => {
  const clients = Array.from({ length: 100 }, () => doorman.client('postgres', 'postgres'));
  await Promise.all(clients.map((client) => client.connect()));
  const answers = await Promise.all(
    clients.map((client, i) => client.query('select $1::int as i, pg_backend_pid() as pid', [i])),
  );
  assert.deepEqual(
    answers.map(({ rows }) => rows[0].i),
    clients.map((_, i) => i),
  );
  assert.equal(new Set(answers.map(({ rows }) => rows[0].pid)).size <= 3, true);
  await Promise.all(clients.map((client) => client.end()));
});

test('a transaction keeps its server, and an error in it stays in it', async () => {
  const client = doorman.client('postgres', 'postgres');
  await client.connect();
  await client.query('begin');
  const {
    rows: [{ pid }],
  } = await client.query('select pg_backend_pid() as pid');
  await assert.rejects(client.query('select 1/0'), { code: '22012' });
  await assert.rejects(client.query('select 1'), { code: '25P02' });
  await client.query('rollback');
  assert.equal(typeof pid, 'number');
  assert.deepEqual((await client.query('select 1 as one')).rows, [{ one: 1 }]);
  await client.end();
});

test('a pool of the driver on top of ours', async () => {
  const clients = new pg.Pool({
    host: '127.0.0.1',
    port: doorman.port,
    user: 'postgres',
    database: 'postgres',
    max: 20,
  });
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, i) =>
      clients.query({ name: `q${i % 7}`, text: `select ${i % 7} + $1::int as sum`, values: [i] }),
    ),
  );
  answers.forEach(({ rows }, i) => {
    assert.equal(rows[0].sum, (i % 7) + i);
  });
  await clients.end();
});
