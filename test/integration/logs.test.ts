/** What the log says of clients and servers, and that whatever becomes of the log does not harm them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { COMMAND, Doorman } from '../support/doorman.js';
import { freePort } from '../support/free-port.js';
import { endWithFile } from '../support/leftovers.js';
import { bind, describeStatement, execute, parse, query, sync } from '../support/messages.js';
import { pool, postgresPort } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-logs-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The objects of a structured log. */
function entriesOf({ log }: Doorman): Record<string, unknown>[] {
  const lines = log.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line));
}

describe('a structured log', () => {
  let doorman: Doorman;
  before(async () => {
    doorman = await Doorman.start({
      pools: { postgres: pool({ pool_size: 1 }) },
      args: ['--log-format', 'structured'],
    });
  });
  after(() => doorman.stop());

  test('names who came, from where, and when they left what they did', async () => {
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres', {
      application_name: 'a "b"',
    });
    await client.query('select 1');
    await client.query('select 1/0');
    const { localPort } = client.socket;
    client.close();
    await doorman.logged(/client disconnected/);
    const of = (message: RegExp): Record<string, unknown> | undefined =>
      entriesOf(doorman).find((each) => message.test(String(each.message)));
    const who = { user: 'postgres', database: 'postgres', address: `127.0.0.1:${localPort}` };
    const { timestamp, client_id, ...connected } = of(/^client connected$/) ?? {};
    assert.ok(Date.parse(String(timestamp)) > 0 && Number(client_id) > 0);
    assert.deepEqual(connected, {
      level: 'INFO',
      message: 'client connected',
      ...who,
      application_name: 'a "b"',
      rule: 'pg_hba line 2: host all all 127.0.0.1/32 trust',
    });
    const {
      timestamp: _,
      client_id: same,
      duration_ms,
      message,
      ...disconnected
    } = of(/^client disconnected: /) ?? {};
    assert.equal(message, 'client disconnected: the client closed the connection');
    assert.equal(same, client_id);
    assert.ok(Number.isInteger(duration_ms));
    assert.deepEqual(disconnected, { level: 'INFO', ...who, queries: 2, transactions: 2, errors: 1 });
  });

  test('names the server that was opened and the one that was lost, with process and duration', async () => {
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    const pid = Number(await client.value('select pg_backend_pid()'));
    const killer = await WireClient.login(postgresPort, 'postgres', 'postgres');
    await killer.query(`select pg_terminate_backend(${pid})`);
    killer.close();
    await doorman.logged(/server closed: server_fatal/);
    client.close();
    const entry = entriesOf(doorman).find(({ reason }) => reason === 'server_fatal');
    const { timestamp: _, duration_ms, server_id, queries, transactions, ...rest } = entry ?? {};
    assert.ok(Number(duration_ms) >= 0 && Number(server_id) > 0);
    assert.ok(Number(queries) >= 1 && Number(transactions) >= 1);
    assert.deepEqual(rest, {
      level: 'WARN',
      message: 'server closed: server_fatal',
      server_pid: pid,
      user: 'postgres',
      database: 'postgres',
      address: `127.0.0.1:${postgresPort}`,
      reason: 'server_fatal',
    });
  });

  test('names who was refused, with the SQLSTATE', async () => {
    const client = await WireClient.open(doorman.port);
    await assert.rejects(client.logIn('nobody', 'nowhere'));
    await doorman.logged(/login refused/);
    const entry = entriesOf(doorman).find(({ user }) => user === 'nobody');
    assert.equal(entry?.level, 'WARN');
    assert.equal(entry?.sqlstate, '3D000');
    assert.equal(entry?.database, 'nowhere');
    assert.match(String(entry?.address), /^127\.0\.0\.1:\d+$/);
  });

  test('says at the beginning with what it runs', () => {
    const messages = entriesOf(doorman).map(({ message }) => String(message));
    for (const pattern of [
      /^configuration: \/.*\/pg_doorman\.yaml$/,
      /^pools: 1 of 1 database, with 1 server at most$/,
      /^limits: 8192 clients, 256 MB for unfinished messages, \d+ open files$/,
      /^I\/O by \w+: /,
    ]) {
      assert.ok(
        messages.some((each) => pattern.test(each)),
        `${pattern}`,
      );
    }
  });
});

test('log_client_connections and log_client_disconnections switch their lines off', async () => {
  const doorman = await Doorman.start({
    general: { log_client_connections: false, log_client_disconnections: false },
    pools: { postgres: pool() },
  });
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  await client.query('select 1');
  client.close();
  await doorman.stop();
  assert.doesNotMatch(doorman.log, /client (dis)?connected/);
});

