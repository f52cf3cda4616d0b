/** After errors and in the middle of things: what PostgreSQL has not done the pooler must not believe, and nobody waits
 *  for what does not come. Most of it was found by differential.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Doorman } from '../support/doorman.js';
import {
  bind,
  closeStatement,
  copyData,
  copyDone,
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

const NOBODY_WAITS_MS = 5_000;

/** A test with a pooler that has one server, and with what a client logs in by. */
function testWithOneServer(name: string, run: (login: () => Promise<WireClient>) => Promise<void>): void {
  test(name, { timeout: 4 * NOBODY_WAITS_MS }, async () => {
    const doorman = await Doorman.start({
      general: { query_wait_timeout: NOBODY_WAITS_MS },
      pools: { postgres: pool({ pool_size: 1 }) },
    });
    const clients: WireClient[] = [];
    try {
      await run(async () => {
        const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
        clients.push(client);
        return client;
      });
    } finally {
      for (const client of clients) client.close();
      await doorman.stop();
    }
    assert.doesNotMatch(doorman.log, /broke the protocol/);
  });
}

const failing = Buffer.concat([parse('', 'select 1/0'), bind('', ''), execute()]);
const running = (name: string): Buffer => Buffer.concat([bind('', name), execute(), sync()]);

async function rowOf(client: WireClient): Promise<unknown> {
  const row = (await client.until('Z')).find(({ tag }) => tag === 'D');
  return row && values(row)[0];
}

testWithOneServer(
  'a name that was to be closed and parsed anew behind an error is what it was',
  async (login) => {
    const client = await login();
    client.send(parse('s', "select 'old'"), sync());
    await client.until('Z');
    client.send(failing, closeStatement('s'), parse('s', "select 'new'"), sync());
    assert.equal(sqlstateOf(await client.until('Z')), '22012');
    client.send(running('s'));
    assert.equal(await rowOf(client), 'old');
  },
);

testWithOneServer('a name whose Parse has failed is unknown', async (login) => {
  const client = await login();
  client.send(parse('s', 'select * from missing'), sync());
  assert.equal(sqlstateOf(await client.until('Z')), '42P01');
  client.send(running('s'));
  assert.equal(sqlstateOf(await client.until('Z')), '26000');
});

testWithOneServer('a batch sent behind one that fails has its statement prepared', async (login) => {
  const client = await login();
  const batch = Buffer.concat([parse('', "select 'here'"), running('')]);
  client.send(failing, batch, batch);
  assert.equal(sqlstateOf(await client.until('Z')), '22012');
  assert.equal(await rowOf(client), 'here');
});

testWithOneServer(
  'what a batch makes of a name counts for the next only once it is certain',
  async (login) => {
    const client = await login();
    client.send(parse('s', "select 'old'"), sync());
    await client.until('Z');
    client.send(failing, closeStatement('s'), parse('s', "select 'new'"), sync(), running('s'));
    assert.equal(sqlstateOf(await client.until('Z')), '22012');
    assert.equal(await rowOf(client), 'old');
  },
);

testWithOneServer('five thousand statements are closed in one batch', async (login) => {
  const client = await login();
  const names = Array.from({ length: 5000 }, (_, i) => `s${i}`);
  client.send(...names.map((name) => parse(name, 'select 1')), sync());
  assert.equal((await client.until('Z')).length, 5001);
  client.send(bind('', 's0'), execute(), ...names.map(closeStatement), sync());
  assert.equal(tagsOf(await client.until('Z')), `2DC${'3'.repeat(5000)}Z`);
});

testWithOneServer(
  'a Parse in a failed transaction is refused, though the statement is there',
  async (login) => {
    const client = await login();
    client.send(parse('s', 'select 5'), sync());
    await client.until('Z');
    await client.query('begin; select 1/0');
    client.send(parse('t', 'select 5'), sync());
    assert.equal(sqlstateOf(await client.until('Z')), '25P02');
    await client.query('rollback');
    client.send(describeStatement('t'), sync());
    assert.equal(sqlstateOf(await client.until('Z')), '26000');
  },
);

testWithOneServer('DEALLOCATE ALL in a failed transaction forgets nothing', async (login) => {
  const client = await login();
  client.send(parse('s', "select 'kept'"), sync());
  await client.until('Z');
  await client.query('begin; select 1/0');
  assert.equal(sqlstateOf(await client.query('deallocate all')), '25P02');
  await client.query('rollback');
  client.send(running('s'));
  assert.equal(await rowOf(client), 'kept');
});

testWithOneServer('DEALLOCATE behind what is not answered yet', async (login) => {
  const client = await login();
  client.send(parse('s', 'select 1'), sync(), query('deallocate s'));
  await client.until('Z');
  assert.equal(tagsOf(await client.until('Z')), 'CZ');
});

testWithOneServer('DEALLOCATE in pieces, inside a transaction', async (login) => {
  const client = await login();
  client.send(query('begin'), parse('s', 'select 1'), sync());
  await client.until('Z');
  await client.until('Z');
  const bytes = query('deallocate s');
  for (const byte of bytes) {
    client.send(Buffer.of(byte));
    await setImmediate();
  }
  assert.equal(tagsOf(await client.until('Z')), 'CZ');
});

testWithOneServer(
  'a Sync between COPY data that are wrong leaves no answer for the next client',
  async (login) => {
    const [client, next] = [await login(), await login()];
    await client.query('create table if not exists recovery (i int)');
    client.send(query('copy recovery from stdin'));
    await client.until('G');
    client.send(copyData('wrong\n'), sync(), copyDone());
    assert.equal(tagsOf(await client.until('Z')), 'EZ');
    for (let i = 0; i < 20; i++) assert.equal(await next.value(`select ${i}`), `${i}`);
  },
);

testWithOneServer(
  'a client that vanishes before COPY FROM STDIN is answered leaves the server to others',
  async (login) => {
    const [client, next] = [await login(), await login()];
    await client.query('create table if not exists recovery (i int)');
    client.send(query('select pg_sleep(0.1); copy recovery from stdin'));
    client.vanish();
    assert.equal(await next.value('select 1'), '1');
  },
);

testWithOneServer('ten thousand Syncs in one go', async (login) => {
  const client = await login();
  client.send(parse('', 'select 1'), ...Array.from({ length: 10_000 }, sync), flush());
  let cycles = 0;
  while (cycles < 10_000 && (await client.until('Z')).at(-1)?.tag === 'Z') cycles++;
  assert.equal(cycles, 10_000);
});
