/** The single executable, where it is not the same as the compiled files: what it starts of itself, and what it unpacks. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { buildExecutable, EXECUTABLE, OTHER_NAME } from '../../scripts/packages/executable.js';
import { VERSION } from '../../src/control/version.js';
import { eventually } from '../faults/support/eventually.js';
import { ProxyProcess } from '../patroni/proxy-process.js';
import { portSection } from '../patroni/scene.js';
import { StandInApi, threeMembers } from '../patroni/stand-in.js';
import { DatagramListener } from '../support/datagrams.js';
import { Doorman, PROGRAM, type Section } from '../support/doorman.js';
import { freePort } from '../support/free-port.js';
import { endWithFile } from '../support/leftovers.js';
import { noPam, noWithFiles } from '../support/pam.js';
import { pool } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';

const PATIENCE_MS = 30_000;
const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-executable-'));
after(() => rmSync(directory, { recursive: true }));
await buildExecutable(directory);
const executable = join(directory, EXECUTABLE);
const program = [executable];

function say(command: readonly string[], environment: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = spawnSync(command[0] ?? '', command.slice(1), {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  return `${status} ${stdout}${stderr}`;
}

test('is both commands, by its name', () => {
  assert.equal(say([executable, '--version']), `0 pg_doorman ${VERSION}\n`);
  assert.equal(say([join(directory, OTHER_NAME), '--version']), `0 patroni_proxy ${VERSION}\n`);
  assert.match(say([executable, 'generate', '--reference']), /^0 .*\npools:\n/s);
});

describe('a pooler', () => {
  const unpacked = join(directory, 'unpacked');
  mkdirSync(unpacked);
  const started = Doorman.start({
    program,
    general: { worker_threads: 2, worker_fill_percent: 1 },
    pools: { postgres: pool() },
    environment: { TMPDIR: unpacked },
  });
  after(async () => (await started).stop());

  test('answers queries, by all its worker threads', async () => {
    const doorman = await started;
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => WireClient.login(doorman.port, 'postgres', 'postgres')),
    );
    for (const client of clients) assert.equal(await client.value('select 6 * 7'), '42');
    for (const client of clients) client.close();
    assert.equal((await doorman.admin('show workers')).length, 2);
  });

  test('has one native library for all threads, which lies in no directory', async () => {
    const { pid } = await started;
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
    const mapped = maps.filter((line) => line.includes(`${unpacked}/pg_doorman-`));
    assert.equal(new Set(mapped.map((line) => line.split(/\s+/)[4])).size, 1);
    assert.deepEqual(readdirSync(unpacked), []);
  });

  test('takes less of the processor to start than the compiled files', async () => {
    const files = await Doorman.start({ program: PROGRAM, general: { worker_threads: 2 }, pools: {} });
    const ofFiles = processorTicks(files.pid);
    await files.stop();
    const other = await Doorman.start({ program, general: { worker_threads: 2 }, pools: {} });
    const ofExecutable = processorTicks(other.pid);
    await other.stop();
    assert.ok(ofExecutable < ofFiles, `${ofExecutable} ticks, of files ${ofFiles}`);
  });
});

function processorTicks(pid: number): number {
  const [, , , , , , , , , , , , , user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
  return Number(user) + Number(system);
}

test('counts its sockets, in a thread of its own', async () => {
  const doorman = await Doorman.start({
    program,
    pools: { postgres: pool() },
    prometheus: { enabled: true, host: '127.0.0.1', port: 0 },
  });
  const [, address] = await doorman.logged(/metrics on (\S+metrics)/);
  const page = async (): Promise<string> => (await fetch(address ?? '')).text();
  await eventually('sockets', PATIENCE_MS, page, (text) => /^pg_doorman_sockets\{.*\} [1-9]/m.test(text));
  await doorman.stop();
});

test('an upgrade starts what a symbolic link leads to now, and clients go on', async () => {
  const [one, two] = ['one', 'two'].map((name) => {
    mkdirSync(join(directory, name));
    linkSync(executable, join(directory, name, EXECUTABLE));
    return join(directory, name);
  });
  const current = join(directory, 'current');
  symlinkSync(one ?? '', current);
  const doorman = await Doorman.start({ program: [join(current, EXECUTABLE)], pools: { postgres: pool() } });
  const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
  const { pid } = doorman;
  rmSync(current);
  symlinkSync(two ?? '', current);
  await doorman.upgrade();
  await doorman.isReplaced(pid);
  assert.equal(await client.value('select 1'), '1');
  assert.equal(readlinkSync(`/proc/${doorman.pid}/exe`), join(two ?? '', EXECUTABLE));
  client.close();
  await doorman.stop();
});

test('a daemon serves, and is replaced by another', async () => {
  const syslog = new DatagramListener(join(directory, 'syslog'));
  const port = await freePort();
  const pidFile = join(directory, 'pid');
  const file = join(directory, 'daemon.yaml');
  const general: Section = {
    host: '127.0.0.1',
    port,
    daemon_pid_file: pidFile,
    syslog_prog_name: 'doorman',
    pg_hba: 'host all all 127.0.0.1/32 trust\n',
  };
  writeFileSync(file, stringify({ general, pools: { postgres: pool() } }));
  assert.equal(say([executable, '-d', file], { PG_DOORMAN_SYSLOG_SOCKET: join(directory, 'syslog') }), '0 ');
  const pid = Number(readFileSync(pidFile, 'utf8'));
  endWithFile(() => say(['kill', '-KILL', String(pid)]));
  const client = await WireClient.login(port, 'postgres', 'postgres');
  process.kill(pid, 'SIGUSR2');
  await syslog.got(new RegExp(`upgrade: process ${pid} has ended; 1 of its clients went on here`));
  assert.equal(await client.value('select 1'), '1');
  const other = Number(readFileSync(pidFile, 'utf8'));
  assert.notEqual(other, pid);
  process.kill(other, 'SIGTERM');
  await syslog.got(/ stopped \[/);
  syslog.close();
});

test('asks PAM in processes of its own', { skip: noPam('pam_permit.so') }, async () => {
  const services = join(directory, 'services');
  mkdirSync(services);
  const permit = 'auth required pam_permit.so\naccount required pam_permit.so\n';
  writeFileSync(join(services, 'permit'), permit);
  const doorman = await Doorman.start({
    program,
    general: { pg_hba: 'host all all 127.0.0.1/32 md5\n' },
    pools: { postgres: pool({ auth_pam_service: 'permit', server_username: 'postgres', password: '' }) },
    environment: { PG_DOORMAN_PAM_DIRECTORY: services },
  });
  const client = doorman.client('postgres', 'postgres', { password: 'any' });
  await client.connect();
  assert.deepEqual((await client.query('select 1 as one')).rows, [{ one: 1 }]);
  await client.end();
  await doorman.stop();
});

test('patroni_proxy passes connections on', async () => {
  const { port, members, facts } = await threeMembers();
  const api = await StandInApi.start(facts());
  const ports = { leader: portSection(port, ['leader']) };
  const proxy = await ProxyProcess.start({ clusters: { c: { hosts: [api.url], ports } } }, [], {}, [
    join(directory, OTHER_NAME),
  ]);
  const { client, by } = await proxy.greeted('leader');
  assert.equal(by, 'node1');
  client.socket.destroy();
  await proxy.stop();
  api.close();
  for (const member of members) member.stop();
});

describe('where directories are mounted noexec', { skip: noWithFiles() }, () => {
  const under = (...directories: string[]): string[] => [
    ...['unshare', '--user', '--map-root-user', '--mount', 'sh', '-ec'],
    `${directories.map((each) => `mount -t tmpfs -o noexec tmpfs ${each}`).join('; ')}; exec "$@"`,
    ...['sh', executable, '--version'],
  ];
  const TMPDIR = join(directory, 'noexec');
  mkdirSync(TMPDIR);

  test('the native library is loaded from another', () => {
    assert.equal(say(under(TMPDIR), { TMPDIR }), `0 pg_doorman ${VERSION}\n`);
  });

  test('nowhere else: it says what to do, and why each would not do', () => {
    const said = say(under(TMPDIR, '/dev/shm', '/var/tmp'), { TMPDIR, CACHE_DIRECTORY: '/nonesuch' });
    assert.match(said, /^1 \S*pg_doorman: its native library cannot be loaded; let TMPDIR be a directory/);
    assert.match(said, /\/dev\/shm: .*failed to map segment/);
    assert.match(said, /\/nonesuch: ENOENT/);
  });

  test('the directory of the service is the last resort', () => {
    chmodSync(directory, 0o755);
    const said = say(under(TMPDIR, '/dev/shm', '/var/tmp'), { TMPDIR, CACHE_DIRECTORY: directory });
    assert.equal(said, `0 pg_doorman ${VERSION}\n`);
  });
});
