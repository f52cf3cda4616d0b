/** JSON Web Tokens as passwords: who gets in with which, and the ways that others try. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import type pg from 'pg';
import { Authority, secretFile } from '../support/certificates.js';
import { Doorman, type DoormanOptions, type Section } from '../support/doorman.js';
import { errorFields, message, startup } from '../support/messages.js';
import { pool, postgresPort } from '../support/shared-postgres.js';
import { openTls } from '../support/tls-client.js';
import { type Claims, hmacToken, inSeconds, newSigner, token, unsignedToken } from '../support/token-keys.js';
import { tagsOf, WireClient } from '../support/wire-client.js';

const rsa = newSigner('RS256');
const elliptic = newSigner('ES256');
const edwards = newSigner('EdDSA');
const stranger = newSigner('RS256');
const ALICE: Claims = { preferred_username: 'alice' };
const INVALID = { code: '28P01', message: 'JWT token validation failed. Please provide a valid token.' };

const authority = new Authority('CA of the tests');
const server = authority.signLocal();
const doorman = await start({
  tls_certificate: secretFile(server.certificate),
  tls_private_key: secretFile(server.privateKey),
});
after(() => doorman.stop());

function start(general: Section = {}): Promise<Doorman> {
  const keys = {
    alice: rsa.publicKey,
    elliptic: elliptic.publicKey,
    edwards: edwards.publicKey,
    both: rsa.publicKey + elliptic.publicKey,
  };
  const users = Object.entries(keys).map(([username, pem]) => ({
    username,
    password: `jwt-pkey-fpath:${secretFile(pem)}`,
    server_username: 'postgres',
  }));
  return Doorman.start({
    general: { pg_hba: 'host all all 127.0.0.1/32 md5', ...general },
    pools: {
      app: {
        server_host: '127.0.0.1',
        server_port: postgresPort,
        server_database: 'postgres',
        users: [...users, { username: 'listed', password: 'plain', server_username: 'postgres' }],
      },
    },
  });
}

/** What a server says to a client that logs in so. */
async function select1(password: string, user = 'alice'): Promise<unknown> {
  const client = doorman.client(user, 'app', { password });
  await client.connect();
  const { rows } = await client.query('select 1 as one');
  await client.end();
  return rows[0].one;
}

function decoded(part: string | undefined): Claims {
  return JSON.parse(Buffer.from(part ?? '', 'base64url').toString());
}

describe('a token lets in', () => {
  for (const [signer, user] of [
    [rsa, 'alice'],
    [elliptic, 'elliptic'],
    [edwards, 'edwards'],
    [{ ...edwards, alg: 'Ed25519' }, 'edwards'],
    [rsa, 'both'],
    [elliptic, 'both'],
  ] as const) {
    test(`${user}, by ${signer.alg}`, async () => {
      assert.equal(await select1(token(signer, { preferred_username: user }), user), 1);
    });
  }

  test('with the claims of an identity provider, 40 KB of them', async () => {
    const groups = Array.from({ length: 1000 }, (_, index) => `/organisation/team-${index}/members`);
    const claims = { ...ALICE, groups, iat: inSeconds(-5), nbf: inSeconds(-5), iss: 'https://issuer' };
    assert.equal(await select1(token(rsa, claims, { kid: '2026-11', typ: 'at+jwt' })), 1);
  });

  test('when its header names another kid, or a file: the key is the configuration’s', async () => {
    assert.equal(await select1(token(rsa, ALICE, { kid: '../../etc/passwd' })), 1);
  });
});

