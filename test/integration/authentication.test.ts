/** Every way that passwords are proved on both sides, with real PostgreSQL behind and a real driver before. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { ScramSecret, saslInitialResponse } from '../fuzz/scram.js';
import { Doorman, type DoormanOptions, type Section } from '../support/doorman.js';
import { errorFields, message, startup } from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { sqlstateOf, WireClient } from '../support/wire-client.js';

const PASSWORD = 'sécret "pass\' word';
const postgres = await Postgres.create('local all all trust\nhost all postgres 127.0.0.1/32 trust\n');
after(() => postgres.remove());
const md5 = (user: string): string =>
  `md5${createHash('md5')
    .update(PASSWORD + user)
    .digest('hex')}`;
const literal = `E'${PASSWORD.replaceAll("'", "\\'")}'`;
await postgres.query(`create role scram_user login password ${literal}`);
await postgres.query(`set password_encryption = md5; create role md5_user login password ${literal}`);
const { rows } = await postgres.query("select rolpassword from pg_authid where rolname = 'scram_user'");
const verifier: string = rows[0].rolpassword;
await postgres.stop();
await postgres.start(`host all postgres 127.0.0.1/32 trust
host all scram_user 127.0.0.1/32 scram-sha-256
host all md5_user 127.0.0.1/32 md5
host all all 127.0.0.1/32 reject
`);

/** A doorman with one user; the pool's server is postgres, who is trusted, unless the user says otherwise. */
async function doormanFor(user: Section, hba = 'host all all 127.0.0.1/32 scram-sha-256'): Promise<Doorman> {
  return Doorman.start({
    general: { pg_hba: hba },
    pools: {
      app: {
        server_host: '127.0.0.1',
        server_port: postgres.port,
        server_database: 'postgres',
        users: [user],
      },
    },
  });
}

async function who(doorman: Doorman, user: string, password: string): Promise<unknown> {
  const client = doorman.client(user, 'app', { password });
  await client.connect();
  const { rows } = await client.query('select current_user');
  await client.end();
  return rows[0].current_user;
}

const asPostgres = { server_username: 'postgres', server_password: '' };

describe('clients', () => {
  const forms: Record<string, { password: string; hba: string }> = {
    'a SCRAM verifier': { password: verifier, hba: 'scram-sha-256' },
    'an MD5 hash': { password: md5('app_user'), hba: 'md5' },
    'a plain password, by SCRAM': { password: PASSWORD, hba: 'scram-sha-256' },
    'a plain password where md5 is asked for': { password: PASSWORD, hba: 'md5' },
  };
  for (const [form, { password, hba }] of Object.entries(forms)) {
    test(`${form}: the right password lets in, a wrong one gets 28P01`, async () => {
      const doorman = await doormanFor(
        { username: 'app_user', password, ...asPostgres },
        `host all all 127.0.0.1/32 ${hba}`,
      );
      assert.equal(await who(doorman, 'app_user', PASSWORD), 'postgres');
      for (const wrong of ['wrong', `${PASSWORD}x`, ' ']) {
        await assert.rejects(who(doorman, 'app_user', wrong), { code: '28P01' });
      }
      assert.doesNotMatch(doorman.log, /sécret|SCRAM-SHA-256\$|md5[0-9a-f]{32}/);
      await doorman.stop();
    });
  }

  test('trust asks for nothing', async () => {
    const doorman = await doormanFor(
      { username: 'app_user', password: md5('app_user'), ...asPostgres },
      'host all app_user 127.0.0.1/32 trust',
    );
    assert.equal(await who(doorman, 'app_user', 'anything'), 'postgres');
    await doorman.stop();
  });

  test('reject, and no rule at all, get 28000 with the address and the names', async () => {
    for (const rule of ['host all all 127.0.0.1/32 reject', 'host all all 10.0.0.0/8 trust']) {
      const doorman = await doormanFor({ username: 'app_user', password: '', ...asPostgres }, rule);
      const client = await WireClient.open(doorman.port);
      client.send(startup({ user: 'app_user', database: 'app' }));
      const [error] = await client.closed();
      assert.ok(error);
      assert.equal(errorFields(error).C, '28000');
      assert.match(errorFields(error).M ?? '', /127\.0\.0\.1.*app_user@app/);
      await doorman.stop();
    }
  });

  test('a password message that is none, or none at all, ends with an error', async () => {
    const doorman = await doormanFor({ username: 'app_user', password: PASSWORD, ...asPostgres });
    const bad = [
      message('p'),
      message('p', Buffer.from('SCRAM-SHA-256\0')),
      message('p', Buffer.from('PLAIN\0\0\0\0\0')),
      message('p', Buffer.from('SCRAM-SHA-256\0\xff\xff\xff\xff', 'latin1')),
      message('p', Buffer.from('SCRAM-SHA-256\0\0\0\0\x05n,,n=', 'latin1')),
      message('Q', Buffer.from('select 1\0')),
      message('p', Buffer.alloc(20_000)),
    ];
    for (const bytes of bad) {
      const client = await WireClient.open(doorman.port);
      client.send(startup({ user: 'app_user', database: 'app' }));
      await client.until('R');
      client.send(bytes);
      assert.match(sqlstateOf(await client.closed()), /^(28P01|08P01)$/);
    }
    await doorman.stop();
  });

  test('the console wants its own password', async () => {
    const doorman = await doormanFor({ username: 'app_user', password: PASSWORD, ...asPostgres });
    const client = doorman.client('admin', 'pgdoorman', { password: 'wrong' });
    await assert.rejects(client.connect(), { code: '28P01' });
    const other = doorman.client('app_user', 'pgdoorman', { password: PASSWORD });
    await assert.rejects(other.connect(), { code: '28P01' });
    assert.equal((await doorman.admin('show version')).length, 1);
    await doorman.stop();
  });
});

