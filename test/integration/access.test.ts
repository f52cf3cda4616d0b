/** Who is let in: hba and pg_hba in all their forms, over IPv4, IPv6 and unix sockets, with TLS and without, on the
 *  real program; and what its log says of the rule that has decided. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { NetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Authority, secretFile } from '../support/certificates.js';
import { Doorman, type Section } from '../support/doorman.js';
import { startup } from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { openTls } from '../support/tls-client.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';

const { certificate, privateKey } = new Authority('CA of the tests').signLocal();
const TLS = { tls_certificate: secretFile(certificate), tls_private_key: secretFile(privateKey) };
const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-access-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function doormanWith(general: Section): Promise<Doorman> {
  const user = { password: 'password of the tests', server_username: 'postgres' };
  const users = ['postgres', 'alice', 'bob and "carol"'].map((username) => ({ username, ...user }));
  return Doorman.start({
    general: { ...TLS, ...general },
    pools: { app: pool({}, { users }), other: pool({}, { users }) },
  });
}

/** How somebody comes. */
interface Comer {
  readonly user?: string;
  readonly database?: string;
  readonly host?: string;
  readonly isTls?: boolean;
  readonly path?: string;
}

/** What the comer is answered: in, or asked (for a password), or the SQLSTATE. */
async function answerTo(port: number, comer: Comer): Promise<string> {
  const { user = 'alice', database = 'app', host = '127.0.0.1', isTls = false, path } = comer;
  const address: NetConnectOpts = path === undefined ? { host, port } : { path };
  const client = isTls
    ? WireClient.over(await openTls(port, { rejectUnauthorized: false }))
    : await WireClient.open(address);
  client.send(startup({ user, database }));
  const answer = await client.until('R', 'E');
  client.close();
  const asked = answer.find(({ tag }) => tag === 'R');
  if (asked === undefined) return sqlstateOf(answer);
  return asked.body.readInt32BE(0) === 0 ? 'in' : 'asked';
}

// ── which rule decides ───────────────────────────────────────────────────────────────────────────────────────────

const RULES = `# type    database  user               address          method
hostssl   app       alice              127.0.0.1/32     trust
hostnossl app       alice              127.0.0.1/32     scram-sha-256
host      app       "bob and ""carol""" 127.0.0.0 255.0.0.0 md5
host      other     all                127.0.0.1/32     reject
host      app,other postgres           127.0.0.1/32     peer
host      pgdoorman admin              127.0.0.1/32     trust
host      app       all                0.0.0.0/0        reject`;

// who comes, what of it, and the rule that the log names
const OUTCOMES: readonly (readonly [Comer, string, string])[] = [
  [{ isTls: true }, 'in', 'pg_hba line 2: hostssl app alice 127.0.0.1/32 trust'],
  [{}, 'asked', 'pg_hba line 3: hostnossl app alice 127.0.0.1/32 scram-sha-256'],
  [{ user: 'bob and "carol"' }, 'asked', 'pg_hba line 4: host app bob and "carol" 127.0.0.0/8 md5'],
  [{ database: 'other' }, '28000', 'pg_hba line 5: host other all 127.0.0.1/32 reject'],
  [{ user: 'postgres' }, '28000', 'pg_hba line 6: host app,other postgres 127.0.0.1/32 unknown'],
  [{ user: 'stranger' }, '28000', 'pg_hba line 8: host app all 0.0.0.0/0 reject'],
  [{ user: 'admin', database: 'pgdoorman' }, 'in', 'pg_hba line 7: host pgdoorman admin 127.0.0.1/32 trust'],
  [{ user: 'admin', database: 'pgbouncer' }, '28000', 'no rule fits'],
];

describe('the first rule that fits decides, and the log names it', async () => {
  const doorman = await doormanWith({ pg_hba: RULES });
  after(() => doorman.stop());
  for (const [comer, outcome, rule] of OUTCOMES) {
    test(`${JSON.stringify(comer)}: ${outcome}`, async () => {
      assert.equal(await answerTo(doorman.port, comer), outcome);
      const { user = 'alice', database = 'app' } = comer;
      // Whoever was asked has gone without an answer: no line is written of that.
      if (outcome === 'asked') return assert.ok(!doorman.log.includes(rule));
      const what = outcome === 'in' ? 'connected' : 'login refused';
      const name = JSON.stringify(user).slice(1, -1).replaceAll('\\', '\\\\');
      const named = JSON.stringify(rule).replace(/[().\\]/g, '\\$&');
      await doorman.logged(
        new RegExp(`${what}.*[ \\[]user="?${name}"? database=${database} address=127.0.0.1.* rule=${named}`),
      );
    });
  }
});

