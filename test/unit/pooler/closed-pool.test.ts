/** What comes from another worker that had not heard yet that the pool has been closed here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { resolveSettings } from '../../../src/control/data-plane-settings.js';
import { DataPlane } from '../../../src/pooler/data-plane.js';
import type { ClientRecord, ServerRecord } from '../../../src/pooler/hand-over.js';
import type { ToPeer } from '../../../src/pooler/peers.js';
import { PoolMode } from '../../../src/pooler/settings.js';
import { SharedPool } from '../../../src/pooler/shared-pool.js';
import { sharedState, type ToControl } from '../../../src/pooler/thread-messages.js';
import { WorkerBoard } from '../../../src/pooler/worker-board.js';
import { type DetachedSocket, NO_SSL } from '../../../src/reactor/reactor.js';
import { End } from '../../simulation/network.js';
import { SimulatedReactor } from '../../simulation/simulated-reactor.js';
import { workerStart } from '../../simulation/worker-start.js';
import { World } from '../../simulation/world.js';
import { errorFields, takeMessages } from '../../support/messages.js';
import { NO_TOKEN_KEYS } from '../../support/token-keys.js';

const WORKERS = 2;
const SELF = 1;
const POOL = 0;

const CLIENT: ClientRecord = {
  pool: POOL,
  database: 'shop',
  seed: { id: 7, random: 1, isLong: false },
  user: 'alice',
  applicationName: '',
  mode: PoolMode.Transaction,
  address: '192.0.2.1:4711',
  connectedMs: 0,
  queries: 0,
  transactions: 0,
  errors: 0,
  statements: [],
  parameters: null,
};

const SERVER: ServerRecord = {
  id: 1,
  origin: '',
  processId: 2,
  cancelKey: new Uint8Array(4),
  createdMs: 0,
  expiresAtS: 0,
  idleSince: 0,
  queries: 0,
  transactions: 0,
  bytesSent: 0,
  bytesReceived: 0,
  preparedHits: 0,
  preparedMisses: 0,
  prepared: [],
  parameters: null,
};

/** A worker that has closed its only pool, and what of that is counted for all workers. */
async function withoutPool() {
  const configuration = configurationSchema.parse({
    general: { worker_threads: WORKERS },
    pools: { shop: { users: [{ username: 'alice' }] } },
  });
  const loaded = {
    configuration,
    accessRules: null,
    tlsFiles: new Map(),
    tokenKeys: NO_TOKEN_KEYS,
    files: [],
  };
  const shared = sharedState(WORKERS);
  const world = new World(1);
  const reactor = new SimulatedReactor(world, () => () => null);
  const posted: ToControl[] = [];
  const start = workerStart(await resolveSettings(loaded), shared, SELF);
  const plane = new DataPlane(start, reactor, (message) => void posted.push(message));
  plane.begin();
  plane.inbox.onMessage({ type: 'closePool', pool: POOL, request: 1 });
  assert.deepEqual(posted, [{ type: 'poolClosed', pool: POOL, request: 1 }]);
  posted.length = 0;
  return {
    posted,
    board: new WorkerBoard(shared.board, SELF),
    pool: new SharedPool(shared.pools, POOL, WORKERS, SELF),
    giver: new SharedPool(shared.pools, POOL, WORKERS, 0),
    reactor,
    comes: (message: ToPeer): void => {
      reactor.onWake = () => plane.inbox.onPeerMessage(0, message);
      reactor.post();
    },
    /** A connection on its way to it, and what its peer gets until it is closed. */
    underway: (): { detached: DetachedSocket; told: () => Buffer | null } => {
      const [near, far] = End.pair(world);
      const chunks: Buffer[] = [];
      let isClosed = false;
      near.user = {
        onReadable: () => {
          for (let came = near.read(100); came !== null && !isClosed; came = near.read(100)) {
            if (typeof came === 'number') isClosed = true;
            else chunks.push(came);
          }
          if (isClosed) near.close();
        },
        onWritable: () => undefined,
      };
      return {
        detached: { fd: reactor.kernel.release(far, false, reactor), ssl: NO_SSL },
        told: () => {
          while (world.nowMs < 10_000 && world.step());
          return isClosed ? Buffer.concat(chunks) : null;
        },
      };
    },
  };
}

test('a client is told that its pool has gone, and counts nowhere any more', async () => {
  const { comes, posted, board, pool, reactor, underway } = await withoutPool();
  board.clientComes(SELF); // the worker that it comes from has counted it here
  pool.clientComes();
  const { detached, told } = underway();
  comes({ type: 'client', detached, record: CLIENT });
  const bytes = told();
  assert.ok(bytes, 'its connection is closed');
  const [error, ...more] = takeMessages(bytes).messages;
  assert.ok(error?.tag === 'E' && more.length === 0);
  const { S: severity, C: sqlstate, M: message } = errorFields(error);
  assert.deepEqual([severity, sqlstate], ['FATAL', '3D000']);
  assert.match(message ?? '', /alice.*shop|shop.*alice/);
  assert.deepEqual([board.clients, board.clientsOf(SELF), pool.clients], [0, 0, 0]);
  assert.equal(reactor.usage().sockets, 0);
  const lines = posted.filter((each) => each.type === 'log');
  assert.match(lines.map(({ text }) => text).join(), /^client disconnected: /);
  assert.deepEqual(lines[0]?.fields, {
    client_id: 7,
    user: 'alice',
    database: 'shop',
    address: '192.0.2.1:4711',
  });
});

test('a server is closed, and its place is free', async () => {
  const { comes, pool, giver, reactor, underway } = await withoutPool();
  assert.ok(giver.reserve(1, 1));
  giver.leaves(SELF);
  const { detached, told } = underway();
  comes({ type: 'server', pool: POOL, detached, record: SERVER });
  assert.deepEqual(told(), Buffer.alloc(0));
  assert.deepEqual([pool.size, pool.sizeOf(SELF)], [0, 0]);
  assert.equal(reactor.usage().sockets, 0);
});
