/** PAM: a real libpam with real modules, in services of the test's own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../faults/support/eventually.js';
import { Authority, secretFile } from '../support/certificates.js';
import { COMMAND, Doorman, type DoormanOptions, type Section } from '../support/doorman.js';
import { errorFields, message, startup } from '../support/messages.js';
import { noPam, noWithFiles, withFiles } from '../support/pam.js';
import { postgresPort } from '../support/shared-postgres.js';
import { openTls } from '../support/tls-client.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const PASSWORD = `it's "sécret" \\ $HOME`;
const UNIX_PASSWORD = 'unix password';
const UNIX_HASH =
  '$6$testsalt$LTr8ViVcqhDGTf.UJ5QUB7NVlenqr7FPoQlBMSxLqIl1Yz.jUIvWrF0l8Ey7iTCT1tIccgaDreUUF9J9asYyy0';
const PATIENCE_MS = 30_000;
const REFUSED = {
  code: '28P01',
  message: 'Authentication failed. Please check your username and password.',
};

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-pam-'));
const services = join(directory, 'services');
const asked = join(directory, 'asked');
const holdUp = join(directory, 'hold-up');
after(() => rmSync(directory, { recursive: true }));

function script(name: string, lines: string): string {
  const file = join(directory, name);
  writeFileSync(file, `#!/bin/sh\n${lines}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Notes whom it was asked about, and compares the password. */
const compares = script(
  'compare.sh',
  `IFS= read -r password || true
echo "$PAM_USER $PAM_RHOST $PAM_SERVICE" >> ${asked}
[ "$password" = "$(cat ${join(directory, 'password')})" ]`,
);
/** A module that hangs: as long as there is a certain file. */
const hangs = script('hang.sh', `echo hang >> ${asked}; while [ -e ${holdUp} ]; do sleep 0.1; done; exit 1`);
/** … and lets everybody in then. */
const hesitates = script('hesitate.sh', `while [ -e ${holdUp} ]; do sleep 0.1; done`);
writeFileSync(join(directory, 'password'), PASSWORD);
writeFileSync(asked, '');
writeFileSync(holdUp, '');

const SERVICES: Readonly<Record<string, string>> = {
  compare: `auth required pam_exec.so expose_authtok quiet ${compares}\naccount required pam_permit.so\n`,
  locked: 'auth required pam_permit.so\naccount required pam_deny.so\n',
  hang: `auth required pam_exec.so quiet ${hangs}\naccount required pam_permit.so\n`,
  late: `auth required pam_exec.so quiet ${hesitates}\naccount required pam_permit.so\n`,
  slow: 'auth optional pam_faildelay.so delay=1000000\nauth required pam_deny.so\n',
  unix: 'auth required pam_unix.so\naccount required pam_unix.so\n',
  other: 'auth required pam_deny.so\naccount required pam_deny.so\n',
};
spawnSync('mkdir', ['-m', '755', services]);
for (const [name, text] of Object.entries(SERVICES)) writeFileSync(join(services, name), text);

const USERS = {
  alice: 'compare',
  bob: 'compare',
  locked: 'locked',
  hanging: 'hang',
  late: 'late',
  slow: 'slow',
  unix: 'unix',
  nowhere: 'nonesuch',
};
const AT_HOME = ['env', `PG_DOORMAN_PAM_DIRECTORY=${services}`];

function start(general: Section = {}, under: DoormanOptions['under'] = []): Promise<Doorman> {
  const users = Object.entries(USERS).map(([username, auth_pam_service]) => ({
    username,
    auth_pam_service,
    password: 'not looked at',
    server_username: 'postgres',
    server_password: 'x',
  }));
  return Doorman.start({
    general: { pg_hba: 'host all all 127.0.0.1/32 md5\nlocal all all md5', ...general },
    pools: {
      app: {
        server_host: '127.0.0.1',
        server_port: postgresPort,
        server_database: 'postgres',
        users: [...users, { username: 'other', password: 'plain', server_username: 'postgres' }],
      },
    },
    under: [...under, ...AT_HOME],
  });
}

