/** What orchestrators are told in each part of a process's life. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Log } from '../../../../src/control/logs.js';
import { type LifeSigns, MonitoringServer } from '../../../../src/control/metrics/monitoring-server.js';
import type { MetricsSource } from '../../../../src/control/metrics/source.js';
import { readExposition } from '../../../support/exposition.js';
import { figures } from './figures.js';

const STARTING = { isReady: false, isEnding: false };
const SERVING = { isReady: true, isEnding: false };
const ENDING = { isReady: true, isEnding: true };

/** Its address and its log. */
async function open(
  context: TestContext,
  life: LifeSigns,
  workersAlive: readonly boolean[],
): Promise<{ address: string; lines: string[] }> {
  const workers: MetricsSource['workers'] = () =>
    workersAlive.map((isAlive, worker) => ({ worker, isAlive, clients: 0, servers: 0, busy: 0 }));
  const lines: string[] = [];
  const log = new Log({ level: 'info', format: 'text', hasColor: false }, (line) => lines.push(line));
  const { source } = figures(1, 1, { workers });
  const server = new MonitoringServer({ host: '127.0.0.1', port: 0 }, source, () => life, log);
  await server.open();
  context.after(() => server.close());
  return { address: /http:.*:\d+/.exec(lines.join())?.[0] ?? '', lines };
}

for (const { when, life, alive, health, ready } of [
  { when: 'while it starts', life: STARTING, alive: [false, false], health: 200, ready: 503 },
  { when: 'while it serves', life: SERVING, alive: [true, true], health: 200, ready: 200 },
  { when: 'while another worker is replaced', life: SERVING, alive: [true, false], health: 200, ready: 200 },
  { when: 'while nobody accepts', life: SERVING, alive: [false, true], health: 200, ready: 503 },
  { when: 'when no worker is alive', life: SERVING, alive: [false, false], health: 503, ready: 503 },
  { when: 'while it shuts down', life: ENDING, alive: [false, false], health: 200, ready: 503 },
]) {
  test(`${when} /health is ${health} and /ready ${ready}`, async (context) => {
    const { address } = await open(context, life, alive);
    assert.equal((await fetch(`${address}/health`)).status, health);
    assert.equal((await fetch(`${address}/ready`)).status, ready);
  });
}

test('the page of metrics says which format it is', async (context) => {
  const { address, lines } = await open(context, SERVING, [true]);
  const answer = await fetch(`${address}/metrics`);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.ok(readExposition(await answer.text()).has('pg_doorman_build_info'));
  assert.match(
    lines.join(),
    /INFO {2}metrics on http:\/\/127\.0\.0\.1:\d+\/metrics, also \/health and \/ready/,
  );
});

test('a host that does not exist is told once, with the reason', async (context) => {
  const lines: string[] = [];
  const log = new Log({ level: 'info', format: 'text', hasColor: false }, (line) => lines.push(line));
  const { source } = figures(1);
  const server = new MonitoringServer({ host: '192.0.2.1', port: 9127 }, source, () => SERVING, log);
  context.after(() => server.close());
  await server.open();
  await server.open();
  assert.equal(lines.length, 1);
  assert.match(
    lines.join(),
    /ERROR metrics cannot be served on 192\.0\.2\.1:9127: EADDRNOTAVAIL; clients are served/,
  );
});
