/** Servers that go at every bad moment: the client is told with a SQLSTATE, and the pool recovers by itself. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import { FakePostgres, ONE_ROW, READY } from '../support/fake-postgres.js';
import { freePort } from '../support/free-port.js';
import {
  bind,
  copyData,
  errorFields,
  execute,
  flush,
  int32,
  message,
  parse,
  query,
  startup,
  string,
  sync,
} from '../support/messages.js';
import { Postgres } from '../support/postgres.js';
import { poolAt } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const postgres = await Postgres.create();
after(() => postgres.remove());

describe('PostgreSQL ends a session', async () => {
  const doorman = await Doorman.start({ pools: { postgres: poolAt(postgres.port) } });
  after(() => doorman.stop());
  const login = (): Promise<WireClient> => WireClient.login(doorman.port, 'postgres', 'postgres');
  const kill = async (client: WireClient): Promise<void> => {
    const pid = await client.value('select pg_backend_pid()');
    await postgres.query(`select pg_terminate_backend(${pid})`);
  };
  await postgres.query('create table lost (i int)');

  test('while it is idle: the next query gets another one', async () => {
    const client = await login();
    await kill(client);
    await doorman.logged(/ended by PostgreSQL while idle|server_closed|server_fatal/);
    assert.equal(tagsOf(await client.query('select 1')), 'TDCZ');
    client.close();
  });

  test('in a transaction: the client gets the word of PostgreSQL and is closed', async () => {
    const client = await login();
    await client.query('begin');
    await kill(client);
    assert.match(sqlstateOf(await client.closed()), /^(57P01|08006)$/);
  });

  test('while a query runs', async () => {
    const client = await login();
    await client.query('begin');
    const pid = await client.value('select pg_backend_pid()');
    client.send(query('select pg_sleep(60)'));
    await postgres.query(`select pg_terminate_backend(${pid})`);
    assert.match(sqlstateOf(await client.closed()), /^(57P01|08006)$/);
  });

  test('in COPY FROM STDIN', async () => {
    const client = await login();
    await client.query('begin');
    const pid = await client.value('select pg_backend_pid()');
    client.send(query('copy lost from stdin'));
    await client.until('G');
    await postgres.query(`select pg_terminate_backend(${pid})`);
    client.send(copyData('1\n'));
    assert.match(sqlstateOf(await client.closed()), /^(57P01|08006)$/);
  });

  test('with rows that the client has not read', async () => {
    const client = await login();
    await client.query('begin');
    const pid = await client.value('select pg_backend_pid()');
    client.send(query('select * from generate_series(1, 10000000)'));
    await client.until('D');
    client.socket.pause();
    await postgres.query(`select pg_terminate_backend(${pid})`);
    client.socket.resume();
    const sqlstate = sqlstateOf(await client.closed());
    // PostgreSQL may have been in the middle of a row: then nothing can be said any more.
    if (!client.wasCut) assert.match(sqlstate, /^(57P01|08006)$/);
  });

  test('in a batch', async () => {
    const client = await login();
    client.send(parse('', 'select pg_backend_pid()'), bind('', ''), execute(), flush());
    const row = (await client.until('C')).find(({ tag }) => tag === 'D');
    await postgres.query(`select pg_terminate_backend(${row?.body.toString('utf8', 6)})`);
    client.send(sync());
    assert.match(sqlstateOf(await client.closed()), /^(57P01|08006)$/);
  });
});

describe('a server that does what PostgreSQL never would', () => {
  /** A pool on a server that answers the first query so, and the answer that its client gets. */
  const answerTo = async (onQuery: (socket: import('node:net').Socket) => void): Promise<string> => {
    let isFirst = true;
    const fake = await FakePostgres.start({
      onMessage: ({ tag }, { socket }) => {
        if (tag !== 'Q') return;
        if (isFirst) onQuery(socket);
        else socket.write(Buffer.concat([message('C', string('SELECT 0')), READY]));
        isFirst = false;
      },
    });
    const doorman = await Doorman.start({ pools: { fake: poolAt(fake.port) } });
    const client = await WireClient.login(doorman.port, 'postgres', 'fake');
    client.send(query('select 1'));
    const sqlstate = sqlstateOf(await client.until('Z'));
    const next = await WireClient.login(doorman.port, 'postgres', 'fake');
    assert.equal(tagsOf(await next.query('select 1')), 'CZ');
    next.close();
    await doorman.stop();
    await fake.stop();
    return sqlstate;
  };

  test('it resets the connection', async () => {
    assert.equal(await answerTo((socket) => socket.resetAndDestroy()), '08006');
  });
  test('it closes in the middle of a row: nothing can be said any more', async () => {
    assert.equal(await answerTo((socket) => socket.end(message('D', Buffer.alloc(100)).subarray(0, 50))), '');
  });
  test('it sends a message of a negative length', async () => {
    assert.equal(
      await answerTo((socket) => socket.write(Buffer.concat([Buffer.from('D'), int32(-5)]))),
      '08006',
    );
  });
  test('it goes on with garbage behind a row that was half sent: the row is whole, and then comes the error', async () => {
    const row = message('D', Buffer.from([0, 1]), int32(100), Buffer.alloc(100, 'x'));
    const fake = await FakePostgres.start({
      onMessage: ({ tag }, { socket }) => {
        if (tag === 'Q') socket.write(row.subarray(0, 50));
        if (tag === 'H') socket.write(Buffer.concat([row.subarray(50), message('!', Buffer.alloc(4))]));
      },
    });
    const doorman = await Doorman.start({ pools: { fake: poolAt(fake.port) } });
    const client = await WireClient.login(doorman.port, 'postgres', 'fake');
    client.send(query('select 1'));
    await once(client.socket, 'data');
    client.send(flush());
    const answer = await client.closed();
    assert.equal(tagsOf(answer), 'DE');
    assert.equal(sqlstateOf(answer), '08006');
    await doorman.stop();
    await fake.stop();
  });
  test('an answer too much in the same breath does not reach the client that waits next', async () => {
    const fake = await FakePostgres.start({
      onMessage: ({ body }, { socket }) => {
        if (body.includes('select 2')) socket.write(Buffer.concat([message('C', string('SELECT 0')), READY]));
      },
    });
    const doorman = await Doorman.start({ pools: { fake: poolAt(fake.port, { pool_size: 1 }) } });
    const [first, next] = [
      await WireClient.login(doorman.port, 'postgres', 'fake'),
      await WireClient.login(doorman.port, 'postgres', 'fake'),
    ];
    const comes = async (who: 'cl_active' | 'cl_waiting'): Promise<void> => {
      while ((await doorman.admin('show pools'))[0]?.[who] !== '1');
    };
    first.send(query('select 1'));
    await comes('cl_active');
    next.send(query('select 2'));
    await comes('cl_waiting');
    fake.sessions[0]?.socket.write(Buffer.concat([ONE_ROW, READY, ONE_ROW, READY]));
    assert.equal(tagsOf(await next.until('Z')), 'CZ');
    for (const client of [first, next]) client.close();
    await doorman.stop();
    await fake.stop();
  });
  test('it sends a message that does not exist', async () => {
    assert.equal(await answerTo((socket) => socket.write(message('!', Buffer.alloc(4)))), '08006');
  });
  test('it answers what nobody asked', async () => {
    assert.equal(await answerTo((socket) => socket.write(Buffer.concat([READY, READY, READY]))), '');
  });
  test('it reports a transaction status that does not exist', async () => {
    assert.equal(await answerTo((socket) => socket.write(message('Z', Buffer.from('?')))), '08006');
  });
});

