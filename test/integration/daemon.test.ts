/** Daemon mode, its pid file and syslog, and what the service manager is told. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { DatagramListener } from '../support/datagrams.js';
import { Doorman, PROGRAM, type Section } from '../support/doorman.js';
import { freePort } from '../support/free-port.js';
import { endWithFile } from '../support/leftovers.js';
import { pool } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-daemon-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const pidFile = join(directory, 'pid');
const syslogPath = join(directory, 'syslog');

interface Ended {
  readonly status: number | null;
  readonly said: string;
}

/** Runs the command until it ends: in daemon mode, until the daemon serves. */
async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const [program = '', ...before] = PROGRAM;
  const child: ChildProcess = spawn(program, [...before, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PG_DOORMAN_SYSLOG_SOCKET: syslogPath, ...environment },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  // Only when the daemon has let go of both pipes, too.
  const [status] = await once(child, 'close');
  return { status, said };
}

function write(general: Section): string {
  const settings = {
    general: {
      host: '127.0.0.1',
      daemon_pid_file: pidFile,
      syslog_prog_name: 'doorman',
      pg_hba: 'host all all 127.0.0.1/32 trust\n',
      io_backend: process.env.PG_DOORMAN_TEST_IO_BACKEND ?? 'auto',
      worker_threads: Number(process.env.PG_DOORMAN_TEST_WORKERS ?? 1),
      ...general,
    },
    pools: { postgres: pool() },
  };
  writeFileSync(join(directory, 'doorman.yaml'), stringify(settings));
  return 'doorman.yaml'; // relative: a daemon changes its directory
}

function daemonPid(): number {
  return Number(readFileSync(pidFile, 'utf8'));
}