async function select1(doorman: Doorman, user: string, password: string): Promise<unknown> {
  const client = doorman.client(user, 'app', { password });
  await client.connect();
  try {
    return (await client.query('select 1 as one')).rows[0].one;
  } finally {
    await client.end();
  }
}

/** A client that has sent its password and not been answered. */
async function waiting(doorman: Doorman, user: string, password = 'x'): Promise<WireClient> {
  const client = await WireClient.open(doorman.port);
  client.send(startup({ user, database: 'app' }));
  assert.equal(tagsOf(await client.until('R')), 'R');
  client.send(message('p', Buffer.from(`${password}\0`)));
  return client;
}

const timesAsked = (): number => readFileSync(asked, 'utf8').split('\n').length - 1;
const isEmpty = (list: readonly unknown[]): boolean => list.length === 0;

/** Clients that are logging in. */
async function loginsOf(doorman: Doorman): Promise<number> {
  const lists = await doorman.admin('show lists');
  return Number(lists.find(({ list }) => list === 'login_clients')?.items);
}

/** Those that ask PAM. */
function childrenOf({ pid }: Doorman): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

function isAlive(pid: number): boolean {
  try {
    // A process that nobody has buried yet is none.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('PAM decides', { skip: noPam('pam_exec.so', 'pam_deny.so', 'pam_permit.so') }, () => {
  let doorman: Doorman;
  before(async () => {
    doorman = await start();
  });
  after(() => doorman.stop());

  test('who gets in: by the password, whatever characters it has', async () => {
    assert.equal(await select1(doorman, 'alice', PASSWORD), 1);
    for (const wrong of ['wrong', `${PASSWORD} `, PASSWORD.slice(1), 'not looked at']) {
      await assert.rejects(select1(doorman, 'alice', wrong), REFUSED);
    }
  });

  test('with the user, the service and the address of the client', async () => {
    writeFileSync(asked, '');
    await select1(doorman, 'alice', PASSWORD);
    await select1(doorman, 'bob', PASSWORD);
    assert.equal(readFileSync(asked, 'utf8'), 'alice 127.0.0.1 compare\nbob 127.0.0.1 compare\n');
  });

  test('about accounts, too: who is locked does not get in with the right password', async () => {
    await assert.rejects(select1(doorman, 'locked', PASSWORD), REFUSED);
  });

  test('nothing about an empty password, which some directories take for a login', async () => {
    writeFileSync(asked, '');
    const client = await waiting(doorman, 'alice', '');
    assert.equal(sqlstateOf(await client.closed()), '28P01');
    assert.equal(readFileSync(asked, 'utf8'), '');
  });

  test('against everybody when there is no such service, and the log says that', async () => {
    await assert.rejects(select1(doorman, 'nowhere', PASSWORD), REFUSED);
    await doorman.logged(
      /login refused: .*service nonesuch: .*no file nonesuch in.*user=nowhere database=app/,
    );
  });

  test('and a rule of pg_hba decides before it', async () => {
    writeFileSync(asked, '');
    const trusting = await start({ pg_hba: 'host all alice 127.0.0.1/32 trust' });
    const client = await WireClient.login(trusting.port, 'alice', 'app');
    client.close();
    await assert.rejects(select1(trusting, 'bob', PASSWORD), { code: '28000' });
    assert.equal(readFileSync(asked, 'utf8'), '');
    await trusting.stop();
  });

  test('for users of its own only: others prove themselves by their password', async () => {
    assert.equal(await select1(doorman, 'other', 'plain'), 1);
    await assert.rejects(select1(doorman, 'other', PASSWORD), { code: '28P01' });
  });
});