describe('servers', () => {
  test('a password in the file logs in by SCRAM and by MD5', async () => {
    for (const name of ['scram_user', 'md5_user']) {
      const doorman = await doormanFor({
        username: 'app_user',
        password: PASSWORD,
        server_username: name,
        server_password: PASSWORD,
      });
      assert.equal(await who(doorman, 'app_user', PASSWORD), name);
      await doorman.stop();
    }
  });

  test('a wrong password in the file: the client gets what PostgreSQL said', async () => {
    const doorman = await doormanFor({
      username: 'app_user',
      password: PASSWORD,
      server_username: 'scram_user',
      server_password: 'wrong',
    });
    await assert.rejects(who(doorman, 'app_user', PASSWORD), { code: '28P01' });
    await doorman.stop();
  });

  test('the MD5 hash in the file passes through', async () => {
    const doorman = await doormanFor(
      { username: 'md5_user', password: md5('md5_user') },
      'host all all 127.0.0.1/32 md5',
    );
    assert.equal(await who(doorman, 'md5_user', PASSWORD), 'md5_user');
    await doorman.stop();
  });

  test("the client's own SCRAM exchange passes through", async () => {
    const doorman = await doormanFor({ username: 'scram_user', password: verifier });
    assert.equal(await who(doorman, 'scram_user', PASSWORD), 'scram_user');
    assert.equal(await who(doorman, 'scram_user', PASSWORD), 'scram_user');
    await doorman.stop();
  });

  test('one exchange passes through in all workers, for clients too that were not asked for a password', async () => {
    const doorman = await Doorman.start({
      general: {
        worker_threads: 3,
        pg_hba: 'host all all 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.2/32 trust',
      },
      pools: {
        app: {
          server_host: '127.0.0.1',
          server_port: postgres.port,
          server_database: 'postgres',
          users: [{ username: 'scram_user', password: verifier }],
        },
      },
    });
    assert.equal(await who(doorman, 'scram_user', PASSWORD), 'scram_user');
    const address = { host: '127.0.0.1', port: doorman.port, localAddress: '127.0.0.2' };
    const clients: WireClient[] = [];
    for (let i = 0; i < 6; i++) {
      const client = await WireClient.login(address, 'scram_user', 'app');
      await client.query('begin');
      assert.equal(await client.value('select current_user'), 'scram_user');
      clients.push(client);
    }
    const workers = await doorman.admin('SHOW WORKERS');
    assert.ok(workers.filter(({ servers }) => Number(servers) > 0).length > 1, JSON.stringify(workers));
    for (const each of clients) each.close();
    await doorman.stop();
  });

  test('who proves its password to the old process of an upgrade is greeted by the new one, which passes it through', async () => {
    const doorman = await doormanFor({ username: 'scram_user', password: verifier, pool_size: 1 });
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'scram_user', database: 'app' }));
    await client.until('R');
    client.send(saslInitialResponse());
    const serverFirst = (await client.until('R')).at(-1)?.body.toString('latin1', 4) ?? '';
    const old = doorman.pid;
    await doorman.upgrade();
    client.send(ScramSecret.for(PASSWORD, serverFirst).clientFinal(serverFirst));
    await client.until('Z');
    assert.equal(await client.value('select current_user'), 'scram_user');
    await doorman.isReplaced(old);
    client.close();
    await doorman.stop();
  });

  test('what passes through outlives a RELOAD that has all servers opened anew', async () => {
    for (const [username, password] of [
      ['scram_user', verifier],
      ['md5_user', md5('md5_user')],
    ]) {
      const options = (general: Section): DoormanOptions => ({
        general: { pg_hba: 'host all all 127.0.0.1/32 md5', worker_threads: 2, ...general },
        pools: {
          app: {
            server_host: '127.0.0.1',
            server_port: postgres.port,
            server_database: 'postgres',
            users: [{ username, password }],
          },
        },
      });
      const doorman = await Doorman.start(options({}));
      const client = doorman.client(username ?? '', 'app', { password: PASSWORD });
      await client.connect();
      const pidOf = async (): Promise<number> =>
        (await client.query('select pg_backend_pid() as pid')).rows[0].pid;
      const before = await pidOf();
      doorman.rewrite(options({ connect_timeout: 4321 }));
      await doorman.admin('RELOAD');
      await doorman.admin('RECONNECT');
      assert.notEqual(await pidOf(), before);
      await client.end();
      await doorman.stop();
    }
  });

  test('cleartext is given to a server that asks for it', async () => {
    const clear = await Postgres.create(
      'local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 password\n',
    );
    try {
      await clear.query(`create role clear_user login password ${literal}`);
      const doorman = await Doorman.start({
        general: { pg_hba: 'host all all 127.0.0.1/32 trust' },
        pools: {
          app: {
            server_host: '127.0.0.1',
            server_port: clear.port,
            server_database: 'postgres',
            users: [{ username: 'app_user', server_username: 'clear_user', server_password: PASSWORD }],
          },
        },
      });
      assert.equal(await who(doorman, 'app_user', ''), 'clear_user');
      await doorman.stop();
    } finally {
      await clear.remove();
    }
  });
});
