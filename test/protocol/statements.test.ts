/** Prepared statements at their limits: full caches, schema changes, and what SQL itself does to statements. Each client
 *  sees what it would see alone with PostgreSQL. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import {
  bind,
  closeStatement,
  describePortal,
  describeStatement,
  errorFields,
  execute,
  parse,
  query,
  sync,
  terminate,
  values,
} from '../support/messages.js';
import { pool, postgresPort } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const SERVER_CACHE = 100;
/** Statements that one batch may add before any are closed. */
const SLACK = 10;

const doorman = await Doorman.start({
  general: { prepared_statements_cache_size: SERVER_CACHE },
  pools: { postgres: pool({ pool_size: 1 }) },
});
after(() => doorman.stop());
const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');

async function runs(client: WireClient, name: string): Promise<string | null | undefined> {
  client.send(bind('', name), execute(), sync());
  const answer = await client.until('Z');
  const row = answer.find(({ tag }) => tag === 'D');
  return row === undefined ? sqlstateOf(answer) : values(row)[0];
}

describe('a server has room for fewer statements than its clients have', () => {
  test('ten thousand statements of one client stay right, and the server holds no more than it should', async () => {
    const client = await login();
    for (let i = 0; i < 10_000; i += SLACK) {
      for (let j = i; j < i + SLACK; j++) client.send(parse(`s${j}`, `select ${j}`));
      client.send(sync());
      assert.equal(tagsOf(await client.until('Z')), `${'1'.repeat(SLACK)}Z`);
    }
    for (const i of [0, 9_999, 5_000, 1, 9_998, 123]) assert.equal(await runs(client, `s${i}`), String(i));
    const held = Number(await client.value('select count(*) from pg_prepared_statements'));
    assert.ok(held > SERVER_CACHE / 2 && held <= SERVER_CACHE + SLACK, `${held} are prepared`);
    client.close();
  });

  test('a name whose Parse has failed is unknown, though statements were closed before it to make room', async () => {
    const client = await login();
    for (let i = 0; i < SERVER_CACHE + 5; i++) client.send(parse('', `select ${i} /* full */`), sync());
    for (let i = 0; i < SERVER_CACHE + 5; i++) await client.until('Z');
    client.send(parse('bad', 'selec'), sync());
    assert.equal(sqlstateOf(await client.until('Z')), '42601');
    assert.equal(await runs(client, 'bad'), '26000');
    client.close();
  });

  test('a portal outlives its statement on the server, as in PostgreSQL', async () => {
    const client = await login();
    await client.query('begin');
    client.send(
      parse('rows', 'select generate_series(1, 4)'),
      bind('walk', 'rows'),
      execute('walk', 2),
      sync(),
    );
    assert.equal(tagsOf(await client.until('Z')), '12DDsZ');
    for (let i = 0; i < 2 * SERVER_CACHE; i++) {
      client.send(parse('', `select ${i} /* another */`), bind('', ''), execute(), sync());
      assert.equal(tagsOf(await client.until('Z')), '12DCZ');
    }
    client.send(execute('walk', 0), sync());
    assert.equal(tagsOf(await client.until('Z')), 'DDCZ');
    await client.query('rollback');
    client.close();
  });

  test('batches that follow one another without waiting find their statements', async () => {
    const client = await login();
    const batches = 3 * SERVER_CACHE;
    for (let i = 0; i < batches; i++) {
      client.send(
        parse('', `select ${i % (SERVER_CACHE + 5)} /* in a row */`),
        bind('', ''),
        execute(),
        sync(),
      );
    }
    for (let i = 0; i < batches; i++) {
      const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
      assert.deepEqual(row && values(row), [String(i % (SERVER_CACHE + 5))]);
    }
    client.close();
  });
});

