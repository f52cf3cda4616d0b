/** The pools of passthrough mode come with their first user and go with the last. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { configurationSchema } from '../../../../src/config/settings/configuration.js';
import { AuthQueryCounters } from '../../../../src/control/auth-query/counters.js';
import { databaseSettings } from '../../../../src/control/auth-query/database-auth-query.js';
import { DynamicPools } from '../../../../src/control/auth-query/dynamic-pools.js';
import type { ClientSecret, PoolSettings } from '../../../../src/pooler/settings.js';
import { NO_TOKEN_KEYS } from '../../../support/token-keys.js';
import { PoolsInMemory } from './pools-in-memory.js';

const SECRET: ClientSecret = { kind: 'md5', hash: 'x' };

function settingsOf(user: string, secret: ClientSecret): Promise<PoolSettings> {
  const configuration = configurationSchema.parse({
    pools: { shop: { auth_query: { query: 'select $1', user: 'asker', default_pool_size: 7 } } },
  });
  const loaded = {
    configuration,
    accessRules: null,
    tlsFiles: new Map(),
    tokenKeys: NO_TOKEN_KEYS,
    files: [],
  };
  const [settings] = databaseSettings(loaded);
  assert.ok(settings);
  return settings.poolOf(user, secret);
}

class Bench {
  readonly pools = new PoolsInMemory();
  readonly counters = new AuthQueryCounters();
  readonly dynamic = new DynamicPools(this.pools, settingsOf, this.counters);
}

test('a user has one pool, however many come at once, with default_pool_size and what they log in with', async () => {
  const { pools, dynamic, counters } = new Bench();
  const entrances = await Promise.all(Array.from({ length: 20 }, () => dynamic.enter('ann', SECRET)));
  assert.deepEqual(new Set(entrances.map(({ pool }) => pool)), new Set([0]));
  const { database, user, serverUser, isDynamic, poolSize, serverSecret, clientSecret } = pools.settings(0);
  assert.deepEqual(
    { database, user, serverUser, isDynamic, poolSize, serverSecret, clientSecret },
    {
      database: 'shop',
      user: 'ann',
      serverUser: 'ann',
      isDynamic: true,
      poolSize: 7,
      serverSecret: { kind: 'passthrough' },
      clientSecret: SECRET,
    },
  );
  assert.equal((await dynamic.enter('bob', SECRET)).pool, 1);
  assert.deepEqual([dynamic.size, counters.dynamicPoolsCreated], [2, 2]);
});

test('a pool is collected when nobody logs in to it and it is empty', async () => {
  const { pools, dynamic, counters } = new Bench();
  const entrance = await dynamic.enter('ann', SECRET);
  pools.empty.add(0);
  dynamic.collect();
  assert.deepEqual(pools.closed, []);
  pools.empty.delete(0);
  entrance.leave();
  dynamic.collect();
  assert.deepEqual(pools.closed, []);
  pools.empty.add(0);
  dynamic.collect();
  await setImmediate();
  assert.deepEqual(pools.closed, [0]);
  assert.deepEqual([dynamic.size, counters.dynamicPoolsCreated, counters.dynamicPoolsDestroyed], [0, 1, 1]);
});

test('a login after the collection gets a new pool', async () => {
  const { pools, dynamic } = new Bench();
  (await dynamic.enter('ann', SECRET)).leave();
  pools.empty.add(0);
  dynamic.collect();
  assert.equal((await dynamic.enter('ann', SECRET)).pool, 1);
});

test('a login of a pool that has gone meanwhile holds no other one', async () => {
  const { pools, dynamic } = new Bench();
  const old = await dynamic.enter('ann', SECRET);
  dynamic.closeOf('ann');
  await dynamic.enter('ann', SECRET);
  old.leave();
  pools.empty.add(1);
  dynamic.collect();
  await setImmediate();
  assert.deepEqual(pools.closed, [0]);
});

test('a pool that cannot be opened is tried again by the next login', async () => {
  const { pools, dynamic, counters } = new Bench();
  pools.isFull = true;
  await assert.rejects(dynamic.enter('ann', SECRET), /too many/);
  pools.isFull = false;
  assert.equal((await dynamic.enter('ann', SECRET)).pool, 0);
  assert.deepEqual([counters.dynamicPoolsCreated, counters.dynamicPoolsDestroyed], [1, 0]);
});

test('at the end all close, the one that is just being opened as well, and none is opened', async () => {
  const { pools, dynamic, counters } = new Bench();
  await dynamic.enter('ann', SECRET);
  const opening = dynamic.enter('bob', SECRET);
  dynamic.close();
  await opening;
  await setImmediate();
  assert.deepEqual(pools.closed, [0, 1]);
  await assert.rejects(dynamic.enter('eve', SECRET));
  assert.deepEqual([dynamic.size, counters.dynamicPoolsDestroyed], [0, 2]);
});
