/** Nothing secret is told: not in the log at its most talkative, not in the console, not to clients, not in what is said
 *  of a wrong configuration, not in what other users of the machine can see of the process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { ScramSecret } from '../../fuzz/scram.js';
import { Authority, secretFile } from '../../support/certificates.js';
import { ADMIN_PASSWORD, COMMAND, Doorman, type Section } from '../../support/doorman.js';
import { FakePostgres } from '../../support/fake-postgres.js';
import { bind, execute, int32, message, parse, startup, sync } from '../../support/messages.js';
import { pool, poolAt } from '../../support/shared-postgres.js';
import { WireClient } from '../../support/wire-client.js';

const scram = new ScramSecret('scram-s3cret');
const HASH = createHash('md5')
  .update('md5-s3cret' + 'md5_user')
  .digest('hex');
const { certificate, privateKey } = new Authority('CA of the tests').signLocal();
/** All that may be found nowhere, by what it is. */
const SECRETS: Readonly<Record<string, string>> = {
  'a password in plain text': 'plain-s3cret',
  'a password of a server': 'server-s3cret',
  'a password that a client has tried': 'guess-s3cret',
  'a password behind a verifier': scram.password,
  'a verifier': scram.verifier,
  'a password behind an MD5 hash': 'md5-s3cret',
  'an MD5 hash': HASH,
  'the password of the console': ADMIN_PASSWORD,
  'a password of auth_query': 'auth-query-s3cret',
  'a private key': privateKey.split('\n')[3] ?? '',
  ...Object.fromEntries(scram.keys.map((key, at) => [`key ${at} of a verifier`, key])),
};

function assertTellsNothing(text: string, where: string): void {
  assert.ok(text.length > 0, `${where} is empty`);
  for (const [what, secret] of Object.entries(SECRETS)) {
    assert.ok(!text.includes(secret), `${where} tells ${what}`);
  }
}

/** Servers of all kinds that refuse all logins, having asked for every kind of password. */
const asks = [3, 5, 10].map((code) =>
  code === 10
    ? message('R', int32(code), Buffer.from('SCRAM-SHA-256\0\0'))
    : message('R', int32(code), Buffer.from(code === 5 ? 'salt' : '')),
);
let turn = 0;
const refusing = await FakePostgres.start({
  onStartup: ({ socket }) => void socket.write(asks[turn++ % asks.length] ?? ''),
  onMessage: ({ tag }, { socket }) => {
    if (tag === 'p') socket.write(message('E', Buffer.from('SFATAL\0VFATAL\0C28P01\0Mno\0\0')));
  },
});
after(() => refusing.stop());

const SETTINGS: { general: Section; pools: Record<string, Section> } = {
  general: {
    pg_hba: 'host all all 127.0.0.1/32 md5',
    tls_certificate: secretFile(certificate),
    tls_private_key: secretFile(privateKey),
  },
  pools: {
    app: poolAt(
      refusing.port,
      {},
      {
        users: [
          { username: 'plain_user', password: 'plain-s3cret' },
          { username: 'scram_user', password: scram.verifier },
          { username: 'md5_user', password: `md5${HASH}` },
          {
            username: 'mapped_user',
            password: 'plain-s3cret',
            server_username: 'x',
            server_password: 'server-s3cret',
          },
        ],
        auth_query: { query: 'select 1', user: 'asker', password: 'auth-query-s3cret' },
      },
    ),
  },
};

