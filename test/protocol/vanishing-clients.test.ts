/** Clients that go without a word, at every bad moment: the server is clean or closed, and the pool whole. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import {
  bind,
  copyData,
  copyDone,
  execute,
  flush,
  parse,
  query,
  startup,
  sync,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { tagsOf, WireClient } from '../support/wire-client.js';

const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 1 }) } });
after(() => doorman.stop());
const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');

const setUp = await login();
await setUp.query('create table vanishing (i int)');
setUp.close();

/** What the clients do before they go, up to the answer that tells that PostgreSQL is where it should be. */
const moments: Record<string, (client: WireClient) => Promise<unknown>> = {
  'during the startup': async () => {},
  'in a transaction': async (client) => {
    await client.query('begin');
    await client.query('insert into vanishing values (1)');
  },
  'in a transaction that has failed': async (client) => {
    await client.query('begin');
    await client.query('insert into vanishing values (1)');
    await client.query('select 1/0');
  },
  'while a query runs': async (client) => {
    await client.query('begin');
    await client.query('insert into vanishing values (1)');
    client.send(query('select pg_sleep(0.2)'));
  },
  'in COPY FROM STDIN': async (client) => {
    client.send(query('copy vanishing from stdin'));
    await client.until('G');
    client.send(copyData('1\n'));
  },
  'in the middle of a COPY message': async (client) => {
    client.send(query('copy vanishing from stdin'));
    await client.until('G');
    client.send(copyData('1\n'.repeat(1000)).subarray(0, 500));
  },
  'in COPY TO STDOUT with unread results': async (client) => {
    client.socket.pause();
    client.send(query('copy (select * from generate_series(1, 3000000)) to stdout'));
  },
  'with unread rows': async (client) => {
    client.send(query('select * from generate_series(1, 3000000)'));
    await client.until('D');
    client.socket.pause();
  },
  'in a batch without a Sync': async (client) => {
    client.send(parse('', 'insert into vanishing values (1)'), bind('', ''), execute(), flush());
    await client.until('C');
  },
  'in a batch that has failed, with a Query in place of the Sync': async (client) => {
    client.send(parse('', 'selec'), query('select 1'));
    await client.until('E');
  },
  'in a batch that will fail, with a Query in place of the Sync': async (client) => {
    client.send(query('select pg_sleep(0.2)'), parse('', 'selec'), query('select 1'));
  },
  'behind COPY data, before the Sync that PostgreSQL does not ignore': async (client) => {
    client.send(parse('', 'copy vanishing from stdin'), bind('', ''), execute(), sync());
    client.send(copyData('1\n'), copyDone());
    await client.until('G');
  },
  'behind a COPY that is done but for the Sync': async (client) => {
    client.send(parse('', 'copy vanishing from stdin'), bind('', ''), execute(), sync());
    await client.until('G');
    client.send(copyData('1\n'), copyDone(), flush());
    await client.until('C');
  },
  'after SET': async (client) => {
    await client.query("set application_name to 'somebody else'; set search_path to nowhere");
  },
  'with a temporary table in a transaction': async (client) => {
    await client.query('begin; create temp table vanishing_too (i int)');
  },
};

for (const [moment, act] of Object.entries(moments)) {
  for (const how of ['resets', 'closes'] as const) {
    test(`a client that ${how} the connection ${moment}`, async () => {
      let client: WireClient;
      if (moment === 'during the startup') {
        client = await WireClient.open(doorman.port);
        client.send(startup({ user: 'postgres', database: 'postgres' }).subarray(0, 20));
      } else client = await login();
      await act(client);
      if (how === 'resets') client.vanish();
      else client.close();

      const next = await login();
      assert.equal(tagsOf(await next.query('select 1')), 'TDCZ');
      assert.equal(await next.value('select count(*) from vanishing'), '0');
      assert.equal(await next.value('show application_name'), 'pg_doorman');
      assert.equal(await next.value("select to_regclass('vanishing_too')"), null);
      const [row] = await doorman.admin('show pools');
      assert.equal(row?.cl_active, '0');
      assert.equal(
        Number(row?.sv_active) + Number(row?.sv_idle) + Number(row?.sv_used) + Number(row?.sv_login),
        1,
      );
      next.close();
    });
  }
}

test('a client that waits for a server and goes is forgotten', async () => {
  const holder = await login();
  await holder.query('begin');
  await holder.query('select 1');
  const waiting = await login();
  waiting.send(query('insert into vanishing values (1)'));
  while ((await doorman.admin('show pools'))[0]?.cl_waiting !== '1');
  waiting.vanish();
  while ((await doorman.admin('show pools'))[0]?.cl_waiting !== '0');
  await holder.query('commit');
  assert.equal(await holder.value('select count(*) from vanishing'), '0');
  holder.close();
});
