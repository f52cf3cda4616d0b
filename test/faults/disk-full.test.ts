/** PostgreSQL has no room left in the middle of COPY. For COPY FROM a small tmpfs is a tablespace: that takes root, and
 *  is not tried elsewhere. For COPY TO, everywhere, temp_file_limit ends a sort that spills. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { copyData, copyDone, query } from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';
import { Scene } from './support/scene.js';
import { SmallDisk } from './support/small-disk.js';

const DISK_MB = 4;
const LINE = `${'x'.repeat(999)}\n`;
const LINES_TOO_MANY = 2 * DISK_MB * 1024;
const COPIERS = 3;
const CREATE = 'create table filled (line text) tablespace small';

const postgres = await Postgres.create();
const disk = SmallDisk.mount(postgres, DISK_MB);
after(async () => {
  await postgres.stop();
  disk?.unmount();
  await postgres.remove();
});

if (disk !== null) {
  test('COPY FROM fills the disk: it ends with 53100, everybody else is served, and it works when there is room', async () => {
    const scene = await Scene.begin(postgres);
    after(() => scene.remove());
    await postgres.query(`create tablespace small location '${disk.path}'`);
    await postgres.query(CREATE);
    const copiers = await Promise.all(Array.from({ length: COPIERS }, () => login(scene)));
    const copy = async (client: WireClient, lines: number): Promise<string> => {
      client.send(query('copy filled from stdin'));
      await client.until('G');
      for (let i = 0; i < lines; i += 64) client.send(copyData(LINE.repeat(64)));
      client.send(copyDone());
      return sqlstateOf(await client.until('Z'));
    };
    const copies = copiers.map((each) => copy(each, LINES_TOO_MANY));
    assert.deepEqual(new Set(await Promise.all(copies)), new Set(['53100']));
    await postgres.query('drop table filled'); // TRUNCATE wants room for a new file first
    await postgres.query(CREATE);
    for (const each of copiers) assert.equal(await copy(each, 64), '');
    assert.equal(await copiers[0]?.value('select count(*) from filled'), String(64 * COPIERS));
    for (const each of copiers) each.close();
    await scene.survived([]);
  });
}

test('COPY TO runs out of temporary files among its rows: it ends with 53400, and everybody else is served', async () => {
  const scene = await Scene.begin(postgres);
  after(() => scene.remove());
  const client = await login(scene);
  await client.query("begin; set local temp_file_limit = '1MB'; set local work_mem = '64kB'");
  const answer = await client.query(`copy (
    select i from generate_series(1, 1000) i
    union all (select i from generate_series(1, 1000000) i order by -i)) to stdout`);
  assert.match(tagsOf(answer), /^Hd{1000}EZ$/);
  assert.equal(sqlstateOf(answer), '53400');
  await client.query('rollback');
  assert.equal(await client.value('select 1'), '1');
  client.close();
  await scene.survived([]);
});

function login({ doorman }: Scene): Promise<WireClient> {
  return WireClient.login(doorman.port, 'postgres', 'postgres');
}