describe('PostgreSQL ends a session right behind an answer', () => {
  const END = message(
    'E',
    string('SFATAL'),
    string('VFATAL'),
    string('C57P01'),
    string('Mended'),
    Buffer.of(0),
  );

  test('outside a transaction: its client need not hear of it, and nobody else gets that server', async () => {
    const fake = await FakePostgres.start({
      onMessage: ({ tag }, { socket }) => {
        if (tag !== 'Q') return;
        const isFirst = socket === fake.sessions[0]?.socket;
        socket.write(Buffer.concat(isFirst ? [ONE_ROW, READY, END] : [ONE_ROW, READY]));
      },
    });
    const doorman = await Doorman.start({ pools: { fake: poolAt(fake.port) } });
    const client = await WireClient.login(doorman.port, 'postgres', 'fake');
    assert.equal(tagsOf(await client.query('select 1')), 'DCZ');
    assert.equal(tagsOf(await client.query('select 1')), 'DCZ');
    assert.equal(fake.sessions.length, 2);
    client.close();
    await doorman.stop();
    await fake.stop();
  });

  test('inside a transaction: its client gets the word', async () => {
    const inTransaction = message('Z', Buffer.from('T'));
    const fake = await FakePostgres.start({
      onMessage: ({ tag }, { socket }) => {
        if (tag === 'Q') socket.end(Buffer.concat([ONE_ROW, inTransaction, END]));
      },
    });
    const doorman = await Doorman.start({ pools: { fake: poolAt(fake.port) } });
    const client = await WireClient.login(doorman.port, 'postgres', 'fake');
    client.send(query('select 1'));
    assert.equal(tagsOf(await client.closed()), 'DCZE');
    await doorman.stop();
    await fake.stop();
  });
});

