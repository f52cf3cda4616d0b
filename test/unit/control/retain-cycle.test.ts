/** The cycle over all workers that closes what is past its time and fills what is too small. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { type Resolved, resolveSettings } from '../../../src/control/data-plane-settings.js';
import { type RetainedWorker, retainCycle } from '../../../src/control/retain-cycle.js';
import type { ExpiredServer, ToWorker } from '../../../src/pooler/thread-messages.js';
import { NO_TOKEN_KEYS } from '../../support/token-keys.js';

async function settingsOf(max: number, minPoolSizes: number[]): Promise<Resolved> {
  const users = minPoolSizes.map((min_pool_size, i) => ({ username: `u${i}`, pool_size: 9, min_pool_size }));
  const configuration = configurationSchema.parse({
    general: { retain_connections_max: max },
    pools: { x: { server_host: '127.0.0.1', server_port: 1, users } },
  });
  return resolveSettings({
    configuration,
    accessRules: null,
    tlsFiles: new Map(),
    tokenKeys: NO_TOKEN_KEYS,
    files: [],
  });
}

function cycle({ settings, pools }: Resolved, workers: readonly RetainedWorker[]): Promise<void> {
  return retainCycle(settings, pools.entries(), workers);
}

class Stand implements RetainedWorker {
  readonly posted: ToWorker[] = [];
  private readonly servers: readonly ExpiredServer[];

  constructor(...servers: [pool: number, server: number, createdMs: number][]) {
    this.servers = servers.map(([pool, server, createdMs]) => ({ pool, server, createdMs }));
  }

  async expired(): Promise<readonly ExpiredServer[]> {
    return this.servers;
  }

  post(message: ToWorker): void {
    this.posted.push(message);
  }

  get closed(): number[] {
    return this.posted.flatMap((message) => (message.type === 'closeExpired' ? [message.server] : []));
  }
}

test('the oldest servers of each pool go first, whichever worker has them, and no more than may at a time', async () => {
  const one = new Stand([0, 11, 300], [0, 12, 100], [1, 13, 1]);
  const other = new Stand([0, 21, 200], [0, 22, 400]);
  await cycle(await settingsOf(3, [0, 0]), [one, other]);
  assert.deepEqual([one.closed, other.closed], [[12, 11], [21]]);
});

test('retain_connections_max 0 is no limit', async () => {
  const one = new Stand([0, 1, 1], [0, 2, 2], [0, 3, 3], [0, 4, 4], [0, 5, 5]);
  await cycle(await settingsOf(0, [0]), [one]);
  assert.deepEqual(one.closed, [1, 2, 3, 4, 5]);
});

test('only pools with min_pool_size are filled, each by one worker', async () => {
  const workers = [new Stand(), new Stand()];
  await cycle(await settingsOf(3, [2, 0, 1, 3]), workers);
  const filled = workers.map(({ posted }) =>
    posted.map((message) => (message.type === 'fill' ? message.pool : -1)),
  );
  assert.deepEqual(filled, [[0, 2], [3]]);
});
