/** Messages that are too large, or that come to a stop on their way: what they may cost, and whom. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import { bind, execute, parse, query, string, sync } from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const MB = 1024 * 1024;

function header(tag: string, bodyLength: number): Buffer {
  const bytes = Buffer.from(`${tag}....`);
  bytes.writeInt32BE(bodyLength + 4, 1);
  return bytes;
}

describe('max_memory_usage', () => {
  const start = (): Promise<Doorman> =>
    Doorman.start({ general: { max_memory_usage: '8MB' }, pools: { postgres: pool({ pool_size: 1 }) } });
  const login = (doorman: Doorman): Promise<WireClient> =>
    WireClient.login(doorman.port, 'postgres', 'postgres');

  test('a Parse over it ends its client with 53200, and nobody else notices', async () => {
    const doorman = await start();
    const [large, other] = [await login(doorman), await login(doorman)];
    large.send(header('P', 9 * MB));
    assert.equal(sqlstateOf(await large.closed()), '53200');
    assert.equal(await other.value('select 1'), '1');
    other.close();
    await doorman.stop();
  });

  test('a Parse of 900 MB is refused at its header', async () => {
    const doorman = await start();
    const client = await login(doorman);
    client.send(header('P', 900 * MB));
    assert.equal(sqlstateOf(await client.closed()), '53200');
    await doorman.stop();
  });

  test('what has gone to its server, or whose client has gone, does not count any more', async () => {
    const doorman = await start();
    const text = `select '${'x'.repeat(5 * MB)}'`;
    for (let i = 0; i < 3; i++) {
      const vanishing = await login(doorman);
      vanishing.send(header('P', 6 * MB), Buffer.alloc(1000));
      const client = await login(doorman);
      client.send(query('select 1'));
      await client.until('Z');
      vanishing.vanish();
      while ((await doorman.admin('show clients')).length > 1);
      client.send(parse('', `${text} -- ${i}`), bind('', ''), execute(), sync());
      assert.equal(tagsOf(await client.until('Z')), '12DCZ');
      client.close();
    }
    await doorman.stop();
  });

  test('several that are over it only together: the one that would be too much is refused', async () => {
    const doorman = await start();
    const [first, second] = [await login(doorman), await login(doorman)];
    const [begin, rest] = [header('P', 6 * MB), Buffer.alloc(6 * MB, 0x20)];
    first.send(begin, rest.subarray(0, MB));
    const probe = await login(doorman);
    await probe.query('select 1');
    second.send(begin);
    assert.equal(sqlstateOf(await second.closed()), '53200');
    for (const each of [first, probe]) each.close();
    await doorman.stop();
  });

  test('messages that pass through do not count: a Query of 20 MB, a row of 20 MB', async () => {
    const doorman = await start();
    const client = await login(doorman);
    assert.equal(tagsOf(await client.query(`select '${'x'.repeat(20 * MB)}'`)), 'TDCZ');
    client.close();
    await doorman.stop();
  });
});

describe('proxy_copy_data_timeout', () => {
  const start = (milliseconds = 300): Promise<Doorman> =>
    Doorman.start({
      general: { proxy_copy_data_timeout: milliseconds },
      pools: { postgres: pool({ pool_size: 1 }) },
    });
  const login = (doorman: Doorman): Promise<WireClient> =>
    WireClient.login(doorman.port, 'postgres', 'postgres');

  test('a client that stops in the middle of a Query of 5 MB gives its server back', async () => {
    const doorman = await start();
    const [client, next] = [await login(doorman), await login(doorman)];
    client.send(header('Q', 5 * MB), Buffer.alloc(2 * MB, 0x20));
    const answer = next.value('select 1');
    assert.equal(sqlstateOf(await client.closed()), '08006');
    assert.equal(await answer, '1');
    next.close();
    await doorman.stop();
  });

  test('a client that stops reading in the middle of a row of 50 MB gives its server back', async () => {
    const doorman = await start();
    const [client, next] = [await login(doorman), await login(doorman)];
    client.send(query("select repeat('x', 50 * 1024 * 1024)"));
    await client.until('T');
    client.socket.pause();
    assert.equal(await next.value('select 1'), '1');
    client.socket.resume();
    await client.closed();
    assert.ok(client.wasCut);
    await doorman.logged(/WARN {2}Proxy operation timed out.*\[server_id=1 .*client_id=/);
    next.close();
    await doorman.stop();
  });

  test('a slow reader that goes on reading gets all of it, in more time than that', async () => {
    const timeout = 2000;
    const doorman = await start(timeout);
    const client = await login(doorman);
    const began = performance.now();
    client.send(query("select repeat('x', 50 * 1024 * 1024)"));
    let bytes = 0;
    client.socket.on('data', ({ length }) => {
      const before = bytes;
      bytes += length;
      if (Math.floor(before / MB) === Math.floor(bytes / MB)) return;
      client.socket.pause();
      setTimeout(() => client.socket.resume(), (1.2 * timeout) / 50);
    });
    assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
    assert.ok(performance.now() - began > timeout);
    client.close();
    await doorman.stop();
  });

  test('a server that takes its time before it reads is waited for', async () => {
    const doorman = await start();
    const client = await login(doorman);
    const slow = query('select pg_sleep(1)');
    const large = Buffer.concat([header('Q', 30 * MB), string(`select 1${' '.repeat(30 * MB - 9)}`)]);
    client.send(slow, large);
    assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
    assert.equal(tagsOf(await client.until('Z')), 'TDCZ');
    client.close();
    await doorman.stop();
  });
});
