/** The connections that ask auth_query: how many, for whom, and what happens when there are none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { AuthQueryCounters } from '../../../../src/control/auth-query/counters.js';
import type { QueryAnswer } from '../../../../src/control/auth-query/credentials.js';
import type { ExecutorConnection } from '../../../../src/control/auth-query/executor-connection.js';
import { Executors, Unreachable } from '../../../../src/control/auth-query/executors.js';

class Connection implements ExecutorConnection {
  isOpen = true;
  /** Who is asked for now. */
  user = '';
  private settle: { resolve(answer: QueryAnswer): void; reject(error: Error): void } | null = null;

  ask(user: string): Promise<QueryAnswer> {
    assert.ok(this.settle === null, 'a busy connection is asked');
    this.user = user;
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
  }

  get isBusy(): boolean {
    return this.settle !== null;
  }

  answer(): Promise<void> {
    const { settle, user } = this;
    this.settle = null;
    settle?.resolve({ columns: ['passwd'], rows: [[user]] });
    return setImmediate();
  }

  lose(): Promise<void> {
    this.isOpen = false;
    this.settle?.reject(new Error('lost'));
    this.settle = null;
    return setImmediate();
  }

  close(): void {
    this.isOpen = false;
  }
}

class Bench {
  now = 0;
  isDown = false;
  attempts = 0;
  readonly connections: Connection[] = [];
  readonly warnings: string[] = [];
  readonly counters = new AuthQueryCounters();
  readonly executors: Executors;

  constructor(size = 2) {
    const context = {
      connect: async () => {
        this.attempts++;
        if (this.isDown) throw new Error('connection refused');
        const connection = new Connection();
        this.connections.push(connection);
        return connection;
      },
      clock: () => this.now,
      failed: (why: string) => void this.warnings.push(why),
    };
    this.executors = new Executors(context, size, this.counters);
  }

  get open(): Connection[] {
    return this.connections.filter(({ isOpen }) => isOpen);
  }

  get busy(): string[] {
    return this.connections.filter(({ isBusy }) => isBusy).map(({ user }) => user);
  }
}

const name = ({ rows }: QueryAnswer): unknown => rows[0]?.[0];

test('pool_size connections are opened at most, and each asks one thing at a time, first come, first served', async () => {
  const bench = new Bench(2);
  const answers = ['a', 'b', 'c', 'd'].map((user) => bench.executors.ask(user));
  await setImmediate();
  assert.equal(bench.connections.length, 2);
  const order: string[][] = [];
  while (bench.busy.length > 0) {
    order.push(bench.busy.toSorted());
    await Promise.all(bench.connections.map((each) => each.answer()));
  }
  assert.deepEqual(order, [
    ['a', 'b'],
    ['c', 'd'],
  ]);
  assert.deepEqual((await Promise.all(answers)).map(name), ['a', 'b', 'c', 'd']);
  assert.deepEqual([bench.counters.executorQueries, bench.counters.executorErrors], [4, 0]);
});

test('one connection is enough for those who ask one after the other', async () => {
  const bench = new Bench(5);
  for (const user of ['a', 'b', 'c']) {
    const answer = bench.executors.ask(user);
    await setImmediate();
    await bench.connections[0]?.answer();
    assert.equal(name(await answer), user);
  }
  assert.equal(bench.connections.length, 1);
});

test('it is ready since the first connection', async () => {
  const bench = new Bench();
  bench.isDown = true;
  bench.executors.warm();
  await setImmediate();
  assert.equal(bench.executors.isReady, false);
  bench.isDown = false;
  bench.now += 100;
  void bench.executors.ask('a');
  await setImmediate();
  assert.equal(bench.executors.isReady, true);
});

