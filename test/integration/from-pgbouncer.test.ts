/** A PgBouncer's files before a real PostgreSQL: what they become starts, and clients log in as they did. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import pg from 'pg';
import { COMMAND } from '../support/doorman.js';
import { Postgres } from '../support/postgres.js';
import { startFile } from '../support/start-file.js';

const PASSWORD = 'pa"ss';
const postgres = await Postgres.create(
  'local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
);
after(() => postgres.remove());
for (const user of ['alice', 'forced', 'forgotten']) {
  await postgres.query(`create role ${user} login password '${PASSWORD}'`);
}
await postgres.query('create database shop');
await postgres.query('create database other');
const { rows } = await postgres.query("select rolpassword from pg_authid where rolname = 'alice'");
const verifier = String(rows[0]?.rolpassword);

const INI = `;; of a PgBouncer
[databases]
shop = host=127.0.0.1 port=${postgres.port}
"the other" = host=127.0.0.1 port=${postgres.port} dbname=other user=forced password='${PASSWORD}' pool_size=3

[users]
alice = pool_mode=transaction

[pgbouncer]
%include more.ini
auth_file = users.txt
`;
const MORE = `listen_addr = 127.0.0.1
listen_port = 6432
auth_type = scram-sha-256
admin_users = admin
pool_mode = session
server_reset_query = DISCARD ALL
`;
const USERS = `"alice" "${verifier}"\n"admin" "${PASSWORD.replaceAll('"', '""')}"\n`;

function convertedIn(
  context: TestContext,
  name: string,
): { file: string; status: number | null; stderr: string } {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-pgbouncer-'));
  context.after(() => rmSync(directory, { recursive: true }));
  for (const [each, content] of [
    ['pgbouncer.ini', INI],
    ['more.ini', MORE],
    ['users.txt', USERS],
  ] as const) {
    writeFileSync(join(directory, each), content);
  }
  const file = join(directory, name);
  const { status, stderr } = spawnSync(
    process.execPath,
    [COMMAND, 'generate', '--from-pgbouncer', join(directory, 'pgbouncer.ini'), '-o', file],
    { encoding: 'utf8', timeout: 30_000 },
  );
  const text = readFileSync(file, 'utf8');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  writeFileSync(file, text.replace(/^( *port(?: =|:)) 6432$/m, '$1 0'));
  return { file, status, stderr };
}

async function whoIs(port: number, user: string, database: string, password: string): Promise<unknown> {
  const client = new pg.Client({ host: '127.0.0.1', port, user, database, password });
  await client.connect();
  try {
    const result = await client.query('select current_user as who, current_database() as where');
    return result.rows[0];
  } finally {
    await client.end();
  }
}

for (const name of ['pg_doorman.yaml', 'pg_doorman.toml']) {
  test(`as ${name} it starts, and clients, forced users and the console are what they were`, async (context) => {
    const { file, status, stderr } = convertedIn(context, name);
    assert.equal(status, 0, stderr);
    const doorman = await startFile(file);
    assert.deepEqual(await whoIs(doorman.port, 'alice', 'shop', PASSWORD), { who: 'alice', where: 'shop' });
    assert.deepEqual(await whoIs(doorman.port, 'alice', 'the other', PASSWORD), {
      who: 'forced',
      where: 'other',
    });
    await assert.rejects(whoIs(doorman.port, 'alice', 'shop', 'wrong'), { code: '28P01' });
    await assert.rejects(whoIs(doorman.port, 'forgotten', 'shop', PASSWORD), { code: '3D000' });
    const admin = new pg.Client({
      host: '127.0.0.1',
      port: doorman.port,
      user: 'admin',
      database: 'pgbouncer',
      password: PASSWORD,
    });
    await admin.connect();
    const pools = (await admin.query('SHOW DATABASES')).rows;
    await admin.end();
    assert.ok(pools.some((row) => row.database === 'other' && row.pool_size === '3'));
    assert.equal(await doorman.stop(), 0, doorman.log);
  });

  test(`${name} says what has no equal, as standard error does`, (context) => {
    const { file, stderr } = convertedIn(context, name);
    assert.match(stderr, /more\.ini:6: server_reset_query: /);
    assert.match(readFileSync(file, 'utf8').replaceAll(/\n# /g, ' '), /more\.ini:6: server_reset_query: /);
  });
}