describe('a table changes under a statement', () => {
  test('who has prepared it is told once, and may prepare the same text anew', async () => {
    const [client, other] = [await login(), await login()];
    await client.query('drop table if exists changing; create table changing as select 1 as a');
    for (const each of [client, other]) {
      each.send(parse('s', 'select * from changing'), describeStatement('s'), sync());
      assert.equal(tagsOf(await each.until('Z')), '1tTZ');
      assert.equal(await runs(each, 's'), '1');
    }
    await client.query('alter table changing add column b int');
    for (const each of [client, other]) {
      assert.equal(await runs(each, 's'), '0A000');
      each.send(closeStatement('s'), parse('s', 'select * from changing'), describeStatement('s'), sync());
      assert.equal(tagsOf(await each.until('Z')), '31tTZ');
      each.send(bind('', 's'), execute(), sync());
      const row = (await each.until('Z')).find(({ tag }) => tag === 'D');
      assert.deepEqual(row && values(row), ['1', null]);
    }
    for (const each of [client, other]) each.close();
  });

  test('who prepares anew, as the unnamed statement always is, is not told', async () => {
    const [client, fresh] = [await login(), await login()];
    await client.query('drop table if exists ours; create table ours as select 1 as a');
    const select = [parse('', 'select * from ours'), bind('', ''), describePortal(''), execute(), sync()];
    client.send(...select);
    assert.equal(tagsOf(await client.until('Z')), '12TDCZ');
    await client.query('begin');
    await client.query('alter table ours add column b int');
    client.send(...select);
    assert.equal(tagsOf(await client.until('Z')), '12TDCZ');
    await client.query('rollback');
    for (const change of [
      'alter table ours add column c int',
      "drop table ours; create table ours as select 'a'::text as a",
    ]) {
      await client.query(change);
      for (const each of [client, fresh]) {
        each.send(...select);
        assert.equal(tagsOf(await each.until('Z')), '12TDCZ');
      }
    }
    for (const each of [client, fresh]) each.close();
  });

  test('a type that a rollback has taken away, and that is made anew', async () => {
    const client = await login();
    for (let i = 0; i < 3; i++) {
      await client.query('begin');
      await client.query("create type fruit as enum ('pear')");
      client.send(parse('', 'select $1::fruit'), bind('', '', ['pear']), execute(), sync());
      assert.equal(tagsOf(await client.until('Z')), '12DCZ');
      await client.query('rollback');
    }
    client.close();
  });

  test('somebody else has changed it: the first who runs into it is told, and from then on nobody', async () => {
    const [client, fresh] = [await login(), await login()];
    const direct = await WireClient.login(postgresPort, 'postgres', 'postgres');
    await client.query('drop table if exists theirs; create table theirs as select 1 as a');
    const select = [parse('', 'select * from theirs'), bind('', ''), describePortal(''), execute(), sync()];
    client.send(...select);
    assert.equal(tagsOf(await client.until('Z')), '12TDCZ');
    await direct.query('alter table theirs add column b int');
    client.send(...select);
    assert.equal(sqlstateOf(await client.until('Z')), '0A000');
    for (const each of [fresh, client]) {
      each.send(...select);
      assert.equal(tagsOf(await each.until('Z')), '12TDCZ');
    }
    for (const each of [client, fresh, direct]) each.close();
  });

  test('in a transaction, with a savepoint around each attempt', async () => {
    const client = await login();
    await client.query('drop table if exists altered; create table altered as select 1 as a');
    client.send(parse('s', 'select * from altered'), sync());
    await client.until('Z');
    assert.equal(await runs(client, 's'), '1');
    await client.query('alter table altered add column b int');
    await client.query('begin');
    await client.query('savepoint attempt');
    assert.equal(await runs(client, 's'), '0A000');
    await client.query('rollback to savepoint attempt');
    client.send(closeStatement('s'), parse('s', 'select * from altered'), sync());
    assert.equal(tagsOf(await client.until('Z')), '31Z');
    assert.equal(await runs(client, 's'), '1');
    await client.query('commit');
    client.close();
  });
});

describe('what a text returns depends on the session', () => {
  const columns = async (client: WireClient, text: string): Promise<number> => {
    client.send(parse('', text), describeStatement(''), sync());
    const description = (await client.until('Z')).find(({ tag }) => tag === 'T');
    return description?.body.readInt16BE(0) ?? 0;
  };

  test('FETCH has the columns of the cursor that is there', async () => {
    const [client, other] = [await login(), await login()];
    for (const [each, select] of [
      [client, 'select 1'],
      [other, 'select 1, 2'],
      [client, 'select 1, 2, 3'],
    ] as const) {
      await each.query('begin');
      assert.equal(await columns(each, 'fetch 1 from walk'), 0);
      await each.query('rollback');
      await each.query('begin');
      await each.query(`declare walk cursor for ${select}`);
      assert.equal(await columns(each, '/* c */ FETCH 1 from walk'), select.split(',').length);
      await each.query('commit');
    }
    for (const each of [client, other]) each.close();
  });

  test('EXECUTE has the columns of the statement that is there', async () => {
    const client = await login();
    for (const select of ['select 1', 'select 1, 2']) {
      await client.query('begin');
      await client.query(`prepare here as ${select}`);
      assert.equal(await columns(client, 'execute here'), select.split(',').length);
      await client.query('commit');
    }
    client.close();
  });

  test('what was parsed for one FETCH is closed on the server before the next', async () => {
    const client = await login();
    await client.query('begin');
    await client.query('declare walk cursor for select generate_series(1, 100)');
    for (let i = 1; i <= 20; i++) {
      client.send(parse('', 'fetch 1 from walk'), bind('', ''), execute(), sync());
      const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
      assert.deepEqual(row && values(row), [String(i)]);
    }
    const held = "select count(*) from pg_prepared_statements where statement like 'fetch%'";
    assert.equal(await client.value(held), '1');
    await client.query('rollback');
    client.close();
  });

  test('temporary tables with other columns under the same name: it fails no more than twice', async () => {
    const client = await login();
    const failures = [];
    for (const value of ['1', '1.5', "'a'::text", '1', '1.5', "'a'::text", '1']) {
      await client.query('begin');
      await client.query(`create temp table passing on commit drop as select ${value} as value`);
      client.send(parse('', 'select * from passing'), bind('', ''), execute(), sync());
      failures.push(sqlstateOf(await client.until('Z')));
      await client.query('rollback');
    }
    assert.deepEqual(failures, ['', '0A000', '', '0A000', '', '', '']);
    client.close();
  });
});

