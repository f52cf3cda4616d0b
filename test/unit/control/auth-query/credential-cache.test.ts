/** How long an answer of auth_query is believed, and how often PostgreSQL is asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthQueryCounters } from '../../../../src/control/auth-query/counters.js';
import {
  CACHE_ENTRIES_MAX,
  CredentialCache,
  QueryFailed,
} from '../../../../src/control/auth-query/credential-cache.js';
import type { Credentials } from '../../../../src/control/auth-query/credentials.js';

const FOR_EVER = Number.POSITIVE_INFINITY;
const TIMING = { ttlMs: 3_600_000, failureTtlMs: 30_000, minIntervalMs: 1000 };

function known(name: string, validUntilMs = FOR_EVER): Credentials {
  return { secret: { kind: 'md5', hash: name }, validUntilMs };
}

/** A cache whose clock and answers are the test's. */
class Bench {
  now = 1_000_000;
  /** How much the system's time has been set forward. */
  setBy = 0;
  /** What PostgreSQL says now. */
  answer: Credentials | null | Error = known('first');
  readonly asked: string[] = [];
  readonly counters = new AuthQueryCounters();
  readonly cache: CredentialCache;

  constructor(timing: Partial<typeof TIMING> = {}) {
    const fetch = async (user: string): Promise<Credentials | null> => {
      this.asked.push(user);
      await Promise.resolve();
      if (this.answer instanceof Error) throw this.answer;
      return this.answer;
    };
    const clocks = { steadyMs: () => this.now, wallMs: () => this.now + this.setBy };
    this.cache = new CredentialCache(fetch, { ...TIMING, ...timing }, this.counters, clocks);
  }

  async find(user = 'u'): Promise<string | null> {
    return nameOf(await this.cache.find(user));
  }

  async findAgain(user = 'u'): Promise<string | null> {
    return nameOf(await this.cache.findAgain(user));
  }
}

function nameOf(found: Credentials | null): string | null {
  return found?.secret.kind === 'md5' ? found.secret.hash : null;
}

test('an answer is believed for cache_ttl, and not a millisecond longer', async () => {
  const bench = new Bench();
  await bench.find();
  bench.answer = known('second');
  bench.now += TIMING.ttlMs - 1;
  assert.equal(await bench.find(), 'first');
  bench.now += 1;
  assert.equal(await bench.find(), 'second');
  assert.equal(bench.asked.length, 2);
  assert.deepEqual([bench.counters.cacheHits, bench.counters.cacheMisses], [1, 2]);
});

test('the system’s time is set back by an hour: nothing is believed for longer', async () => {
  const bench = new Bench();
  await bench.find();
  bench.answer = known('second');
  bench.setBy = -3_600_000;
  bench.now += TIMING.ttlMs;
  assert.equal(await bench.find(), 'second');
});

test('that there is no such user is believed for cache_failure_ttl', async () => {
  const bench = new Bench();
  bench.answer = null;
  assert.equal(await bench.find(), null);
  bench.answer = known('created');
  bench.now += TIMING.failureTtlMs - 1;
  assert.equal(await bench.find(), null);
  assert.equal(await bench.findAgain(), null);
  bench.now += 1;
  assert.equal(await bench.find(), 'created');
  assert.equal(bench.asked.length, 2);
});

test('all who ask for one user at once share one question', async () => {
  const bench = new Bench();
  const found = await Promise.all(Array.from({ length: 50 }, () => bench.find()));
  assert.deepEqual(new Set(found), new Set(['first']));
  assert.deepEqual(bench.asked, ['u']);
  assert.deepEqual([bench.counters.cacheHits, bench.counters.cacheMisses], [49, 1]);
});

test('each user is asked for on its own', async () => {
  const bench = new Bench();
  await Promise.all(['a', 'b', 'a'].map((user) => bench.find(user)));
  assert.deepEqual(bench.asked, ['a', 'b']);
});

