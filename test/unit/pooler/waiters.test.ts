/** The list of waiting clients against a plain array that does the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Waiter, Waiters } from '../../../src/pooler/waiters.js';

class Client implements Waiter<Client> {
  nextWaiter: Client | null = null;
  previousWaiter: Client | null = null;
  isWaiting = false;
}

/** What must always hold: the same clients in the same order, linked both ways, and nobody else waits. */
function assertLike(waiters: Waiters<Client>, model: readonly Client[], clients: readonly Client[]): void {
  const listed: Client[] = [];
  let previous: Client | null = null;
  for (let each = waiters.first; each !== null; each = each.nextWaiter) {
    assert.ok(each.previousWaiter === previous, 'linked back to the one before');
    listed.push(each);
    assert.ok(listed.length <= clients.length, 'a ring');
    previous = each;
  }
  assert.ok(
    listed.length === model.length && listed.every((each, i) => each === model[i]),
    'the order in which they came',
  );
  assert.equal(waiters.length, model.length);
  assert.equal(waiters.isEmpty, model.length === 0);
  for (const each of clients) {
    assert.equal(each.isWaiting, model.includes(each));
    if (!each.isWaiting) assert.ok(each.nextWaiter === null && each.previousWaiter === null, 'still linked');
  }
}

interface Model {
  waiting: Client[];
}

interface Real {
  readonly waiters: Waiters<Client>;
  readonly clients: readonly Client[];
}

class Push implements fc.Command<Model, Real> {
  constructor(private readonly client: number) {}
  /** A client that waits does not ask once more. */
  check({ waiting }: Readonly<Model>): boolean {
    return !waiting.some((each) => each === CLIENTS[this.client]);
  }
  run(model: Model, { waiters, clients }: Real): void {
    const client = clientAt(this.client);
    waiters.push(client);
    model.waiting.push(client);
    assertLike(waiters, model.waiting, clients);
  }
  toString(): string {
    return `push(${this.client})`;
  }
}

class Shift implements fc.Command<Model, Real> {
  check(): boolean {
    return true;
  }
  run(model: Model, { waiters, clients }: Real): void {
    const served = waiters.shift();
    assert.ok(served === (model.waiting.shift() ?? null), 'another one is served than has waited longest');
    assertLike(waiters, model.waiting, clients);
  }
  toString(): string {
    return 'shift()';
  }
}

class Remove implements fc.Command<Model, Real> {
  constructor(private readonly client: number) {}
  check(): boolean {
    return true;
  }
  run(model: Model, { waiters, clients }: Real): void {
    const client = clientAt(this.client);
    waiters.remove(client);
    model.waiting = model.waiting.filter((each) => each !== client);
    assertLike(waiters, model.waiting, clients);
  }
  toString(): string {
    return `remove(${this.client})`;
  }
}

const CLIENT_COUNT = 6;
let CLIENTS: readonly Client[] = [];

function clientAt(index: number): Client {
  const client = CLIENTS[index];
  assert.ok(client);
  return client;
}

test('waiters are served in the order in which they came, whoever leaves in between', () => {
  const index = fc.nat(CLIENT_COUNT - 1);
  const commands = [
    index.map((i) => new Push(i)),
    index.map((i) => new Remove(i)),
    fc.constant(new Shift()),
  ];
  fc.assert(
    fc.property(fc.commands(commands, { maxCommands: 60 }), (run) => {
      CLIENTS = Array.from({ length: CLIENT_COUNT }, () => new Client());
      fc.modelRun(() => ({ model: { waiting: [] }, real: { waiters: new Waiters(), clients: CLIENTS } }), run);
    }),
    { numRuns: 300 },
  );
});