test('a wrong password is logged with the rule that has asked for it', async () => {
  const doorman = await doormanWith({ pg_hba: 'host all alice 127.0.0.1/32 scram-sha-256' });
  await assert.rejects(doorman.client('alice', 'app', { password: 'wrong' }).connect(), { code: '28P01' });
  await doorman.logged(
    /login refused: Authentication failed.*user=alice database=app address=127\.0\.0\.1.* rule="pg_hba line 1: host all alice/,
  );
  await doorman.stop();
});

// ── the forms of the setting ─────────────────────────────────────────────────────────────────────────────────────

const ONLY_APP = 'host app all 127.0.0.1/32 trust';
const FILE = join(directory, 'rules');
writeFileSync(FILE, `# shared with PostgreSQL\n${ONLY_APP}\n`);

const FORMS: readonly (readonly [string, unknown])[] = [
  ['a text', ONLY_APP],
  ['content', { content: ONLY_APP }],
  ['path', { path: FILE }],
];
for (const [form, pg_hba] of FORMS) {
  test(`pg_hba as ${form}`, async () => {
    const doorman = await doormanWith({ pg_hba });
    assert.equal(await answerTo(doorman.port, {}), 'in');
    assert.equal(await answerTo(doorman.port, { database: 'other' }), '28000');
    await doorman.stop();
  });
}

test('hba of older files: whoever comes from one of its networks is asked for the password', async () => {
  const doorman = await doormanWith({ host: '::', hba: ['10.0.0.0/8', '127.0.0.2'], pg_hba: undefined });
  assert.equal(await answerTo(doorman.port, {}), '28000');
  assert.equal(await answerTo(doorman.port, { host: '::1' }), '28000');
  await doorman.logged(/login refused: .*user=alice database=app address=127\.0\.0\.1.* rule="no rule fits"/);
  await doorman.stop();
  const other = await doormanWith({ host: '::', hba: ['127.0.0.0/8', '::1/128'], pg_hba: undefined });
  assert.equal(await answerTo(other.port, {}), 'asked');
  assert.equal(await answerTo(other.port, { host: '::1' }), 'asked');
  await assert.rejects(other.client('alice', 'app', { password: 'wrong', host: '::1' }).connect());
  await other.logged(/login refused: .*user=alice database=app address=\S*::1.* rule="hba ::1\/128"/);
  await other.stop();
});

test('without rules everybody is asked for the password', async () => {
  const doorman = await doormanWith({ pg_hba: undefined });
  assert.equal(await answerTo(doorman.port, {}), 'asked');
  await doorman.stop();
});

// ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────

test('IPv6 and IPv4 clients of one listener are told apart', async () => {
  const rules =
    'host app all ::1/128 trust\nhost other all 127.0.0.1/32 trust\nhost all alice all scram-sha-256';
  const doorman = await doormanWith({ host: '::', pg_hba: rules });
  assert.equal(await answerTo(doorman.port, { host: '::1' }), 'in');
  assert.equal(await answerTo(doorman.port, { host: '127.0.0.1' }), 'asked');
  assert.equal(await answerTo(doorman.port, { host: '::1', database: 'other' }), 'asked');
  assert.equal(await answerTo(doorman.port, { host: '127.0.0.1', database: 'other' }), 'in');
  assert.equal(await answerTo(doorman.port, { host: '::1', database: 'other', user: 'postgres' }), '28000');
  await doorman.stop();
});

test('local rules are for the unix socket, host rules are not', async () => {
  const where = join(directory, 'socket');
  mkdirSync(where);
  const rules = 'host all all 127.0.0.1/32 reject\nlocal app all trust\nlocal other alice scram-sha-256';
  const doorman = await doormanWith({ host: where, port: 6432, pg_hba: rules });
  const path = join(where, '.s.PGSQL.6432');
  assert.equal(await answerTo(0, { path }), 'in');
  assert.equal(await answerTo(0, { path, database: 'other' }), 'asked');
  assert.equal(await answerTo(0, { path, database: 'other', user: 'postgres' }), '28000');
  await doorman.logged(/client connected .*address=unix.* rule="pg_hba line 2: local app all trust"/);
  await doorman.stop();
});