test('when nobody can be reached all who wait are refused, and the pause before the next attempt grows', async () => {
  const bench = new Bench(2);
  bench.isDown = true;
  const pauses: number[] = [];
  for (let round = 0; round < 10; round++) {
    const before = bench.now;
    const attempts = bench.attempts;
    while (bench.attempts === attempts) {
      await assert.rejects(bench.executors.ask('a'), /^Error: cannot connect: connection refused$/);
      bench.now += 100;
    }
    pauses.push(bench.now - before);
  }
  assert.deepEqual(pauses, [100, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  assert.equal(bench.counters.executorQueries, 0);
  assert.equal(bench.counters.executorErrors, bench.attempts);
  assert.equal(bench.warnings.length, bench.attempts);
});

test('after a pause it works again, and the next pause is short', async () => {
  const bench = new Bench(1);
  bench.isDown = true;
  for (let round = 0; round < 5; round++) {
    await assert.rejects(bench.executors.ask('a'), Unreachable);
    bench.now += 10_000;
  }
  bench.isDown = false;
  const answer = bench.executors.ask('a');
  await setImmediate();
  await bench.open[0]?.answer();
  assert.equal(name(await answer), 'a');
  bench.now += 1000;
  await bench.open[0]?.lose();
  bench.isDown = true;
  await assert.rejects(bench.executors.ask('a'), Unreachable);
  bench.isDown = false;
  bench.now += 100;
  const next = bench.executors.ask('b');
  await setImmediate();
  await bench.open[0]?.answer();
  assert.equal(name(await next), 'b');
});

test('a connection that was lost while it idled is replaced', async () => {
  const bench = new Bench(1);
  bench.executors.warm();
  await setImmediate();
  bench.now += 1000;
  await bench.connections[0]?.lose();
  const answer = bench.executors.ask('a');
  await setImmediate();
  await bench.connections[1]?.answer();
  assert.equal(name(await answer), 'a');
});

test('one that is lost while it asks refuses that question only', async () => {
  const bench = new Bench(1);
  const lost = assert.rejects(bench.executors.ask('a'), /lost/);
  const next = bench.executors.ask('b');
  await setImmediate();
  bench.now += 1000;
  await bench.connections[0]?.lose();
  await lost;
  await bench.connections[1]?.answer();
  assert.equal(name(await next), 'b');
  assert.deepEqual(bench.warnings, ['lost']);
});

test('connections that are lost as soon as they are there are not opened without a pause', async () => {
  const bench = new Bench(1);
  for (let round = 0; round < 3; round++) {
    const refused = assert.rejects(bench.executors.ask('a'));
    await setImmediate();
    await bench.open[0]?.lose();
    await refused;
    await assert.rejects(bench.executors.ask('b'), /lost as soon as it was there/);
    bench.now += 100;
  }
  assert.equal(bench.attempts, 3);
});

test('a question that has waited for too long is not asked any more', async () => {
  const bench = new Bench(1);
  const first = bench.executors.ask('slow');
  await setImmediate();
  const late = assert.rejects(bench.executors.ask('late'), /waited too long/);
  bench.now += 30_001;
  await bench.connections[0]?.answer();
  await first;
  await late;
  assert.equal(bench.counters.executorQueries, 1);
});

test('so many may wait and no more', async () => {
  const bench = new Bench(1);
  void bench.executors.ask('first');
  await setImmediate();
  for (let n = 0; n < 10_000; n++) void bench.executors.ask('waits');
  await assert.rejects(bench.executors.ask('one too many'), Unreachable);
});

test('at the end all connections close, the busy one when it is free, and all who wait are refused', async () => {
  const bench = new Bench(1);
  const busy = bench.executors.ask('busy');
  await setImmediate();
  const waiting = assert.rejects(bench.executors.ask('waits'), Unreachable);
  bench.executors.close();
  await waiting;
  assert.equal(bench.open.length, 1);
  await bench.connections[0]?.answer();
  assert.equal(name(await busy), 'busy');
  assert.equal(bench.open.length, 0);
  await assert.rejects(bench.executors.ask('later'), Unreachable);
  assert.equal(bench.connections.length, 1);
});
