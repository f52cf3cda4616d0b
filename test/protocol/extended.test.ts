/** The extended protocol in transaction mode: statements follow the client to whatever server it gets. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import {
  bind,
  closeStatement,
  describePortal,
  describeStatement,
  execute,
  flush,
  parse,
  query,
  sync,
  values,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 2 }) } });
after(() => doorman.stop());
const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');

test('a named statement works on every server', async () => {
  const [a, b, c] = [await login(), await login(), await login()];
  c.send(parse('mine', 'select $1::int + 1'), sync());
  assert.equal(tagsOf(await c.until('Z')), '1Z');
  const hold = async (client: WireClient): Promise<string | null> => {
    await client.query('begin');
    return client.value('select pg_backend_pid()');
  };
  const run = async (): Promise<void> => {
    c.send(bind('', 'mine', ['41']), describePortal(''), execute(), sync());
    const answer = await c.until('Z');
    assert.equal(tagsOf(answer), '2TDCZ');
    assert.deepEqual(answer.filter(({ tag }) => tag === 'D').map(values), [['42']]);
  };
  // Whoever holds one server leaves the other to the client.
  const first = await hold(a);
  await run();
  const second = await hold(b);
  await a.query('commit');
  await run();
  assert.notEqual(first, second);
  for (const client of [a, b, c]) client.close();
});

test('two clients use the same name for different texts, and different names for the same', async () => {
  const [a, b] = [await login(), await login()];
  a.send(parse('s', "select 'a'"), sync());
  b.send(parse('s', "select 'b'"), parse('t', "select 'a'"), sync());
  await a.until('Z');
  await b.until('Z');
  const run = async (client: WireClient, name: string): Promise<unknown> => {
    client.send(bind('', name), execute(), sync());
    const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
    return row && values(row)[0];
  };
  assert.deepEqual([await run(a, 's'), await run(b, 's'), await run(b, 't')], ['a', 'b', 'a']);
  a.close();
  b.close();
});

test('Parse of a name that is taken by another text is what the client says last', async () => {
  const client = await login();
  client.send(
    parse('s', 'select 1'),
    sync(),
    parse('s', 'select 2'),
    sync(),
    bind('', 's'),
    execute(),
    sync(),
  );
  await client.until('Z');
  await client.until('Z');
  const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
  assert.deepEqual(row && values(row), ['2']);
  client.close();
});

test('the answers of a batch come in its order, ours in the place of PostgreSQL', async () => {
  const client = await login();
  const batch = [
    parse('x', 'select 1'),
    describeStatement('x'),
    bind('', 'x'),
    execute(),
    closeStatement('x'),
    parse('x', 'select 1'),
    bind('', 'x'),
    execute(),
    sync(),
  ];
  for (let round = 0; round < 3; round++) {
    client.send(...batch);
    assert.equal(tagsOf(await client.until('Z')), '1tT2DC312DCZ');
  }
  client.close();
});

test('an error skips to the Sync, and a statement parsed behind it does not count as prepared', async () => {
  const client = await login();
  client.send(parse('', 'select 1/0'), bind('', ''), execute(), parse('late', 'select 5'), sync());
  assert.equal(tagsOf(await client.until('Z')), '1EZ');
  client.send(parse('late', 'select 5'), bind('', 'late'), execute(), sync());
  assert.equal(tagsOf(await client.until('Z')), '12DCZ');
  client.close();
});

test('Flush without Sync brings the answers, and the server stays with the client', async () => {
  const client = await login();
  client.send(parse('', 'select 1'), flush());
  assert.equal(tagsOf(await client.until('1')), '1');
  client.send(bind('', ''), execute(), flush());
  assert.equal(tagsOf(await client.until('C')), '2DC');
  client.send(sync());
  assert.equal(tagsOf(await client.until('Z')), 'Z');
  client.close();
});

test('several Syncs in flight, an error in one of them', async () => {
  const client = await login();
  const ask = (sql: string): Buffer => Buffer.concat([parse('', sql), bind('', ''), execute(), sync()]);
  client.send(ask('select 1'), ask('select 1/0'), ask('select 3'), query('select 4'));
  assert.equal(tagsOf(await client.until('Z')), '12DCZ');
  assert.equal(sqlstateOf(await client.until('Z')), '22012');
  assert.equal(tagsOf(await client.until('Z')), '12DCZ');
  assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
  client.close();
});

test('ten thousand messages in one batch', async () => {
  const client = await login();
  const one = Buffer.concat([bind('', 'many', ['1']), execute()]);
  client.send(
    parse('many', 'select $1::int'),
    Buffer.concat(Array.from({ length: 10_000 }, () => one)),
    sync(),
  );
  const answer = await client.until('Z');
  assert.equal(answer.filter(({ tag }) => tag === 'D').length, 10_000);
  assert.equal(tagsOf(answer), `1${'2DC'.repeat(10_000)}Z`);
  client.close();
});

test('a portal is fetched in parts inside a transaction', async () => {
  const client = await login();
  await client.query('begin');
  client.send(parse('', 'select * from generate_series(1, 5)'), bind('p', ''), execute('p', 2), sync());
  assert.equal(tagsOf(await client.until('Z')), '12DDsZ');
  client.send(execute('p', 2), sync());
  assert.equal(tagsOf(await client.until('Z')), 'DDsZ');
  client.send(execute('p', 0), sync());
  assert.equal(tagsOf(await client.until('Z')), 'DCZ');
  await client.query('commit');
  client.close();
});

test('an implicit transaction across a batch is undone as a whole by an error', async () => {
  const client = await login();
  await client.query('create table if not exists batch (i int); truncate batch');
  const run = (sql: string): Buffer => Buffer.concat([parse('', sql), bind('', ''), execute()]);
  client.send(
    run('insert into batch values (1)'),
    run('select 1/0'),
    run('insert into batch values (2)'),
    sync(),
  );
  await client.until('Z');
  assert.equal(await client.value('select count(*) from batch'), '0');
  client.close();
});

test('a Parse of 5 MB goes through', async () => {
  const client = await login();
  client.send(parse('', `select length('${'x'.repeat(5_000_000)}')`), bind('', ''), execute(), sync());
  const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
  assert.deepEqual(row && values(row), ['5000000']);
  client.close();
});

test('ParseComplete of a statement that is there already comes with a Flush, and not alone before it', async () => {
  const client = await login();
  client.send(parse('', 'select 77'), sync());
  await client.until('Z');
  client.send(parse('', 'select 77'), flush());
  assert.equal(tagsOf(await client.until('1')), '1');
  client.send(closeStatement(''), flush());
  assert.equal(tagsOf(await client.until('3')), '3');
  client.send(sync());
  assert.equal(tagsOf(await client.until('Z')), 'Z');
  client.close();
});

test('a statement that went from a full cache and comes again is the same on the server', async () => {
  const small = await Doorman.start({
    general: { prepared_statements_cache_size: 1 },
    pools: { postgres: pool({ pool_size: 1 }) },
  });
  const [a, b] = [
    await WireClient.login(small.port, 'postgres', 'postgres'),
    await WireClient.login(small.port, 'postgres', 'postgres'),
  ];
  for (const [client, text] of [
    [a, 'select 1'],
    [a, 'select 2'],
    [b, 'select 1'],
  ] as const) {
    client.send(parse('s', text), bind('', 's'), execute(), sync());
    assert.equal(sqlstateOf(await client.until('Z')), '');
  }
  for (const client of [a, b]) client.close();
  await small.stop();
});

test('five thousand Parses of the same text without anything for the server between them', async () => {
  const client = await login();
  client.send(...Array.from({ length: 5000 }, () => parse('', 'select 78')), sync());
  assert.equal(tagsOf(await client.until('Z')), `${'1'.repeat(5000)}Z`);
  client.close();
});
