/** What two processes of one upgrade say to each other: it arrives as it was, and what is no such message does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ToPredecessor, ToSuccessor } from '../../../src/control/upgrade/process-messages.js';
import { PoolMode } from '../../../src/pooler/settings.js';

const someBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const plain = { noNullPrototype: true };
const someClient = fc.record(
  {
    database: fc.string(),
    user: fc.string(),
    seed: fc.record({ id: fc.integer({ min: 1 }), random: fc.integer(), isLong: fc.boolean() }, plain),
    address: fc.string(),
    mode: fc.constantFrom(PoolMode.Transaction, PoolMode.Session),
    applicationName: fc.string(),
    connectedMs: fc.double({ min: 0, max: 1e12, noNaN: true }).map(Math.abs),
    queries: fc.nat(),
    transactions: fc.nat(),
    errors: fc.nat(),
    statements: fc.array(fc.record({ name: someBytes, content: someBytes }, plain)),
    parameters: fc.option(fc.array(fc.option(fc.string()))),
    beginIsDeferred: fc.boolean(),
    unread: someBytes,
  },
  plain,
);

/** As the channel does it. */
function sent(message: object): unknown {
  return JSON.parse(JSON.stringify(message));
}

test('a client arrives as it was', () => {
  fc.assert(
    fc.property(fc.nat(), someClient, (number, client) => {
      const message = { type: 'client', number, client } as const;
      assert.deepEqual(ToSuccessor.decode(sent(ToSuccessor.encode(message))), message);
    }),
  );
});

test('a cancel key arrives as it was', () => {
  const message = {
    type: 'cancel',
    request: 3,
    key: { processId: 7, secret: Buffer.from([0, 255, 7, 8]) },
  } as const;
  assert.deepEqual(ToPredecessor.decode(sent(ToPredecessor.encode(message))), message);
});

test('a program of another protocol is not understood', () => {
  const begin = {
    type: 'begin',
    protocol: 2,
    listening: { port: 1, address: { kind: 'tcp', host: '::', port: 1 } },
    statementKey: '',
    cancelSigningKey: '',
    ticketKeys: '',
    lastIds: [1, 1],
  };
  assert.equal(ToSuccessor.decode(begin), null);
  assert.equal(ToSuccessor.decode({ ...begin, protocol: 1 })?.type, 'begin');
});