test('after a wrong password PostgreSQL is asked again, once in min_interval', async () => {
  const bench = new Bench();
  await bench.find();
  bench.answer = known('second');
  assert.equal(await bench.findAgain(), 'first');
  bench.now += TIMING.minIntervalMs - 1;
  assert.equal(await bench.findAgain(), 'first');
  bench.now += 1;
  assert.equal(await bench.findAgain(), 'second');
  assert.equal(await bench.find(), 'second');
  assert.equal(await bench.findAgain(), 'second');
  assert.equal(bench.asked.length, 2);
  assert.deepEqual([bench.counters.cacheRefetches, bench.counters.cacheRateLimited], [1, 3]);
});

test('whoever logs in while PostgreSQL is asked again gets the new answer', async () => {
  const bench = new Bench();
  await bench.find();
  bench.now += TIMING.minIntervalMs;
  bench.answer = known('second');
  const again = bench.findAgain();
  assert.equal(await bench.find(), 'second');
  assert.equal(await again, 'second');
  assert.equal(bench.asked.length, 2);
});

for (const isKnown of [true, false]) {
  test(`without any cache a brute force of ${isKnown ? 'a user' : 'nobody'} costs one question in min_interval`, async () => {
    const bench = new Bench({ ttlMs: 0, failureTtlMs: 0 });
    if (!isKnown) bench.answer = null;
    const begin = bench.now;
    for (; bench.now < begin + 10_000; bench.now += 7) {
      await bench.find();
      await bench.findAgain();
    }
    assert.ok(bench.asked.length <= 10, `${bench.asked.length} questions in 10 intervals`);
  });
}

test('a question that was refused is not asked again within min_interval', async () => {
  const bench = new Bench();
  bench.answer = new QueryFailed('permission denied');
  await assert.rejects(bench.find(), QueryFailed);
  bench.answer = known('first');
  await assert.rejects(bench.find(), QueryFailed);
  await assert.rejects(bench.findAgain(), QueryFailed);
  assert.equal(bench.asked.length, 1);
  bench.now += TIMING.minIntervalMs;
  assert.equal(await bench.find(), 'first');
});

test('that nobody could be asked is not kept', async () => {
  const bench = new Bench();
  bench.answer = new Error('connection refused');
  await assert.rejects(bench.find(), /refused/);
  bench.answer = known('first');
  assert.equal(await bench.find(), 'first');
});

test('what is believed outlives a question in vain, and is not asked for at once again', async () => {
  for (const error of [new QueryFailed('x'), new Error('x')]) {
    const bench = new Bench();
    await bench.find();
    bench.now += TIMING.minIntervalMs;
    bench.answer = error;
    assert.equal(await bench.findAgain(), 'first');
    assert.equal(await bench.findAgain(), 'first');
    assert.equal(await bench.find(), 'first');
    assert.equal(bench.asked.length, 2);
  }
});

test('what is not believed any more is not believed because nobody can be asked', async () => {
  const bench = new Bench();
  await bench.find();
  bench.now += TIMING.ttlMs;
  bench.answer = new Error('connection refused');
  await assert.rejects(bench.find(), /refused/);
});

test('a password whose time is over is asked for again, once in min_interval, since it may have got more', async () => {
  const bench = new Bench();
  bench.answer = known('short', bench.now + 5000);
  await bench.find();
  bench.now += 5000;
  assert.equal(await bench.find(), 'short');
  assert.equal(bench.asked.length, 2);
  bench.answer = known('longer', bench.now + 60_000);
  bench.now += TIMING.minIntervalMs - 1;
  assert.equal(await bench.find(), 'short');
  bench.now += 1;
  assert.equal(await bench.find(), 'longer');
  assert.equal(bench.asked.length, 3);
});

test('what is too old is swept away', async () => {
  const bench = new Bench();
  await bench.find('a');
  bench.now += TIMING.ttlMs / 2;
  await bench.find('b');
  bench.now += TIMING.ttlMs / 2;
  bench.cache.sweep();
  assert.equal(bench.cache.size, 1);
});

test('the oldest goes when there are too many', async () => {
  const bench = new Bench();
  for (let n = 0; n <= CACHE_ENTRIES_MAX; n++) await bench.find(String(n));
  assert.equal(bench.cache.size, CACHE_ENTRIES_MAX);
  await bench.find('1');
  assert.equal(bench.asked.length, CACHE_ENTRIES_MAX + 1);
  await bench.find('0');
  assert.equal(bench.asked.length, CACHE_ENTRIES_MAX + 2);
});
