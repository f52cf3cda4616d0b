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

/** All clients there are, and those that wait. */
interface Model {
  readonly clients: readonly Client[];
  waiting: Client[];
}

type Step = fc.Command<Model, Waiters<Client>>;

/** What must always hold: the same clients in the same order, linked both ways, and no other that thinks it waits. */
function assertLike(waiters: Waiters<Client>, { waiting, clients }: Model): void {
  const listed: Client[] = [];
  let previous: Client | null = null;
  for (let each = waiters.first; each !== null; each = each.nextWaiter) {
    assert.ok(each.previousWaiter === previous, 'not linked to the one before');
    listed.push(each);
    assert.ok(listed.length <= clients.length, 'the list does not end');
    previous = each;
  }
  const places = (some: readonly Client[]): number[] => some.map((each) => clients.indexOf(each));
  assert.deepEqual(places(listed), places(waiting));
  assert.equal(waiters.length, waiting.length);
  assert.equal(waiters.isEmpty, waiting.length === 0);
  for (const each of clients) {
    assert.equal(each.isWaiting, waiting.includes(each));
    if (!each.isWaiting) assert.ok(each.nextWaiter === null && each.previousWaiter === null, 'still linked');
  }
}

const CLIENTS = 6;
const aClient = fc.nat(CLIENTS - 1);

function clientOf({ clients }: Readonly<Model>, index: number): Client {
  const client = clients[index];
  assert.ok(client);
  return client;
}

const comes = (index: number): Step => ({
  check: (model) => !clientOf(model, index).isWaiting, // nobody waits twice
  run: (model, waiters) => {
    waiters.push(clientOf(model, index));
    model.waiting.push(clientOf(model, index));
    assertLike(waiters, model);
  },
  toString: () => `client ${index} comes`,
});

const leaves = (index: number): Step => ({
  check: () => true, // also one that does not wait
  run: (model, waiters) => {
    waiters.remove(clientOf(model, index));
    model.waiting = model.waiting.filter((each) => each !== clientOf(model, index));
    assertLike(waiters, model);
  },
  toString: () => `client ${index} leaves`,
});

const isServed = (): Step => ({
  check: () => true,
  run: (model, waiters) => {
    const served = waiters.shift();
    assert.ok(served === (model.waiting.shift() ?? null), 'not the one that has waited longest');
    assertLike(waiters, model);
  },
  toString: () => 'the first is served',
});

test('waiters are served in the order in which they came, whoever leaves in between', () => {
  const steps = fc.commands([aClient.map(comes), aClient.map(leaves), fc.constant(isServed())], {
    maxCommands: 60,
  });
  fc.assert(
    fc.property(steps, (run) => {
      const clients = Array.from({ length: CLIENTS }, () => new Client());
      fc.modelRun(() => ({ model: { clients, waiting: [] }, real: new Waiters<Client>() }), run);
    }),
    { numRuns: 300 },
  );
});

test('the first, one in the middle and the last can leave', () => {
  for (const leaving of [0, 1, 2]) {
    const waiters = new Waiters<Client>();
    const clients = [new Client(), new Client(), new Client()];
    for (const each of clients) waiters.push(each);
    waiters.remove(clientOf({ clients, waiting: [] }, leaving));
    const waiting = clients.filter((_, i) => i !== leaving);
    assertLike(waiters, { clients, waiting });
    for (const each of waiting) assert.ok(waiters.shift() === each);
    assert.equal(waiters.shift(), null);
  }
});

test('one that has left may come again, and is last', () => {
  const waiters = new Waiters<Client>();
  const [first, second] = [new Client(), new Client()];
  waiters.push(first);
  waiters.push(second);
  waiters.remove(first);
  waiters.push(first);
  assertLike(waiters, { clients: [first, second], waiting: [second, first] });
});
