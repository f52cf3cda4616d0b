/** The process: how it starts, what it says when it cannot, and how it ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { COMMAND, Doorman } from '../support/doorman.js';
import { query } from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-lifecycle-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function run(...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { PATH: process.env.PATH },
  });
  return { status, text: stdout + stderr };
}

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe('the command line', () => {
  test('version and help', () => {
    assert.match(run('--version').text, /^pg_doorman \d+\.\d+\.\d+/);
    const { status, text } = run('--help');
    assert.equal(status, 0);
    for (const option of ['--log-level', '--log-format', '--no-color', '--daemon', '--test-config']) {
      assert.match(text, new RegExp(option));
    }
  });

  test('an unknown option and an unknown log level are refused', () => {
    assert.notEqual(run('--no-such-thing').status, 0);
    const { status, text } = run('--log-level', 'loud');
    assert.notEqual(status, 0);
    assert.match(text, /ERROR, WARN, INFO or DEBUG/);
  });

  test('a limit of open files that is too low to start with is told', () => {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', 'ulimit -n 64; exec "$0" "$@"', process.execPath, COMMAND, '-V'],
      { encoding: 'utf8', timeout: 20_000 },
    );
    assert.equal(status, 1);
    assert.match(stderr, /^pg_doorman: too few open files are allowed.*\n$/);
  });

  test('-t accepts a good configuration and starts nothing', () => {
    const { status, text } = run('-t', file('good.yaml', 'general: { port: 6432 }\n'));
    assert.equal(status, 0);
    assert.match(text, /is in order/);
  });
});

describe('a configuration that is wrong', () => {
  test('a file that is not there', () => {
    const { status, text } = run(join(directory, 'nothing.toml'));
    assert.equal(status, 1);
    assert.match(text, /nothing\.toml.*not found/);
  });

  test('every complaint names the line and the field, and all come at once', () => {
    const path = file(
      'bad.yaml',
      'general:\n  port: 99999\n  pol_size: 3\n  query_wait_timeout: soon\npools:\n  app:\n    users:\n      - username: a\n        pool_size: 0\n',
    );
    for (const args of [[path], ['-t', path]]) {
      const { status, text } = run(...args);
      assert.equal(status, 1);
      assert.match(text, /:2.*general\.port/);
      assert.match(text, /:3.*general\.pol_size/);
      assert.match(text, /:4.*general\.query_wait_timeout/);
      assert.match(text, /:9.*pools\.app\.users\[0\]\.pool_size/);
    }
  });

  test('a file that is no YAML and one that is no TOML', () => {
    assert.match(run('-t', file('broken.yaml', 'general:\n  port: [1\n')).text, /broken\.yaml:\d+/);
    assert.match(run('-t', file('broken.toml', '[general]\nport = \n')).text, /broken\.toml:2/);
  });
});

test('a port in use is told, with the address', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = other.address();
  assert.ok(address !== null && typeof address === 'object');
  const path = file('in-use.yaml', `general: { host: 127.0.0.1, port: ${address.port} }\n`);
  const { status, text } = run(path);
  assert.equal(status, 1);
  assert.match(text, new RegExp(`127\\.0\\.0\\.1:${address.port}.*EADDRINUSE \\(another process has it\\)`));
  other.close();
});

test('the log says which I/O is used and why', async () => {
  for (const backend of ['auto', 'epoll']) {
    const doorman = await Doorman.start({ general: { io_backend: backend }, pools: { postgres: pool() } });
    assert.match(doorman.log, backend === 'epoll' ? /I\/O by epoll: / : /I\/O by (io_uring|epoll): \w+/);
    await doorman.stop();
  }
});

describe('the end', () => {
  const start = (): Promise<Doorman> =>
    Doorman.start({ general: { shutdown_timeout: 2000 }, pools: { postgres: pool({ pool_size: 2 }) } });
  const login = (doorman: Doorman): Promise<WireClient> =>
    WireClient.login(doorman.port, 'postgres', 'postgres');

  /** A client that holds a server, and one of the console that waits for it to come back. */
  async function pausing(doorman: Doorman): Promise<{ busy: WireClient; pause: WireClient }> {
    const busy = await login(doorman);
    await busy.query('begin; select 1');
    const pause = await WireClient.login(doorman.port, 'admin', 'pgdoorman');
    pause.send(query('pause'));
    while ((await doorman.admin('show pools'))[0]?.paused !== '1');
    return { busy, pause };
  }

  test('SIGTERM ends at once, with status 0, and tells all clients', async () => {
    const doorman = await start();
    const idle = await login(doorman);
    const { busy, pause } = await pausing(doorman);
    busy.send(query('select pg_sleep(30)'));
    doorman.signal('SIGTERM');
    assert.equal(await doorman.ended(), 0);
    for (const each of [idle, busy, pause]) assert.equal(sqlstateOf(await each.closed()), '58006');
  });

  test('SHUTDOWN answers a PAUSE when the last server is closed, and then tells its client 58006', async () => {
    const doorman = await start();
    const { busy, pause } = await pausing(doorman);
    await doorman.admin('shutdown');
    await doorman.logged(/graceful shutdown/);
    busy.send(query('commit'));
    await busy.closed();
    const answer = await pause.closed();
    assert.equal(answer.map(({ tag }) => tag).join(''), 'CZE');
    assert.equal(sqlstateOf(answer), '58006');
    assert.equal(await doorman.ended(), 0);
  });

  test('a PAUSE that waits until shutdown_timeout is over is told 58006', async () => {
    const doorman = await start();
    const { pause } = await pausing(doorman);
    await doorman.admin('shutdown');
    assert.equal(sqlstateOf(await pause.closed()), '58006');
    assert.equal(await doorman.ended(), 0);
  });

  test('SHUTDOWN lets transactions finish, and then tells their clients 58006', async () => {
    const doorman = await start();
    const [busy, idle] = [await login(doorman), await login(doorman)];
    await busy.query('begin');
    await busy.query('select 1');
    await doorman.admin('shutdown');
    await doorman.logged(/graceful shutdown/);
    assert.equal(await busy.value('select 2'), '2');
    assert.equal(sqlstateOf(await idle.closed()), '58006');
    busy.send(query('commit'));
    assert.equal(sqlstateOf(await busy.closed()), '58006');
    assert.equal(await doorman.ended(), 0);
  });

  test('SHUTDOWN tells those at once who wait for a server: none comes any more', async () => {
    const doorman = await start();
    const [one, other, waiting] = [await login(doorman), await login(doorman), await login(doorman)];
    for (const each of [one, other]) {
      await each.query('begin');
      await each.query('select 1');
    }
    waiting.send(query('select 3'));
    while ((await doorman.admin('show pools'))[0]?.cl_waiting !== '1');
    await doorman.admin('shutdown');
    assert.equal(sqlstateOf(await waiting.closed()), '58006');
    for (const each of [one, other]) {
      assert.equal(await each.value('select 2'), '2');
      each.send(query('commit'));
      await each.closed();
    }
    assert.equal(await doorman.ended(), 0);
  });

  test('shutdown_timeout is the longest that it takes', async () => {
    const doorman = await start();
    const busy = await login(doorman);
    await busy.query('begin');
    await busy.query('select 1');
    await doorman.admin('shutdown');
    await doorman.logged(/shutdown_timeout is over with 1 client/);
    assert.equal(sqlstateOf(await busy.closed()), '58006');
    assert.equal(await doorman.ended(), 0);
    assert.match(doorman.log, /client disconnected: pooler is shut down now/);
  });

  test('nobody waits for clients that are in no transaction', async () => {
    const doorman = await Doorman.start({
      general: { shutdown_timeout: 3_600_000 },
      pools: { postgres: pool() },
    });
    const idle = await login(doorman);
    await idle.query('select 1');
    await doorman.admin('shutdown');
    assert.equal(sqlstateOf(await idle.closed()), '58006');
    assert.equal(await doorman.ended(), 0);
  });
});
