/** SCRAM-SHA-256-PLUS on both sides of the pooler, and somebody in between who takes part in TLS. RFC 5802, RFC 5929. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { ScramSecret } from '../fuzz/scram.js';
import { BOUND, boundLogin, type Manner, PLAIN, PLUS } from '../support/bound-login.js';
import { Authority, type Identity, secretFile } from '../support/certificates.js';
import { Doorman, type Section } from '../support/doorman.js';
import { startup } from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { pool, poolAt } from '../support/shared-postgres.js';
import { TlsProxy } from '../support/tls-proxy.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';

const authority = new Authority('CA of the tests');
const own = authority.signLocal();
const strangers = authority.signLocal();
const secret = new ScramSecret('password of the tests');
const SCRAM_ONLY = 'host all all 127.0.0.1/32 scram-sha-256';

/** Users whose server is the shared PostgreSQL, which trusts. */
function usersOf(verifier: string): Section {
  const user = { username: 'alice', password: verifier, server_username: 'postgres', pool_size: 2 };
  return pool({}, { users: [user] });
}

function doormanWith(certificate = own, more: Section = {}): Promise<Doorman> {
  return Doorman.start({
    general: {
      pg_hba: SCRAM_ONLY,
      tls_certificate: secretFile(certificate.certificate),
      tls_private_key: secretFile(certificate.privateKey),
      ...more,
    },
    pools: { app: usersOf(secret.verifier) },
  });
}

function derOf({ certificate }: Identity): Buffer {
  return Buffer.from(certificate.replace(/-----[^-]*-----|\s/g, ''), 'base64');
}

describe('clients', () => {
  for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
    test(`a login is bound to a certificate that is signed with ${hash}`, async () => {
      const identity = authority.signLocal({ hash });
      const doorman = await doormanWith(identity);
      const right = { data: createHash(hash).update(derOf(identity)).digest() };
      const { offered, answer, client } = await boundLogin(doorman.port, 'alice', secret, right);
      assert.deepEqual(offered, [PLUS, PLAIN]);
      assert.equal(sqlstateOf(answer), '');
      assert.equal(await client.value('select 42'), '42');
      client.close();
      await doorman.stop();
    });
  }

  test('without TLS there is nothing to bind to, and it is not offered', async () => {
    const doorman = await doormanWith();
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'alice', database: 'app' }));
    const [asked] = await client.until('R');
    assert.equal(asked?.body.toString('latin1', 4), `${PLAIN}\0\0`);
    client.close();
    await doorman.stop();
  });

  test('over TLS a client may still do without', async () => {
    const doorman = await doormanWith();
    const { answer, client } = await boundLogin(doorman.port, 'alice', secret, { mechanism: PLAIN });
    assert.equal(sqlstateOf(answer), '');
    client.close();
    await doorman.stop();
  });

  // what a client does wrong, and what is logged of it
  const WRONG: readonly (readonly [string, Manner, string, RegExp])[] = [
    ['binds to another certificate', { data: Buffer.alloc(32) }, '28P01', /channel binding does not match/],
    ['binds to nothing', { data: Buffer.alloc(0) }, '28P01', /channel binding does not match/],
    ['says PLUS and does not bind', { header: 'n,,' }, '28P01', /the mechanism wants channel binding/],
    ['binds in another way', { header: 'p=tls-unique,,' }, '28P01', /the mechanism wants channel binding/],
    [
      'binds without PLUS',
      { mechanism: PLAIN, header: BOUND },
      '28P01',
      /the mechanism is one without channel binding/,
    ],
    [
      'has not seen the offer, which somebody has taken away',
      { mechanism: PLAIN, header: 'y,,' },
      '28P01',
      /channel binding was offered and the client has not seen it/,
    ],
    ['chooses what is not offered', { mechanism: 'SCRAM-SHA-1' }, '08P01', /SASL mechanism that was not/],
  ];
  for (const [what, manner, sqlstate, log] of WRONG) {
    test(`a client that ${what} is refused`, async () => {
      const doorman = await doormanWith();
      const { answer } = await boundLogin(doorman.port, 'alice', secret, manner);
      assert.equal(sqlstateOf(answer), sqlstate);
      await doorman.logged(log);
      await doorman.stop();
    });
  }

  test('somebody in between with another certificate is found out by a client that binds', async () => {
    const doorman = await doormanWith();
    const between = await TlsProxy.start(doorman.port, strangers);
    const bound = await boundLogin(between.port, 'alice', secret);
    assert.equal(sqlstateOf(bound.answer), '28P01');
    // That the same way is open to one who does not bind shows what the binding is for.
    const unbound = await boundLogin(between.port, 'alice', secret, { mechanism: PLAIN });
    assert.equal(sqlstateOf(unbound.answer), '');
    unbound.client.close();
    between.stop();
    await doorman.stop();
  });
});