describe('a module that hangs', { skip: noPam('pam_exec.so') }, () => {
  test('holds up nobody else: logins by other services, queries, the console, the end', async () => {
    const doorman = await start({ shutdown_timeout: 1000 });
    const connected = doorman.client('other', 'app', { password: 'plain' });
    await connected.connect();
    // More of them than are asked about at a time.
    writeFileSync(asked, '');
    const stuck = await Promise.all(Array.from({ length: 10 }, () => waiting(doorman, 'hanging')));
    await eventually('four are asked about', PATIENCE_MS, timesAsked, (times) => times === 4);
    assert.equal(await select1(doorman, 'alice', PASSWORD), 1);
    assert.equal(await select1(doorman, 'other', 'plain'), 1);
    assert.equal((await connected.query('select 2 as two')).rows[0].two, 2);
    assert.equal((await doorman.admin('show version')).length, 1);
    const askers = childrenOf(doorman);
    assert.ok(askers.length >= 4, `${askers.length} processes`);
    await connected.end();
    doorman.signal('SIGTERM');
    assert.equal(await doorman.ended(), 0);
    await eventually('the processes are gone', PATIENCE_MS, () => askers.filter(isAlive), isEmpty);
    for (const each of stuck) each.close();
    await doorman.stop();
  });

  test('does not hold up a graceful shutdown, and who waits is told', async () => {
    const doorman = await start({ shutdown_timeout: 120_000 });
    const stuck = await waiting(doorman, 'hanging');
    const undecided = await WireClient.open(doorman.port);
    undecided.send(startup({ user: 'hanging', database: 'app' }));
    await undecided.until('R');
    await doorman.admin('SHUTDOWN');
    assert.equal(sqlstateOf(await stuck.closed()), '58006');
    undecided.send(message('p', Buffer.from('x\0')));
    assert.equal(sqlstateOf(await undecided.closed()), '58006');
    assert.equal(await doorman.ended(), 0);
    await doorman.stop();
  });

  test('does not keep a client from going on in the new process of an upgrade', async () => {
    const doorman = await start({ shutdown_timeout: 120_000 });
    const client = await waiting(doorman, 'late');
    const old = doorman.pid;
    await doorman.upgrade();
    rmSync(holdUp);
    assert.ok(tagsOf(await client.until('Z', 'E')).endsWith('Z'));
    assert.equal(await client.value('select 1'), '1');
    await doorman.isReplaced(old);
    writeFileSync(holdUp, '');
    client.close();
    await doorman.stop();
  });

  test('and clients that have gone are not asked about', async () => {
    writeFileSync(asked, '');
    const doorman = await start();
    const stuck = await Promise.all(Array.from({ length: 10 }, () => waiting(doorman, 'hanging')));
    await eventually('four are asked about', PATIENCE_MS, timesAsked, (times) => times === 4);
    for (const each of stuck) each.vanish();
    await eventually(
      'all have gone',
      PATIENCE_MS,
      () => loginsOf(doorman),
      (logins) => logins === 0,
    );
    rmSync(holdUp);
    assert.equal(sqlstateOf(await (await waiting(doorman, 'hanging')).closed()), '28P01');
    assert.equal(timesAsked(), 4 + 1);
    writeFileSync(holdUp, '');
    await doorman.stop();
  });
});

test('a refusal is held back for as long as a module asks', { skip: noPam('pam_faildelay.so') }, async () => {
  const doorman = await start();
  const begun = performance.now();
  await assert.rejects(select1(doorman, 'slow', 'x'), REFUSED);
  assert.ok(performance.now() - begun > 500); // a second, which libpam varies by up to a half
  await doorman.stop();
});