describe('the running process', async () => {
  const doorman = await Doorman.start(SETTINGS);
  after(() => doorman.stop());
  const errors: string[] = [];
  const PASSWORDS = {
    plain_user: 'plain-s3cret',
    scram_user: scram.password,
    md5_user: 'md5-s3cret',
    mapped_user: 'plain-s3cret',
  };
  for (const [user, right] of Object.entries(PASSWORDS)) {
    for (const password of [right, right, right, 'guess-s3cret']) {
      const client = doorman.client(user, 'app', { password });
      await client.connect().then(
        () => client.end(),
        (error) => errors.push(String(error), JSON.stringify(error)),
      );
    }
  }
  const odd = await WireClient.open(doorman.port);
  odd.send(startup({ user: 'md5_user', database: 'app' }));
  await odd.until('R');
  odd.send(message('p', Buffer.from('md5-s3cret guess-s3cret')));
  errors.push(...(await odd.closed()).map(({ body }) => body.toString('latin1')));

  test('its log at the level debug, after logins of every kind, right and wrong', () => {
    assert.match(doorman.log, /login refused: Authentication failed/);
    assert.match(doorman.log, /DEBUG|WARN/);
    assertTellsNothing(doorman.log, 'the log');
  });

  test('what clients are told', () => {
    assert.ok(errors.length > 10);
    assertTellsNothing(errors.join('\n'), 'an error');
  });

  test('the console', async () => {
    const commands = [
      'CONFIG',
      'DATABASES',
      'USERS',
      'POOLS',
      'POOLS_EXTENDED',
      'CLIENTS',
      'SERVERS',
      'LISTS',
    ];
    const answers: unknown[] = [];
    for (const each of [...commands, 'STATS', 'CONNECTIONS', 'WORKERS', 'VERSION']) {
      answers.push(await doorman.admin(`SHOW ${each}`));
    }
    const text = JSON.stringify(answers);
    assert.match(text, /"general.admin_password","value":"\*+"/);
    assertTellsNothing(text, 'the console');
  });

  test('its arguments and environment', () => {
    const seen = ['cmdline', 'environ'].map((name) => readFileSync(`/proc/${doorman.pid}/${name}`, 'utf8'));
    assertTellsNothing(seen.join('\n'), 'the process');
  });
});

test('a password in a query is not in the log either, when its server refuses the query or ends', async () => {
  const doorman = await Doorman.start({ pools: { app: pool() } });
  const client = await WireClient.login(doorman.port, 'postgres', 'app');
  const [error] = await client.query("alter role nobody_there password 'plain-s3cret'");
  assert.equal(error?.tag, 'E');
  client.send(parse('s', "select 'plain-s3cret' || $1"), bind('', 's', ['server-s3cret']), execute(), sync());
  await client.until('Z');
  await client.query("select 'guess-s3cret', pg_terminate_backend(pg_backend_pid())");
  client.close();
  await doorman.logged(/57P01/); // the protocol is traced, and its last error
  assertTellsNothing(doorman.log, 'the log');
  await doorman.stop();
});

test('a diagnostic report of Node.js', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-reports-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const reports = `--report-on-signal --report-signal=SIGPROF --report-directory=${directory}`;
  const doorman = await Doorman.start({ ...SETTINGS, environment: { NODE_OPTIONS: reports } });
  await doorman
    .client('plain_user', 'app', { password: 'guess-s3cret' })
    .connect()
    .catch(() => {});
  doorman.signal('SIGPROF');
  await doorman.logged(/Node.js report completed/);
  const [file = ''] = readdirSync(directory);
  assertTellsNothing(readFileSync(join(directory, file), 'utf8'), 'the report');
  await doorman.stop();
});

describe('what `-t` says of a configuration', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-secrets-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const right = stringify({ ...SETTINGS, general: { ...SETTINGS.general, admin_password: ADMIN_PASSWORD } });
  const file = join(directory, 'pg_doorman.yaml');

  /** Its exit status. */
  function check(content: string, what: string): number | null {
    writeFileSync(file, content, { mode: 0o600 });
    const args = [COMMAND, '--log-level', 'debug', '-t', file];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assertTellsNothing(stdout + stderr, what);
    return status;
  }

  test('that is right', () => assert.equal(check(right, 'the praise'), 0));

  test('that is wrong', () => {
    const wrong = [
      right.replace('username: plain_user', 'usrname: plain_user'),
      right.replace('password: plain-s3cret', 'password: [plain-s3cret]'),
      right.replace('password: plain-s3cret', 'password: "plain-s3cret'),
      right.replace('password: md5', 'password: md5x'),
      right.replace('SCRAM-SHA-256$4096', 'SCRAM-SHA-256$4096x'),
      right.replace('server_username: x', ''),
      right.replace(`admin_password: ${ADMIN_PASSWORD}`, `admin_pasword: ${ADMIN_PASSWORD}`),
      right.replace(/tls_certificate: .*/, `tls_certificate: ${secretFile(privateKey)}`),
    ];
    for (const [at, content] of wrong.entries()) {
      assert.notEqual(content, right, `${at} is not wrong`);
      assert.notEqual(check(content, `the complaint ${at}`), 0, `${at} is accepted`);
    }
  });
});