describe('a server that does not come up', () => {
  test('PostgreSQL is down at the start and comes up later', async () => {
    const port = await freePort();
    const doorman = await Doorman.start({ pools: { postgres: poolAt(port) } });
    const early = await WireClient.open(doorman.port);
    early.send(startup({ user: 'postgres', database: 'postgres' }));
    const [error] = await early.closed();
    assert.ok(error);
    assert.equal(errorFields(error).C, '08006');
    assert.match(`${errorFields(error).M} ${errorFields(error).D}`, /ECONNREFUSED|refused/);
    const fake = await FakePostgres.start({}, port);
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    assert.equal(await client.value('select 1'), 'fake');
    client.close();
    await doorman.stop();
    await fake.stop();
  });

  test('PostgreSQL restarts under the clients: they are told, and then served', async () => {
    const doorman = await Doorman.start({ pools: { postgres: poolAt(postgres.port) } });
    const idle = await WireClient.login(doorman.port, 'postgres', 'postgres');
    await idle.query('select 1');
    await postgres.stop('fast');
    assert.equal(sqlstateOf(await idle.query('select 1')), '08006');
    await postgres.start();
    assert.equal(tagsOf(await idle.query('select 1')), 'TDCZ');
    idle.close();
    await doorman.stop();
  });

  test('a server that accepts and says nothing is given up after connect_timeout', async () => {
    const fake = await FakePostgres.start({ onStartup: () => {} });
    const doorman = await Doorman.start({
      general: { connect_timeout: 200 },
      pools: { fake: poolAt(fake.port) },
    });
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'postgres', database: 'fake' }));
    assert.equal(sqlstateOf(await client.closed()), '08006');
    await doorman.stop();
    await fake.stop();
  });

  test('what PostgreSQL says against the login is passed on', async () => {
    const doorman = await Doorman.start({
      pools: { postgres: poolAt(postgres.port, { server_username: 'no_such_role', server_password: 'x' }) },
    });
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'postgres', database: 'postgres' }));
    assert.equal(sqlstateOf(await client.closed()), '28000');
    await doorman.stop();
  });

  test('a server that accepts and closes at once', async () => {
    const fake = await FakePostgres.start({ onStartup: ({ socket }) => socket.end() });
    const doorman = await Doorman.start({ pools: { fake: poolAt(fake.port) } });
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'postgres', database: 'fake' }));
    assert.equal(sqlstateOf(await client.closed()), '08006');
    await doorman.stop();
    await fake.stop();
  });
});
