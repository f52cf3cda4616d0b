/** Metrics and health over HTTP, by the real program before a real PostgreSQL. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { METRIC_LIST } from '../../src/control/metrics/catalogue.js';
import { Doorman } from '../support/doorman.js';
import { type Family, readExposition, sampleValue } from '../support/exposition.js';
import { pool } from '../support/shared-postgres.js';

const ME = { user: 'postgres', database: 'app' };

describe('a pooler with prometheus.enabled', () => {
  const started = start({ host: '127.0.0.1' });
  after(async () => (await started).doorman.stop());

  test('/metrics has every metric of the list but those of auth_query, with its type, help and labels', async () => {
    const { address } = await started;
    await scrapeUntil(address, (families) => families.has('pg_doorman_sockets'));
    const families = await scrape(address);
    const expected = METRIC_LIST.filter(([name]) => !name.startsWith('pg_doorman_auth_query'));
    assert.deepEqual(
      [...families.values()].map(({ name, type, help }) => [name, type, help]),
      expected.map(([name, { type, help }]) => [name, type, help]),
    );
    for (const [name, { labels }] of expected) {
      const { le: _, ...others } = families.get(name)?.samples[0]?.labels ?? {};
      assert.deepEqual(Object.keys(others), labels, name);
    }
  });

  test('what clients do is counted', async () => {
    const { doorman, address } = await started;
    const before = await scrape(address);
    const client = doorman.client('postgres', 'app');
    await client.connect();
    await client.query('select 1');
    await client.query('begin; select pg_sleep(0.03)');
    const during = await freshScrape(address);
    assert.equal(sampleValue(during, 'pg_doorman_pools_clients', { status: 'active', ...ME }), 1);
    assert.equal(sampleValue(during, 'pg_doorman_pools_servers', { status: 'active', ...ME }), 1);
    await client.query('commit');
    await assert.rejects(client.query('select * from no_such_table'), { code: '42P01' });
    await client.end();
    const families = await freshScrape(address);
    const grown = (name: string, labels = {}): number => {
      const all = { ...ME, ...labels };
      return sampleValue(families, name, all) - sampleValue(before, name, all);
    };
    assert.equal(grown('pg_doorman_pools_queries_total'), 4);
    assert.equal(grown('pg_doorman_pools_queries_count'), 4);
    assert.equal(grown('pg_doorman_pools_query_duration_seconds_count'), 4);
    assert.ok(grown('pg_doorman_pools_query_duration_seconds_bucket', { le: '0.02' }) <= 3);
    assert.equal(grown('pg_doorman_pools_transactions_total'), 3);
    assert.equal(grown('pg_doorman_pools_wait_duration_seconds_count'), 3);
    assert.ok(grown('pg_doorman_pools_query_duration_seconds_sum') >= 0.03);
    assert.ok(grown('pg_doorman_pools_queries_total_time') >= 30);
    assert.ok(grown('pg_doorman_pools_bytes_total', { direction: 'received' }) > 50);
    const ofError = { ...ME, sqlstate: '42P01' };
    assert.equal(sampleValue(families, 'pg_doorman_pools_errors_total', ofError), 1);
    assert.equal(sampleValue(families, 'pg_doorman_pool_size', ME), 5);
    assert.equal(sampleValue(families, 'pg_doorman_pools_servers', { status: 'active', ...ME }), 0);
  });

  test('connections are counted by what they turn out to be', async () => {
    const { doorman, address } = await started;
    const count = async (type: string): Promise<number> =>
      sampleValue(await freshScrape(address), 'pg_doorman_connections_total', { type });
    const plain = await count('plain');
    const client = doorman.client('postgres', 'app');
    await client.connect();
    await client.end();
    assert.equal(await count('plain'), plain + 1);
    assert.equal(await count('cancel'), 0);
    assert.equal(await count('tls'), 0);
  });

  test('an orchestrator is told that it lives and is ready', async () => {
    const { address } = await started;
    for (const path of ['/health', '/ready']) {
      const answer = await fetch(address + path);
      assert.deepEqual([answer.status, await answer.text()], [200, 'OK\n']);
    }
  });
});

test('while it shuts down it lives, and is not ready', async () => {
  const { doorman, address } = await start({ host: '127.0.0.1' });
  const client = doorman.client('postgres', 'app');
  client.on('error', () => undefined); // the end of the pooler
  await client.connect();
  await client.query('begin; select 1');
  await doorman.admin('SHUTDOWN');
  await doorman.logged(/SHUTDOWN: graceful shutdown/);
  assert.equal((await fetch(`${address}/ready`)).status, 503);
  assert.equal((await fetch(`${address}/health`)).status, 200);
  assert.equal((await fetch(`${address}/metrics`)).status, 200);
  await client.query('commit').catch(() => undefined);
  assert.equal(await doorman.ended(), 0);
});

test('a port that another process has is told, clients are served, and metrics come when it is free', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const address: AddressInfo | string | null = other.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const doorman = await Doorman.start({
    pools: { app: pool() },
    prometheus: { enabled: true, host: '127.0.0.1', port },
  });
  await doorman.logged(
    new RegExp(
      `ERROR metrics cannot be served on 127.0.0.1:${port}: EADDRINUSE \\(another process has it\\)`,
    ),
  );
  const client = doorman.client('postgres', 'app');
  await client.connect();
  await client.query('select 1');
  await client.end();
  await new Promise((resolve) => other.close(resolve));
  await doorman.logged(/metrics on http:/);
  assert.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 200);
  await doorman.stop();
});

test('an IPv6 address is listened on, with or without brackets', async () => {
  for (const host of ['::1', '[::1]']) {
    const { doorman, address } = await start({ host });
    assert.match(address, /^http:\/\/\[::1\]:\d+$/);
    assert.equal((await fetch(`${address}/ready`)).status, 200);
    await doorman.stop();
  }
});

async function start({ host }: { host: string }): Promise<{ doorman: Doorman; address: string }> {
  const doorman = await Doorman.start({
    pools: { app: pool() },
    prometheus: { enabled: true, host, port: 0 },
  });
  const [, address = ''] = await doorman.logged(/metrics on (http:.*)\/metrics/);
  return { doorman, address };
}

async function scrape(address: string): Promise<Map<string, Family>> {
  const answer = await fetch(`${address}/metrics`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return readExposition(await answer.text());
}

async function scrapeUntil(
  address: string,
  isThere: (families: Map<string, Family>) => boolean,
): Promise<Map<string, Family>> {
  for (;;) {
    const families = await scrape(address);
    if (isThere(families)) return families;
  }
}

/** One that was written after this was called. */
async function freshScrape(address: string): Promise<Map<string, Family>> {
  const before = sampleValue(await scrape(address), 'pg_doorman_cpu_seconds_total');
  return scrapeUntil(address, (families) => sampleValue(families, 'pg_doorman_cpu_seconds_total') !== before);
}
