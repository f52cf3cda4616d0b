/** Tokens of Talos: the user talos shows one, and it says in whose name he works in a database. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Doorman, type Section } from '../support/doorman.js';
import { postgresPort } from '../support/shared-postgres.js';
import { type Claims, hmacToken, inSeconds, newSigner, token } from '../support/token-keys.js';

const first = newSigner('RS256');
const second = newSigner('ES256');
const stranger = newSigner('RS256');
const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-talos-'));
after(() => rmSync(directory, { recursive: true }));
const KEYS = [first, second].map((signer, index) => {
  const file = join(directory, `talos.key-${index}.pem`);
  writeFileSync(file, signer.publicKey);
  return file;
});
const KID = { kid: 'talos.key-0' };
const REFUSED = { code: '28P01', message: /^Invalid Talos token/ };

const doorman = await start();
after(() => doorman.stop());

function start(general: Section = {}): Promise<Doorman> {
  const users = (...names: string[]): Section => ({
    server_host: '127.0.0.1',
    server_port: postgresPort,
    server_database: 'postgres',
    users: names.map((username) => ({ username, password: 'x', server_username: 'postgres', pool_size: 2 })),
  });
  return Doorman.start({
    general: {
      pg_hba: 'host all all 127.0.0.1/32 md5',
      talos: { keys: KEYS, databases: ['app', 'part'] },
      sync_server_parameters: true,
      ...general,
    },
    pools: {
      app: users('owner', 'read_write', 'read_only', 'talos'),
      part: users('read_only'),
      unlisted: users('owner', 'read_only', 'talos'),
    },
  });
}

function access(resource: string, ...roles: string[]): Claims {
  return { resource_access: { [resource]: { roles } } };
}

/** The role that it gets, and its application_name at the console and at the server. */
async function logIn(password: string, database = 'app'): Promise<{ user: string; names: string[] }> {
  const client = doorman.client('talos', database, { password, application_name: 'its own' });
  await client.connect();
  try {
    const { rows } = await client.query("select current_setting('application_name') as name");
    const [shown] = (await doorman.admin('show clients')).filter((row) => row.database === database);
    return { user: shown?.user ?? '', names: [shown?.application_name ?? '', rows[0].name] };
  } finally {
    await client.end();
  }
}

describe('the role', () => {
  test('is the highest that the token gives in the database', async () => {
    for (const [roles, user] of [
      [['owner'], 'owner'],
      [['read_only', 'owner', 'read_write'], 'owner'],
      [['read_only', 'read_write'], 'read_write'],
      [['read_only', 'superuser', 'admin'], 'read_only'],
    ] as const) {
      const { user: shown } = await logIn(token(first, access('stage:app', ...roles), KID));
      assert.equal(shown, user);
    }
  });

  test('is collected from all resources of the database, and of no other', async () => {
    const claims = {
      resource_access: {
        'one:app': { roles: ['read_only'] },
        'two:three:app': { roles: ['read_write'] },
        'one:part': { roles: ['owner'] },
        app: { roles: ['owner'] },
        'one:app:other': { roles: ['owner'] },
        'one:APP': { roles: ['owner'] },
        account: {},
      },
    };
    assert.equal((await logIn(token(first, claims, KID))).user, 'read_write');
  });

  test('comes from any of the keys, each for the kid that is its own', async () => {
    const claims = access('x:app', 'read_only');
    assert.equal((await logIn(token(second, claims, { kid: 'talos.key-1' }))).user, 'read_only');
    await assert.rejects(logIn(token(second, claims, KID)), REFUSED);
  });
});

test('clientId becomes the application name, for the console and for the server', async () => {
  const claims = access('x:app', 'owner');
  assert.deepEqual((await logIn(token(first, { ...claims, clientId: 'service-a' }, KID))).names, [
    'service-a',
    'service-a',
  ]);
  assert.deepEqual((await logIn(token(first, claims, KID))).names, ['its own', 'its own']);
});