describe('the log', { skip: noPam('pam_exec.so') }, () => {
  test('names user, address, method and reason, and no password', async () => {
    const doorman = await start();
    await assert.rejects(select1(doorman, 'alice', 'wrong and secret'));
    await doorman.logged(
      /login refused: .* \(pam: service compare: .+\).*user=alice database=app address=127\.0\.0\.1/,
    );
    await select1(doorman, 'alice', PASSWORD);
    await doorman.logged(/client connected .*user=alice database=app address=127\.0\.0\.1.* method=pam/);
    assert.doesNotMatch(doorman.log, /wrong and secret|sécret/);
    await doorman.stop();
  });

  test('warns once of passwords in the clear', async () => {
    const doorman = await start();
    await select1(doorman, 'alice', PASSWORD);
    await select1(doorman, 'bob', PASSWORD);
    assert.equal(doorman.log.match(/in the clear: use TLS/g)?.length, 1);
    await doorman.stop();
  });

  test('does not warn over TLS, nor on a unix socket', async () => {
    const authority = new Authority('CA of the tests');
    const { certificate, privateKey } = authority.signLocal();
    const overTls = await start({
      tls_certificate: secretFile(certificate),
      tls_private_key: secretFile(privateKey),
    });
    const sockets = mkdtempSync(join(tmpdir(), 'pg-doorman-'));
    const local = await start({ host: sockets, port: 6432 });
    const clients = [
      WireClient.over(await openTls(overTls.port, { ca: authority.pem })),
      await WireClient.open({ path: join(sockets, '.s.PGSQL.6432') }),
    ];
    for (const client of clients) {
      client.send(startup({ user: 'alice', database: 'app' }));
      await client.until('R');
      client.send(message('p', Buffer.from(`${PASSWORD}\0`)));
      const answer = await client.until('Z', 'E');
      assert.match(
        tagsOf(answer),
        /^RS+KZ$/,
        JSON.stringify(answer.filter(({ tag }) => tag === 'E').map(errorFields)),
      );
      client.close();
    }
    for (const each of [overTls, local]) {
      assert.doesNotMatch(each.log, /in the clear/);
      await each.stop();
    }
    rmSync(sockets, { recursive: true });
  });
});

test('pam_unix: users of the system, their expired accounts, and nobody else', {
  skip: noPam('pam_unix.so') || noWithFiles(),
}, async () => {
  const passwd = join(directory, 'passwd');
  const shadow = join(directory, 'shadow');
  writeFileSync(
    passwd,
    `${readFileSync('/etc/passwd', 'utf8')}\nunix:x:0:0::/:/bin/sh\nlocked:x:0:0::/:/bin/sh\nslow:x:0:0::/:/bin/sh\n`,
  );
  writeFileSync(shadow, `unix:${UNIX_HASH}:20000:0:99999:7:::\n`, { mode: 0o600 });
  const doorman = await start({}, withFiles({ '/etc/passwd': passwd, '/etc/shadow': shadow }));
  assert.equal(await select1(doorman, 'unix', UNIX_PASSWORD), 1);
  await assert.rejects(select1(doorman, 'unix', `${UNIX_PASSWORD}x`), REFUSED);
  writeFileSync(shadow, `unix:${UNIX_HASH}:20000:0:99999:7::20001:\n`);
  await assert.rejects(select1(doorman, 'unix', UNIX_PASSWORD), REFUSED);
  await doorman.logged(/service unix: User account has expired.*user=unix database=app/);
  await doorman.stop();
});

test('a directory of services that others may write to is not used', { skip: noPam() }, () => {
  const open = join(directory, 'open');
  spawnSync('mkdir', ['-m', '777', open]);
  const file = join(directory, 'doorman.yaml');
  writeFileSync(file, 'pools:\n  app:\n    users: [{ username: a, auth_pam_service: x }]\n');
  const { status, stderr } = spawnSync(process.execPath, [COMMAND, '-t', file], {
    encoding: 'utf8',
    env: { ...process.env, PG_DOORMAN_PAM_DIRECTORY: open },
  });
  assert.equal(status, 1);
  assert.match(
    stderr,
    /doorman\.yaml:3: pools\.app\.users\[0\]\.auth_pam_service: .* nobody else may write there/,
  );
});