test('the end is told with what was done', async () => {
  const doorman = await Doorman.start({ pools: { postgres: pool() } });
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  for (let i = 0; i < 3; i++) await client.query('select 1');
  await doorman.stop();
  // The error is what the client is told of the end.
  assert.match(doorman.log, /stopped \[transactions=3 queries=3 errors=1 duration_ms=\d+\]/);
});

describe('the protocol at debug level', () => {
  test('is told in groups, without queries and values', async () => {
    const doorman = await Doorman.start({ pools: { postgres: pool() } });
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    const statement = 'select generate_series(1, 3), $1::text';
    const batch = [parse('s1', statement), bind('', 's1', ['secret value']), describeStatement('s1')];
    client.send(Buffer.concat([...batch, execute(), sync()]));
    await client.until('Z');
    const [, id] = await doorman.logged(
      /DEBUG from client: \[P\(s1\),B\(s1\),D\(s1\),E,S\] \[client_id=(\d+) /,
    );
    await doorman.logged(
      new RegExp(
        `DEBUG from server: \\[1,2,t,T,3xD,C,Z\\] \\[server_id=\\d+ server_pid=\\d+ user=postgres .* client_id=${id}\\]`,
      ),
    );
    client.send(query("select 'secret query'"));
    await client.until('Z');
    await doorman.logged(/from client: \[Q\]/);
    client.close();
    await doorman.stop();
    assert.doesNotMatch(doorman.log, /secret|generate_series/);
  });

  test('is not told at level info', async () => {
    const doorman = await Doorman.start({ pools: { postgres: pool() }, args: ['--log-level', 'info'] });
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    await client.query('select 1');
    client.close();
    await doorman.logged(/client disconnected/);
    await doorman.stop();
    assert.doesNotMatch(doorman.log, /DEBUG|from client/);
  });
});

test('of a storm of refused clients the log has a few lines and a number', async () => {
  const doorman = await Doorman.start({
    general: { worker_threads: 1 },
    pools: { postgres: pool() },
    args: ['--log-level', 'info'],
  });
  const refused = async (): Promise<void> => {
    const client = await WireClient.open(doorman.port);
    await assert.rejects(client.logIn('nobody', 'postgres'));
    await client.closed();
  };
  const COUNT = 500;
  for (let i = 0; i < COUNT; i += 50) await Promise.all(Array.from({ length: 50 }, refused));
  const told = (): number => {
    const lines = doorman.log.match(/WARN {2}login refused.*/g) ?? [];
    return lines
      .map(
        (line) =>
          Number(/(\d+) more like this/.exec(line)?.[1] ?? 0) + (line.includes('No pool configured') ? 1 : 0),
      )
      .reduce((sum, each) => sum + each, 0);
  };
  while (told() < COUNT) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(told(), COUNT);
  assert.ok((doorman.log.match(/login refused/g) ?? []).length < 50);
  await doorman.stop();
});

describe('a log that cannot be written', () => {
  test('because nobody reads it stops nobody, and says later what was lost', async () => {
    const doorman = await Doorman.start({ pools: { postgres: pool() } });
    const goOn = doorman.holdLog();
    const names = Array.from({ length: 3000 }, (_, i) => `client_${i}_${'x'.repeat(400)}`);
    for (const application_name of names) {
      const client = await WireClient.login(doorman.port, 'postgres', 'postgres', { application_name });
      client.close();
    }
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    assert.equal(await client.value('select 7'), '7');
    goOn();
    await doorman.logged(/WARN {2}\d+ lines of the log were lost: they could not be written/);
    client.close();
    await doorman.logged(/queries=1 transactions=1/);
    await doorman.stop();
  });

  test('because the disk is full, or its reader has gone, stops nobody', async () => {
    for (const [name, output] of [
      ['full', '> /dev/full'],
      ['gone', '| true'],
    ] as const) {
      const port = await freePort();
      const file = join(directory, `${name}.yaml`);
      const general = { host: '127.0.0.1', port, pg_hba: 'host all all 127.0.0.1/32 trust\n' };
      writeFileSync(file, stringify({ general, pools: { postgres: pool() } }));
      const pidFile = join(directory, `${name}.pid`);
      const script = `sh -c 'echo $$ > ${pidFile}; exec "$@"' sh "$@" ${output}`;
      const child = spawn('sh', ['-c', script, 'sh', process.execPath, COMMAND, file], { stdio: 'ignore' });
      const end = (): boolean => process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
      child.once('exit', endWithFile(end));
      const client = await eventually(() => WireClient.login(port, 'postgres', 'postgres'));
      assert.equal(await client.value('select 7'), '7');
      client.close();
      end();
      await once(child, 'exit');
    }
  });
});

/** Asks until it works: nothing can be seen of a process whose log is lost. */
async function eventually<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let left = 1000; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