test('a clientId cannot say anything else to anybody', async () => {
  const clientId = "a\0'; drop table x --\r\n";
  const { names } = await logIn(token(first, { ...access('x:app', 'owner'), clientId }, KID));
  assert.deepEqual(names, ["a?'; drop table x --??", "a?'; drop table x --??"]);
});

describe('nobody gets in with', () => {
  const claims = access('x:app', 'owner');
  const ATTEMPTS: Readonly<Record<string, string>> = {
    'a kid that is a path': token(first, claims, { kid: '../../etc/passwd' }),
    'a kid that is the path of the key': token(first, claims, { kid: KEYS[0] }),
    'a kid with its ending': token(first, claims, { kid: 'talos.key-0.pem' }),
    'a kid that every object has': token(first, claims, { kid: '__proto__' }),
    'a kid that is no text': token(first, claims, { kid: ['talos.key-0'] }),
    'no kid': token(first, claims),
    "a stranger's key": token(stranger, claims, KID),
    'HS256 signed by the public key': hmacToken(first.publicKey, claims, KID),
    'no exp': token(first, { ...claims, exp: undefined }, KID),
    'an exp that is over': token(first, { ...claims, exp: inSeconds(-1) }, KID),
    'an nbf that is to come': token(first, { ...claims, nbf: inSeconds(60) }, KID),
    'a role in another database': token(first, access('x:part', 'owner'), KID),
    'a role that is none': token(first, access('x:app', 'postgres'), KID),
    'no roles': token(first, access('x:app'), KID),
    'no resource_access': token(first, { preferred_username: 'owner' }, KID),
    'a resource_access that is none': token(first, { resource_access: ['x:app'] }, KID),
    'a clientId that is none': token(first, { ...claims, clientId: {} }, KID),
    'a password': 'x',
  };
  for (const [what, attempt] of Object.entries(ATTEMPTS)) {
    test(what, async () => {
      await assert.rejects(logIn(attempt), REFUSED);
    });
  }

  test('a database that is not listed, whatever the token says', async () => {
    await assert.rejects(logIn(token(first, access('x:unlisted', 'owner'), KID), 'unlisted'), REFUSED);
    await assert.rejects(logIn(token(first, access('x:pgdoorman', 'owner'), KID), 'pgdoorman'), REFUSED);
  });

  test('a role that the pool has no user for', async () => {
    await assert.rejects(logIn(token(first, access('x:part', 'owner'), KID), 'part'), { code: '3D000' });
  });

  test('a rule that rejects talos', async () => {
    const strict = await start({ pg_hba: 'host all owner 127.0.0.1/32 trust' });
    const client = strict.client('talos', 'app', { password: token(first, claims, KID) });
    await assert.rejects(client.connect(), { code: '28000' });
    await strict.stop();
  });
});

test('a rule that trusts does not make a token unnecessary: who would it be?', async () => {
  const trusting = await start({ pg_hba: 'host all all 127.0.0.1/32 trust' });
  await assert.rejects(trusting.client('talos', 'app', { password: 'x' }).connect(), REFUSED);
  const client = trusting.client('talos', 'app', { password: token(first, access('x:app', 'owner'), KID) });
  await client.connect();
  await client.end();
  await trusting.stop();
});

test('without keys talos is a user as any other', async () => {
  const plain = await start({ talos: { databases: ['app'] } });
  const client = plain.client('talos', 'app', { password: 'x' });
  await client.connect();
  await client.end();
  await plain.stop();
});

test('the log says why, with address and method, and never a token', async () => {
  const own = await start();
  const attempt = token(first, access('x:part', 'owner'), KID);
  await assert.rejects(own.client('talos', 'app', { password: attempt }).connect());
  await own.logged(/login refused: .* \(talos: it gives no role in app\).*user=talos database=app/);
  const good = own.client('talos', 'app', { password: token(first, access('x:app', 'owner'), KID) });
  await good.connect();
  await good.end();
  await own.logged(/client connected .*user=owner database=app address=127\.0\.0\.1.* method=talos/);
  for (const part of attempt.split('.')) assert.ok(!own.log.includes(part.slice(0, 20)));
  await own.stop();
});