describe('nobody gets in with', () => {
  const publicDer = createPublicKey(rsa.publicKey).export({ type: 'spki', format: 'der' });
  const [header = '', claims = '', signature = ''] = token(rsa, ALICE).split('.');
  const root = Buffer.from(JSON.stringify({ ...decoded(claims), preferred_username: 'root' }));
  const ATTEMPTS: Readonly<Record<string, string>> = {
    'alg none': unsignedToken('none', ALICE),
    'alg nOnE': unsignedToken('nOnE', ALICE),
    'alg RS256 and no signature': unsignedToken('RS256', ALICE),
    'HS256 signed by the public key as it stands in the file': hmacToken(rsa.publicKey, ALICE),
    'HS256 signed by the public key without its last line end': hmacToken(rsa.publicKey.trim(), ALICE),
    'HS256 signed by the public key as bytes': hmacToken(publicDer, ALICE),
    'HS256 signed by nothing': hmacToken('', ALICE),
    'no exp': token(rsa, { ...ALICE, exp: undefined }),
    'an exp that is over': token(rsa, { ...ALICE, exp: inSeconds(-1) }),
    'an exp that is a text': token(rsa, { ...ALICE, exp: String(inSeconds(60)) }),
    'an exp that is null': token(rsa, { ...ALICE, exp: null }),
    'an nbf that is to come': token(rsa, { ...ALICE, nbf: inSeconds(60) }),
    "a stranger's key": token(stranger, ALICE),
    "a stranger's key, which the token brings along": token(stranger, ALICE, {
      jwk: createPublicKey(stranger.publicKey).export({ format: 'jwk' }),
      jku: 'http://127.0.0.1:1/keys',
      x5u: 'http://127.0.0.1:1/keys',
    }),
    'a key of another algorithm': token(elliptic, ALICE),
    'an algorithm of the same key that is not allowed': token({ ...rsa, alg: 'RS256' }, ALICE, {
      alg: 'PS256',
    }),
    'a crit that is not understood': token(rsa, ALICE, { crit: ['x'], x: 1 }),
    'a payload that is not encoded': token(rsa, ALICE, { b64: false, crit: ['b64'] }),
    'claims changed after signing': `${header}.${root.toString('base64url')}.${signature}`,
    'the signature of another token': `${header}.${claims}.${token(rsa, { a: 1 }).split('.')[2]}`,
    'no preferred_username': token(rsa, { sub: 'alice' }),
    'a list as preferred_username': token(rsa, { preferred_username: ['alice'] }),
    'claims that are no table': `${header}.${Buffer.from('"alice"').toString('base64url')}.${signature}`,
    'an encrypted token': `${header}.a.b.c.d`,
    'two parts': `${header}.${claims}`,
    'a password': 'alice',
    nothing: ' ',
    'a very long one': `${header}.${claims}.${'A'.repeat(60_000)}`,
  };
  for (const [what, attempt] of Object.entries(ATTEMPTS)) {
    test(what, async () => {
      await assert.rejects(select1(attempt), INVALID);
    });
  }

  test('a token for another user, and both are named', async () => {
    const attempt = select1(token(rsa, { preferred_username: 'bob' }));
    await assert.rejects(attempt, {
      code: '28P01',
      message:
        "JWT token username mismatch. Token contains username 'bob' but you're trying to connect as 'alice'.",
    });
  });

  test('a user name that is alice up to a zero, in another case, or with a blank', async () => {
    for (const preferred_username of ['alice\0root', 'Alice', 'alice ', 'ａlice']) {
      await assert.rejects(select1(token(rsa, { preferred_username })), {
        code: '28P01',
        message: /mismatch/,
      });
    }
  });

  test('a token where a password is stored', async () => {
    await assert.rejects(select1(token(rsa, { preferred_username: 'listed' }), 'listed'), { code: '28P01' });
  });

  test('bytes that are no text', async () => {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'alice', database: 'app' }));
    assert.equal(tagsOf(await client.until('R')), 'R');
    client.send(message('p', Buffer.from('\xff\xfe\0', 'latin1')));
    const [error] = await client.closed();
    assert.ok(error);
    assert.match(errorFields(error).M ?? '', /^Invalid JWT token format/);
    assert.equal(errorFields(error).C, '28P01');
  });

  test('more than a token may be long', async () => {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'alice', database: 'app' }));
    await client.until('R');
    client.send(message('p', Buffer.alloc(70_000, 'a')));
    const [error] = await client.closed();
    assert.ok(error);
    assert.equal(errorFields(error).C, '08P01');
  });

  test('a rule that rejects them, whatever their token', async () => {
    const strict = await start({ pg_hba: 'host all all 127.0.0.1/32 reject' });
    const client = strict.client('alice', 'app', { password: token(rsa, ALICE) });
    await assert.rejects(client.connect(), { code: '28000' });
    await strict.stop();
  });
});