describe('servers', async () => {
  const postgres = await Postgres.create(
    'local all all trust\nhost all postgres 127.0.0.1/32 trust\n',
    { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key' },
    { 'server.crt': own.certificate, 'server.key': own.privateKey },
  );
  after(() => postgres.remove());
  await postgres.query(`create role alice login password '${secret.verifier}'`);
  await postgres.stop();
  await postgres.start('host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n');
  const bySecret = { password: secret.password };
  const byPassthrough = { password: secret.verifier };

  /** A doorman whose servers are reached by this port, and what a client of it gets. */
  async function answerBy(port: number, user: Section, mode = 'require'): Promise<string> {
    const section = poolAt(port, {}, { server_tls_mode: mode, users: [{ username: 'alice', ...user }] });
    const doorman = await Doorman.start({ general: { pg_hba: SCRAM_ONLY }, pools: { app: section } });
    const client = doorman.client('alice', 'app', { password: secret.password });
    try {
      await client.connect();
      const { rows } = await client.query('select current_user::text as name');
      await client.end();
      return rows[0].name;
    } catch (error) {
      return String(error);
    } finally {
      await doorman.stop();
    }
  }

  /** The mechanism that the pooler chose, as somebody saw it who has the server's own key. */
  function chosen({ said }: TlsProxy): string {
    return /SCRAM-SHA-256(-PLUS)?/.exec(Buffer.concat(said).toString('latin1'))?.[0] ?? '';
  }

  for (const [by, user] of [
    ['a password', bySecret],
    ["the client's own exchange", byPassthrough],
  ] as const) {
    test(`the pooler binds its login with ${by} where the server offers it`, async () => {
      const observer = await TlsProxy.start(postgres.port, own);
      assert.equal(await answerBy(observer.port, user), 'alice');
      assert.equal(chosen(observer), PLUS);
      assert.ok(Buffer.concat(observer.said).includes(`${BOUND}n=,r=`));
      observer.stop();
    });
  }

  for (const hash of ['md5', 'sha1'] as const) {
    test(`to a certificate that is signed with ${hash} it binds by SHA-256`, async () => {
      const old = authority.signLocal({ hash });
      const observer = await TlsProxy.start(postgres.port, old);
      assert.match(await answerBy(observer.port, bySecret), /channel binding check failed/); // PostgreSQL has another
      const bound = Buffer.concat([Buffer.from(BOUND), createHash('sha256').update(derOf(old)).digest()]);
      assert.ok(Buffer.concat(observer.said).includes(`c=${bound.toString('base64')},`));
      observer.stop();
    });
  }

  test('without TLS it does not bind, and logs in', async () => {
    assert.equal(await answerBy(postgres.port, bySecret, 'disable'), 'alice');
  });

  test('somebody in between with another certificate gets no login out of it', async () => {
    const between = await TlsProxy.start(postgres.port, strangers);
    assert.match(await answerBy(between.port, bySecret), /channel binding check failed/);
    between.stop();
  });

  test('somebody who takes the offer of PLUS away is found out by PostgreSQL', async () => {
    const offer = Buffer.from(`${PLUS}\0`);
    const between = await TlsProxy.start(postgres.port, strangers, (bytes) => {
      const at = bytes.indexOf(offer);
      if (at === -1) return bytes;
      const less = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + offer.length)]);
      less.writeInt32BE(less.readInt32BE(1) - offer.length, 1);
      return less;
    });
    assert.match(await answerBy(between.port, bySecret), /SCRAM channel binding negotiation error/);
    assert.equal(chosen(between), PLAIN);
    assert.ok(Buffer.concat(between.said).includes('y,,n=,r='));
    between.stop();
  });
});
