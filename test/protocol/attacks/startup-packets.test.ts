/** What comes before and around a login: names that are none, packets where none belong, parameters that are meant for
 *  somebody else. Bytes in the clear behind an SSLRequest and handshakes that stop half-way: test/integration/tls-clients.
 *  docs/security.md has the list. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { Doorman } from '../../support/doorman.js';
import { FakePostgres, greet } from '../../support/fake-postgres.js';
import { errorFields, message, packet, query, startup, string } from '../../support/messages.js';
import { pool, poolAt } from '../../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../../support/wire-client.js';

const PROTOCOL_3_0 = 196608;
const md5 = (text: string | Buffer): string => createHash('md5').update(text).digest('hex');
const HASH = md5('password of the tests' + 'alice');
const doorman = await Doorman.start({
  general: { pg_hba: 'host all alice all md5\nhost all all all trust', sync_server_parameters: true },
  pools: {
    app: pool(
      {},
      {
        users: [
          { username: 'postgres', pool_size: 1 },
          { username: 'alice', password: `md5${HASH}`, server_username: 'postgres' },
        ],
      },
    ),
  },
});
after(() => doorman.stop());

/** The error that these packets get. */
async function refusalOf(...packets: Uint8Array[]): Promise<Record<string, string>> {
  const client = await WireClient.open(doorman.port);
  client.send(...packets);
  const error = (await client.closed()).find(({ tag }) => tag === 'E');
  assert.ok(error, 'closed without a word');
  return errorFields(error);
}

describe('names', () => {
  test('a user name of 10 KB is more than a startup packet may have', async () => {
    const { C, M } = await refusalOf(startup({ user: 'x'.repeat(10_240), database: 'app' }));
    assert.equal(C, '08P01');
    assert.ok((M?.length ?? 0) < 200, 'the name comes back');
  });

  test('the longest that fits is a name that nobody has', async () => {
    const { C } = await refusalOf(startup({ user: 'x'.repeat(8100), database: 'app' }));
    assert.equal(C, '3D000');
  });

  test('a zero byte ends the name, and what follows is no parameter', async () => {
    const fields = [string('user'), Buffer.from('post\0gres\0'), string('database'), string('app')];
    const { C } = await refusalOf(packet(PROTOCOL_3_0, ...fields, Buffer.of(0)));
    assert.equal(C, '08P01');
  });

  for (const user of [`'; drop table x; --`, '"postgres"', 'postgres ', 'POSTGRES', '../postgres', '%s%n']) {
    test(`${JSON.stringify(user)} is a name like any other, and not that of postgres`, async () => {
      const { C, M } = await refusalOf(startup({ user, database: 'app' }));
      assert.deepEqual([C, M], ['3D000', `No pool configured for database: app, user: ${user}`]);
    });
  }

  test('what a terminal obeys, and ends of lines, do not come into the log as they are', async () => {
    const user = '\x1b]0;owned\x07\n2026-01-01 ERROR forged entry';
    await refusalOf(startup({ user, database: 'app' }));
    await doorman.logged(/\\x1b\]0;owned\\x07\n {4}2026-01-01 ERROR forged entry/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(doorman.log, /\x1b\]|\x07/);
  });
});

describe('packets where none belong', () => {
  /** A client that has been asked for its password, and the answer. */
  async function asked(): Promise<{ client: WireClient; password: Buffer }> {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'alice', database: 'app' }));
    const [question] = await client.until('R');
    const salted = Buffer.concat([Buffer.from(HASH), question?.body.subarray(4) ?? Buffer.alloc(0)]);
    return { client, password: message('p', string(`md5${md5(salted)}`)) };
  }

  test('a StartupMessage of another user behind the password is no second login', async () => {
    const { client, password } = await asked();
    client.send(password, startup({ user: 'postgres', database: 'app' }), query('select current_user'));
    const answer = await client.closed();
    assert.match(tagsOf(answer), /^RS+KZE$/);
    assert.equal(sqlstateOf(answer), '08P01');
  });

  test('a StartupMessage in place of the password is no second login', async () => {
    const { client, password } = await asked();
    client.send(startup({ user: 'postgres', database: 'app' }), password);
    const answer = await client.closed();
    assert.equal(tagsOf(answer), 'E');
    assert.equal(sqlstateOf(answer), '08P01');
  });

  test('two StartupMessages at once are one login and a broken protocol', async () => {
    const both = [
      startup({ user: 'alice', database: 'app' }),
      startup({ user: 'postgres', database: 'app' }),
    ];
    assert.equal((await refusalOf(...both)).C, '08P01');
  });

  test('a query before the password is not answered', async () => {
    const { client, password } = await asked();
    client.send(query('select 1'), password);
    const answer = await client.closed();
    assert.equal(tagsOf(answer), 'E');
    assert.equal(sqlstateOf(answer), '08P01');
  });
});

describe('parameters', () => {
  const EVIL = "UTF8'; create table stolen(); --";

  test('search_path and options of a client reach no server and no other client', async () => {
    let heard = '';
    const fake = await FakePostgres.start({
      onStartup: (session) => {
        session.socket.on('data', (bytes) => {
          heard += bytes.toString('latin1');
        });
        greet(session);
      },
    });
    const other = await Doorman.start({
      general: { sync_server_parameters: true },
      pools: { app: poolAt(fake.port) },
    });
    const client = await WireClient.login(other.port, 'postgres', 'app', {
      search_path: 'evil',
      options: '-c search_path=evil -c session_preload_libraries=evil',
      role: 'evil',
    });
    assert.equal(await client.value('select 1'), 'fake');
    client.close();
    assert.match(heard, /select 1/);
    assert.doesNotMatch(heard, /evil/);
    await other.stop();
    await fake.stop();
  });

  test('what stands in a parameter is a value, not SQL', async () => {
    for (const name of ['application_name', 'client_encoding', 'DateStyle', 'TimeZone']) {
      const client = await WireClient.open(doorman.port);
      client.send(startup({ user: 'postgres', database: 'app', [name]: EVIL }), query('select 1'));
      await client.until('Z', 'E');
      await client.until('Z', 'E');
      client.close();
    }
    const client = await WireClient.login(doorman.port, 'postgres', 'app');
    assert.equal(await client.value("select to_regclass('stolen')"), null);
    client.close();
  });
});

test('what a client sends while its login waits for a server does not pile up', async () => {
  const fake = await FakePostgres.start({ onStartup: () => {} }); // and nothing more
  const other = await Doorman.start({ pools: { app: poolAt(fake.port, {}, { connect_timeout: 3000 }) } });
  const peakKb = (): number =>
    Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${other.pid}/status`, 'utf8'))?.[1]);
  const before = peakKb();
  const client = await WireClient.open(other.port);
  client.send(startup({ user: 'postgres', database: 'app' }));
  const piece = Buffer.alloc(1 << 20, 'Q');
  for (let i = 0; i < 64; i++) client.send(piece);
  assert.equal(sqlstateOf(await client.closed()), '08006');
  assert.ok(peakKb() - before < 32 * 1024, `${before} KB became ${peakKb()} KB`);
  await other.stop();
  await fake.stop();
});