async function ended(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a daemon', () => {
  let syslog: DatagramListener;
  beforeEach(() => {
    syslog = new DatagramListener(syslogPath);
  });
  afterEach(async () => {
    if (existsSync(pidFile)) {
      const pid = daemonPid();
      process.kill(pid, 'SIGKILL');
      await ended(pid);
    }
    syslog.close();
    for (const path of [syslogPath, pidFile]) rmSync(path, { force: true });
  });

  async function start(general: Section = {}, args = ['-d'], environment = {}): Promise<number> {
    const port = await freePort();
    const { status, said } = await run([...args, write({ port, ...general })], environment);
    assert.deepEqual({ status, said }, { status: 0, said: '' });
    const pid = daemonPid();
    endWithFile(() => existsSync(`/proc/${pid}`) && process.kill(pid, 'SIGKILL'));
    return port;
  }

  test('serves when its command has ended, in a session of its own, without terminal and directory', async () => {
    const port = await start();
    const pid = daemonPid();
    const client = await WireClient.login(port, 'postgres', 'postgres');
    assert.equal(await client.value('select 7'), '7');
    client.close();
    const [, , , , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
    assert.equal(Number(session), pid);
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/');
    for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${pid}/fd/${fd}`), '/dev/null');
    assert.equal(statSync(pidFile).mode & 0o777, 0o644);
  });

  test('logs to syslog under the name that is configured', async () => {
    const port = await start();
    await syslog.got(/^<30>.* doorman\[\d+\]: listening on 127\.0\.0\.1:/);
    const client = await WireClient.login(port, 'postgres', 'postgres');
    client.close();
    await syslog.got(/^<30>.* doorman\[\d+\]: client connected \[client_id=\d+ user=postgres /);
  });

  test('ends by SIGTERM and takes its pid file along', async () => {
    await start();
    const pid = daemonPid();
    process.kill(pid, 'SIGTERM');
    await ended(pid);
    assert.equal(existsSync(pidFile), false);
    syslog.look();
    assert.match(syslog.received.at(-1) ?? '', /: stopped \[/);
  });

  test('is started by DAEMON in the environment as by -d', async () => {
    await start({}, [], { DAEMON: 'true' });
    assert.notEqual(daemonPid(), 0);
  });

  test('takes the pid file of one that was killed', async () => {
    await start();
    const killed = daemonPid();
    process.kill(killed, 'SIGKILL');
    await ended(killed);
    assert.equal(daemonPid(), killed);
    await start();
    assert.notEqual(daemonPid(), killed);
  });

  test('does not start beside another with the same pid file, and says so on the terminal', async () => {
    await start();
    const pid = daemonPid();
    const { status, said } = await run(['-d', write({ port: await freePort() })]);
    assert.equal(status, 1);
    assert.equal(
      said,
      `pg_doorman: another pg_doorman runs with the same general.daemon_pid_file ${pidFile}: pid ${pid}\n`,
    );
    assert.equal(daemonPid(), pid);
  });

  test('that cannot listen says so on the terminal, and leaves no pid file', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    assert.ok(address !== null && typeof address === 'object');
    const { status, said } = await run(['-d', write({ port: address.port })]);
    other.close();
    assert.equal(status, 1);
    assert.match(
      said,
      new RegExp(
        `^pg_doorman: cannot start: bind 127\\.0\\.0\\.1:${address.port}: EADDRINUSE \\(another process has it\\)$`,
        'm',
      ),
    );
    assert.equal(existsSync(pidFile), false);
  });

  test('with a wrong configuration complains on the terminal', async () => {
    const { status, said } = await run(['-d', write({ port: 99_999 })]);
    assert.equal(status, 1);
    assert.match(said, /^pg_doorman: .*doorman\.yaml:\d+: general\.port/);
  });

  test('without general.syslog_prog_name is refused: its log would go nowhere', async () => {
    const { status, said } = await run(['-d', write({ syslog_prog_name: undefined, port: 1 })]);
    assert.equal(status, 1);
    assert.match(said, /^pg_doorman: daemon mode \(-d\) needs general\.syslog_prog_name/);
  });

  test('starts without a syslogd, says so, and logs to it as soon as it is there', async () => {
    syslog.close();
    rmSync(syslogPath);
    const port = await freePort();
    const { status, said } = await run(['-d', write({ port })]);
    assert.equal(status, 0);
    assert.equal(
      said,
      `pg_doorman: syslog cannot be reached (connect ${syslogPath}: ENOENT): trying again\n`,
    );
    syslog = new DatagramListener(syslogPath);
    await syslog.got(/<28>.* \d+ lines of the log were lost/);
  });
});

test('in the foreground a log that cannot go to syslog goes to standard output, and one line says why', async () => {
  const doorman = await Doorman.start({
    general: { syslog_prog_name: 'doorman' },
    pools: { postgres: pool() },
    environment: { PG_DOORMAN_SYSLOG_SOCKET: join(directory, 'none') },
  });
  assert.match(
    doorman.log,
    /^pg_doorman: syslog cannot be reached \(.*ENOENT\): logging to standard output$/m,
  );
  await doorman.stop();
});

test('the service manager is told when it serves, where, and when it stops', async () => {
  const path = join(directory, 'manager');
  const manager = new DatagramListener(path);
  const doorman = await Doorman.start({
    general: { shutdown_timeout: 2000 },
    pools: { postgres: pool() },
    environment: { NOTIFY_SOCKET: path },
  });
  await manager.got(/^READY=1$/);
  assert.deepEqual(manager.received, [`STATUS=Serving on port ${doorman.port}`, 'READY=1']);
  await doorman.admin('SHUTDOWN');
  await manager.got(/^STOPPING=1\nEXTEND_TIMEOUT_USEC=2000000$/);
  assert.equal(await doorman.ended(), 0);
  manager.close();
});

describe('signals', () => {
  test('SIGUSR1 is not the end, and opens no port', async () => {
    const doorman = await Doorman.start({ pools: { postgres: pool() } });
    doorman.signal('SIGUSR1');
    await doorman.logged(/SIGUSR1 has no meaning here: ignored/);
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    client.close();
    await doorman.stop();
    assert.doesNotMatch(doorman.log, /Debugger/);
  });

  test('SIGTERM ends a graceful shutdown that takes too long', async () => {
    const doorman = await Doorman.start({
      general: { shutdown_timeout: 60_000 },
      pools: { postgres: pool() },
    });
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    await client.query('begin');
    await client.query('select 1');
    await doorman.admin('SHUTDOWN');
    await doorman.logged(/graceful shutdown/);
    doorman.signal('SIGTERM');
    assert.equal(await doorman.ended(), 0);
    client.close();
  });
});