test('keys are rotated by RELOAD, in the same file or by the name of another', async () => {
  const next = newSigner('ES256');
  const file = secretFile(rsa.publicKey);
  const options = (password: string): DoormanOptions => ({
    general: { pg_hba: 'host all all 127.0.0.1/32 md5' },
    pools: { app: pool({}, { users: [{ username: 'alice', password, server_username: 'postgres' }] }) },
  });
  const own = await Doorman.start(options(`jwt-pkey-fpath:${file}`));
  const comes = async (password: string): Promise<pg.Client> => {
    const client = own.client('alice', 'app', { password });
    await client.connect();
    return client;
  };
  const early = await comes(token(rsa, ALICE));
  await assert.rejects(comes(token(next, ALICE)), INVALID);

  writeFileSync(file, rsa.publicKey + next.publicKey); // for as long as both are in use
  await own.admin('RELOAD');
  for (const signer of [rsa, next]) await (await comes(token(signer, ALICE))).end();

  own.rewrite(options(`jwt-pkey-fpath:${secretFile(next.publicKey)}`));
  await own.admin('RELOAD');
  await (await comes(token(next, ALICE))).end();
  await assert.rejects(comes(token(rsa, ALICE)), INVALID);
  assert.equal((await early.query('select 1 as one')).rows[0].one, 1); // who is in stays in
  await early.end();
  await own.stop();
});

test('a rule that trusts lets in without a token', async () => {
  const trusting = await start({ pg_hba: 'host all all 127.0.0.1/32 trust' });
  const client = await WireClient.login(trusting.port, 'alice', 'app');
  assert.equal(await client.value('select 1'), '1');
  client.close();
  await trusting.stop();
});

test('what a client sends before it is told that it is in is answered afterwards', async () => {
  const client = await WireClient.open(doorman.port);
  client.send(startup({ user: 'alice', database: 'app' }));
  await client.until('R');
  client.send(message('p', Buffer.from(`${token(rsa, ALICE)}\0`)), message('Q', Buffer.from('select 7\0')));
  assert.match(tagsOf(await client.until('Z')), /^RS+KZ$/);
  assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
  client.close();
});

test('a client that goes while its token is looked at, or floods, ends alone', async () => {
  for (const more of [Buffer.alloc(0), Buffer.alloc(1_000_000)]) {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'alice', database: 'app' }));
    await client.until('R');
    client.send(message('p', Buffer.from(`${token(rsa, ALICE)}\0`)), more);
    client.vanish();
  }
  assert.equal(await select1(token(rsa, ALICE)), 1);
});

test('the log names user, address, method and reason, and no token', async () => {
  const own = await start();
  const attempt = token(rsa, { ...ALICE, exp: inSeconds(-10) });
  await assert.rejects(own.client('alice', 'app', { password: attempt }).connect());
  await own.logged(/login refused: .* \(jwt: "exp" claim timestamp check failed\).*user=alice database=app/);
  const good = token(rsa, ALICE);
  const client = own.client('alice', 'app', { password: good });
  await client.connect();
  await client.end();
  await own.logged(/client connected .*user=alice database=app address=127\.0\.0\.1.* method=jwt/);
  for (const each of [attempt, good]) {
    for (const part of each.split('.')) assert.ok(!own.log.includes(part.slice(0, 20)));
  }
  await own.stop();
});

test('a token in the clear is warned of, once', async () => {
  const own = await start();
  for (let login = 0; login < 3; login++) {
    const client = own.client('alice', 'app', { password: token(rsa, ALICE) });
    await client.connect();
    await client.end();
  }
  const warnings = own.log.match(/alice@app from 127\.0\.0\.1 has sent .* in the clear: use TLS/g);
  assert.equal(warnings?.length, 1);
  await own.stop();
});

test('over TLS nobody is warned', async () => {
  const own = await start({
    tls_certificate: secretFile(server.certificate),
    tls_private_key: secretFile(server.privateKey),
  });
  const client = WireClient.over(await openTls(own.port, { ca: authority.pem }));
  client.send(startup({ user: 'alice', database: 'app' }));
  await client.until('R');
  client.send(message('p', Buffer.from(`${token(rsa, ALICE)}\0`)));
  assert.match(tagsOf(await client.until('Z', 'E')), /^RS+KZ$/);
  client.close();
  assert.doesNotMatch(own.log, /in the clear/);
  await own.stop();
});
