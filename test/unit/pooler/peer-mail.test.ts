/** What one worker says to another arrives as it was said and in order, through the shared memory or the port. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServerRecord } from '../../../src/pooler/hand-over.js';
import { IncomingMail, OutgoingMail, PEER_MAIL_BYTES } from '../../../src/pooler/peer-mail.js';
import type { ToPeer } from '../../../src/pooler/peers.js';

/** Two workers' ends of one way, and how many messages have gone through its port. */
class Way {
  readonly outgoing: OutgoingMail;
  readonly incoming: IncomingMail;
  posts = 0;
  /** What has been posted arrives only when it is let. */
  isSlow = false;
  private readonly port: ToPeer[] = [];

  constructor() {
    const memory = new SharedArrayBuffer(PEER_MAIL_BYTES);
    this.outgoing = new OutgoingMail(memory, {
      postMessage: (message) => {
        this.posts++;
        this.port.push(structuredClone(message));
      },
    });
    this.incoming = new IncomingMail(memory, {
      take: () => (this.isSlow ? null : (this.port.shift() ?? null)),
    });
  }

  post(...messages: ToPeer[]): void {
    for (const message of messages) this.outgoing.post(message);
  }

  takeAll(): ToPeer[] {
    const messages: ToPeer[] = [];
    for (let each = this.incoming.take(); each !== null; each = this.incoming.take()) messages.push(each);
    return messages;
  }
}

const RECORD: ServerRecord = {
  id: 7,
  origin: '["127.0.0.1",5432]',
  processId: 4711,
  cancelKey: Uint8Array.of(0, 1, 254, 255),
  createdMs: 12_345.678,
  expiresAtS: 3600,
  idleSince: -5,
  queries: 2 ** 40,
  transactions: 3,
  bytesSent: 2 ** 52,
  bytesReceived: 5,
  preparedHits: 6,
  preparedMisses: 7,
  prepared: [],
  parameters: null,
};

function server(record: Partial<ServerRecord> = {}): ToPeer {
  return { type: 'server', pool: 3, detached: { fd: 12, ssl: 2 ** 47 }, record: { ...RECORD, ...record } };
}

function look(pool: number): ToPeer {
  return { type: 'look', pool };
}

const KEY: ToPeer = { type: 'clientKey', pool: 1, key: Uint8Array.of(9) };

test('a server arrives as it was: the first of an origin through the port, the others through the memory', () => {
  const way = new Way();
  const servers = [
    server(),
    server({ prepared: ['a', 'naïve ✓'] }),
    server({ cancelKey: new Uint8Array(256).fill(200), parameters: [null, '', '=x', 'Größe 😀'] }),
    server({ prepared: ['only one'], parameters: [] }),
    server({
      cancelKey: new Uint8Array(0),
      prepared: Array.from({ length: 90 }, (_, i) => `pg_doorman_${i}`),
    }),
  ];
  way.post(...servers);
  assert.deepEqual(way.takeAll(), servers);
  assert.equal(way.posts, 1);
});

test('a server with too much to tell goes through the port', () => {
  const way = new Way();
  const large = server({ prepared: Array.from({ length: 1000 }, (_, i) => `pg_doorman_${i}`) });
  way.post(server(), large, server());
  assert.deepEqual(way.takeAll(), [server(), large, server()]);
  assert.equal(way.posts, 2);
});

test('what stands in the memory waits for what was posted before and is still on its way', () => {
  const way = new Way();
  way.isSlow = true;
  way.post(look(1), KEY, look(2));
  assert.deepEqual(way.takeAll(), [look(1)]);
  way.isSlow = false;
  assert.deepEqual(way.takeAll(), [KEY, look(2)]);
});

test('when the memory is full the port is used until the other has read', () => {
  const way = new Way();
  const many = Array.from({ length: 2000 }, (_, pool) => look(pool));
  way.post(...many);
  const whileFull = way.posts;
  assert.ok(whileFull > 0, 'so many do not fit');
  assert.deepEqual(way.takeAll(), many);
  way.post(look(1));
  assert.equal(way.posts, whileFull);
  assert.deepEqual(way.takeAll(), [look(1)]);
});

test('whatever is said, and whenever it is read, nothing is lost and the order stays', () => {
  const message = fc.oneof(
    fc.nat(100).map(look),
    fc.constant(KEY),
    fc
      .record({
        origin: fc.constantFrom('a', 'b', 'c'),
        prepared: fc.array(fc.stringMatching(/^[^\0]{0,60}$/), { maxLength: 30 }),
        parameters: fc.option(fc.array(fc.option(fc.stringMatching(/^[^\0]{0,30}$/)))),
        cancelKey: fc.uint8Array({ maxLength: 256 }),
      })
      .map(server),
  );
  const step = fc.oneof(
    { weight: 3, arbitrary: message },
    { weight: 1, arbitrary: fc.constantFrom(1, 3, 30) },
  );
  fc.assert(
    fc.property(fc.array(step, { size: 'max', maxLength: 1000 }), (steps) => {
      const way = new Way();
      const said: ToPeer[] = [];
      const heard: ToPeer[] = [];
      for (const each of steps) {
        if (typeof each !== 'number') {
          said.push(each);
          way.post(each);
        } else for (let i = 0; i < each; i++) heard.push(...take(way));
      }
      heard.push(...way.takeAll());
      assert.deepEqual(heard, said);
    }),
    { numRuns: 30, endOnFailure: true },
  );
});

function take(way: Way): ToPeer[] {
  const message = way.incoming.take();
  return message === null ? [] : [message];
}
