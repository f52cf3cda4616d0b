/** COPY both ways, with errors on either side. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import {
  bind,
  copyData,
  copyDone,
  copyFail,
  execute,
  parse,
  query,
  sync,
  terminate,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 1 }) } });
after(() => doorman.stop());
const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');
const setUp = await login();
await setUp.query('create table copied (i int, t text)');
setUp.close();

async function rows(client: WireClient): Promise<string | null> {
  return client.value("select count(*) || ' ' || coalesce(sum(length(t)), 0) from copied");
}

test('COPY FROM STDIN with rows of every size', async () => {
  const client = await login();
  await client.query('truncate copied');
  const sizes = [0, 1, 100, 8190, 8192, 8200, 65_530, 65_536, 70_000, 1_000_000, 3_000_000];
  client.send(query('copy copied from stdin'));
  assert.equal(tagsOf(await client.until('G')), 'G');
  for (const size of sizes) client.send(copyData(`1\t${'x'.repeat(size)}\n`));
  client.send(copyDone());
  assert.equal(tagsOf(await client.until('Z')), 'CZ');
  assert.equal(await rows(client), `${sizes.length} ${sizes.reduce((a, b) => a + b)}`);
  client.close();
});

test('a COPY that was sent together with its data leaves the server to others', {
  timeout: 20_000,
}, async () => {
  const [client, other] = [await login(), await login()];
  client.send(Buffer.concat([query('copy copied from stdin'), copyData('1\tx\n'), copyDone()]));
  assert.equal(tagsOf(await client.until('Z')), 'GCZ');
  assert.equal(await other.value('select 1'), '1');
  client.close();
  other.close();
});

test('COPY TO STDOUT gives back what is there', async () => {
  const client = await login();
  const answer = await client.query(
    "copy (select i, repeat('y', i * 1000) from generate_series(1, 300) i) to stdout",
  );
  assert.equal(tagsOf(answer), `H${'d'.repeat(300)}cCZ`);
  answer.slice(1, 301).forEach(({ body }, i) => {
    assert.equal(body.toString(), `${i + 1}\t${'y'.repeat((i + 1) * 1000)}\n`);
  });
  client.close();
});

test('the client gives up with CopyFail', async () => {
  const client = await login();
  await client.query('truncate copied');
  client.send(query('copy copied from stdin'));
  await client.until('G');
  client.send(copyData('1\tx\n'), copyFail('no more'));
  assert.equal(sqlstateOf(await client.until('Z')), '57014');
  assert.equal(await rows(client), '0 0');
  client.close();
});

test('an error of PostgreSQL in the middle, while the client goes on sending', async () => {
  const client = await login();
  client.send(query('copy copied from stdin'));
  await client.until('G');
  client.send(copyData('not a number\tx\n'));
  for (let i = 0; i < 1000; i++) client.send(copyData(`${i}\t${'x'.repeat(1000)}\n`));
  client.send(copyDone());
  assert.equal(sqlstateOf(await client.until('Z')), '22P02');
  assert.equal(await client.value('select 1'), '1');
  client.close();
});

test('COPY in the extended protocol, sent in one go', async () => {
  const client = await login();
  await client.query('truncate copied');
  client.send(
    parse('', 'copy copied from stdin'),
    bind('', ''),
    execute(),
    copyData('1\tx\n'),
    copyDone(),
    sync(),
  );
  assert.equal(tagsOf(await client.until('Z')), '12GCZ');
  assert.equal(await rows(client), '1 1');
  client.close();
});

test('a query instead of data is an error, as in PostgreSQL', async () => {
  const client = await login();
  client.send(query('copy copied from stdin'));
  await client.until('G');
  client.send(query('select 1'));
  assert.match(sqlstateOf(await client.until('Z')), /^(08P01|57014)$/);
  client.close();
  const next = await login();
  assert.equal(await next.value('select 1'), '1');
  next.close();
});

test('Terminate in the middle of COPY undoes it', async () => {
  const client = await login();
  await client.query('truncate copied');
  client.send(query('copy copied from stdin'));
  await client.until('G');
  client.send(copyData('1\tx\n'), terminate());
  await client.closed();
  const next = await login();
  assert.equal(await rows(next), '0 0');
  next.close();
});