describe('what SQL does to statements', () => {
  test('DISCARD ALL takes the names, and what is parsed right behind it stays', async () => {
    const client = await login();
    client.send(parse('old', 'select 1'), parse('again', "select 'before'"), sync());
    await client.until('Z');
    client.send(query('discard all'), parse('again', "select 'after'"), parse('new', 'select 2'), sync());
    assert.equal(tagsOf(await client.until('Z')), 'CZ');
    assert.equal(tagsOf(await client.until('Z')), '11Z');
    assert.equal(await runs(client, 'old'), '26000');
    assert.equal(await runs(client, 'again'), 'after');
    assert.equal(await runs(client, 'new'), '2');
    client.close();
  });

  test('DEALLOCATE ALL in a transaction, with a Bind of a statement that was there right behind it', async () => {
    const client = await login();
    client.send(parse('old', 'select 1'), sync());
    await client.until('Z');
    await client.query('begin');
    await client.query('select 1');
    client.send(query('deallocate all'), bind('', 'old'), execute(), sync(), query('rollback'));
    assert.equal(tagsOf(await client.until('Z')), 'CZ');
    assert.equal(sqlstateOf(await client.until('Z')), '26000');
    await client.until('Z');
    client.close();
  });

  test('DISCARD ALL that fails takes nothing', async () => {
    const client = await login();
    client.send(parse('kept', 'select 3'), sync());
    await client.until('Z');
    await client.query('begin');
    assert.equal(sqlstateOf(await client.query('discard all')), '25001');
    await client.query('rollback');
    assert.equal(await runs(client, 'kept'), '3');
    client.close();
  });

  test('DEALLOCATE of a name that nobody knows is an error, and of one that is known none', async () => {
    const client = await login();
    client.send(parse('mine', 'select 1'), sync());
    await client.until('Z');
    assert.equal(tagsOf(await client.query('DEALLOCATE mine')), 'CZ');
    const [error] = await client.query('DEALLOCATE mine');
    assert.ok(error);
    assert.equal(errorFields(error).C, '26000');
    assert.equal(errorFields(error).M, 'prepared statement "mine" does not exist');
    assert.equal(await runs(client, 'mine'), '26000');
    client.close();
  });

  test('DEALLOCATE in the extended protocol', async () => {
    const client = await login();
    client.send(parse('_pg3_0', 'select 1'), parse('_pg3_1', 'select 2'), sync());
    await client.until('Z');
    const deallocate = [parse('', 'DEALLOCATE _pg3_0'), bind('', ''), execute()];
    client.send(...deallocate, sync());
    assert.equal(tagsOf(await client.until('Z')), '12CZ');
    assert.equal(await runs(client, '_pg3_0'), '26000');
    client.send(...deallocate, sync());
    assert.equal(sqlstateOf(await client.until('Z')), '26000');
    assert.equal(await runs(client, '_pg3_1'), '2');
    client.close();
  });

  test('DEALLOCATE in the extended protocol behind an error does nothing', async () => {
    const client = await login();
    client.send(parse('kept', 'select 4'), sync());
    await client.until('Z');
    client.send(parse('', 'select 1/0'), bind('', ''), execute());
    client.send(parse('', 'DEALLOCATE kept'), bind('', ''), execute(), sync());
    assert.equal(tagsOf(await client.until('Z')), '1EZ');
    assert.equal(await runs(client, 'kept'), '4');
    client.close();
  });

  test("DEALLOCATE of a pooler's own name by a client that looked it up hurts nobody for long", async () => {
    const [client, other] = [await login(), await login()];
    other.send(parse('s', "select 'theirs'"), sync());
    await other.until('Z');
    await client.query(`do $$ declare n text; begin
      for n in select name from pg_prepared_statements loop execute 'deallocate ' || quote_ident(n); end loop; end $$`);
    assert.equal(await runs(other, 's'), '26000');
    assert.equal(await runs(other, 's'), 'theirs');
    for (const each of [client, other]) each.close();
  });
});

test('Terminate right behind a batch: the batch is answered first', async () => {
  const client = await login();
  client.send(parse('', 'select 1'), bind('', ''), execute(), sync(), query('select 2'), terminate());
  assert.equal(tagsOf(await client.closed()), '12DCZTDCZ');
});
