/** Pools while another process, whose place this one takes, still has servers: PostgreSQL sees those of both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pools } from '../../../src/control/pools.js';
import { sharedState, type ToWorker } from '../../../src/pooler/thread-messages.js';
import { POOL } from './pools-of.js';

const SHOP = { ...POOL, database: 'shop', poolSize: 4 };
const WORKERS = 1;

/** Of a process with one worker. */
function successor(configured: readonly (typeof POOL)[] = [SHOP]) {
  const told: ToWorker[] = [];
  const holders = { postToAll: (message: ToWorker) => void told.push(message), alive: () => [0] };
  const pools = new Pools(sharedState(WORKERS), WORKERS, holders, configured, true);
  const room = (pool: number): number => SHOP.poolSize - pools.sharedPool(pool).size;
  /** RELOAD; the worker has nothing left of what it closes. */
  const reload = (next: readonly (typeof POOL)[]): number => {
    pools.configure(next);
    for (const each of told.splice(0))
      if (each.type === 'closePool') pools.closed(0, each.pool, each.request);
    return pools.numberOf(SHOP);
  };
  return { pools, told, room, reload };
}

test('until it is known how many servers the other process has, there is no room for any', () => {
  const { pools, told, room } = successor();
  const pool = pools.numberOf(SHOP);
  assert.equal(room(pool), 0);
  pools.foreignAre([{ database: 'shop', user: 'alice', servers: 3 }]);
  assert.equal(room(pool), 1);
  assert.deepEqual(told.at(-1), { type: 'roomCame', pool });
});

test('a pool that a RELOAD opens knows of the servers of the other process from the start', () => {
  const { pools, room, reload } = successor();
  pools.foreignAre([{ database: 'shop', user: 'alice', servers: 3 }]);
  reload([]);
  assert.equal(room(reload([SHOP])), 1);
});

test('… and there is no room in it while nobody knows how many there are', () => {
  const { room, reload } = successor([]);
  assert.equal(room(reload([SHOP])), 0);
});

test('… also when a RELOAD makes it larger or smaller', () => {
  const { pools, room } = successor([{ ...SHOP, poolSize: 1 }]);
  pools.configure([SHOP]);
  assert.equal(room(pools.numberOf(SHOP)), 0);
  pools.configure([{ ...SHOP, poolSize: 1 }]); // of which no worker has heard yet
  assert.equal(room(pools.numberOf(SHOP)), 0);
});

test('a pool that is closed meanwhile leaves its number without servers', () => {
  const { pools, room, reload } = successor();
  const before = pools.numberOf(SHOP);
  pools.foreignAre([{ database: 'shop', user: 'alice', servers: 3 }]);
  reload([]);
  pools.foreignAre([]);
  assert.equal(room(before), SHOP.poolSize);
});

test('a pool that is being closed when the other process ends goes on without its servers', () => {
  const { pools, room } = successor();
  pools.foreignAre([{ database: 'shop', user: 'alice', servers: 3 }]);
  pools.close(pools.numberOf(SHOP));
  pools.foreignAre([]);
  pools.open(SHOP);
  assert.equal(room(pools.numberOf(SHOP)), SHOP.poolSize);
});

test('a user who is listed, and was found by auth_query before, has the servers of both pools counted', () => {
  const { pools, room } = successor();
  const one = { database: 'shop', user: 'alice', servers: 1 };
  pools.foreignAre([one, one]);
  assert.equal(room(pools.numberOf(SHOP)), 2);
});

test('what is being closed counts among the servers that the next process hears of', () => {
  const { pools } = successor();
  pools.foreignAre([]);
  const pool = pools.numberOf(SHOP);
  pools.sharedPool(pool).reserve(SHOP.poolSize, 1);
  pools.close(pool);
  assert.deepEqual(pools.servers(), [{ database: 'shop', user: 'alice', servers: 1 }]);
});
