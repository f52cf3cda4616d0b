/** Bugs planted on purpose, the historical ones of poolers among them: a simulator that does not find them proves
 *  nothing. Each takes the place of a method for a while. */
import { Pools } from '../../src/control/pools.js';
import { AnswerQueue } from '../../src/pooler/answer-queue.js';
import { ClientSession } from '../../src/pooler/client-session.js';
import { ClientStatements } from '../../src/pooler/client-statements.js';
import { ClientStream } from '../../src/pooler/client-stream.js';
import { Counters, Gauge } from '../../src/pooler/counters.js';
import { DataPlane } from '../../src/pooler/data-plane.js';
import { Ending } from '../../src/pooler/ending.js';
import { Mail } from '../../src/pooler/mail.js';
import { MemoryBudget } from '../../src/pooler/memory-budget.js';
import { NameChanges } from '../../src/pooler/name-changes.js';
import { NoWait } from '../../src/pooler/no-wait.js';
import type { PlainBatch } from '../../src/pooler/plain-batch.js';
import { Pool } from '../../src/pooler/pool.js';
import { PoolGreeting } from '../../src/pooler/pool-greeting.js';
import { PoolGrowth } from '../../src/pooler/pool-growth.js';
import { PoolNeeds } from '../../src/pooler/pool-needs.js';
import { PoolSharing } from '../../src/pooler/pool-sharing.js';
import { ServedClient } from '../../src/pooler/served-client.js';
import { ServerAnswers } from '../../src/pooler/server-answers.js';
import type { ServerLogin } from '../../src/pooler/server-login.js';
import { ServerSession } from '../../src/pooler/server-session.js';
import { ServerStatements } from '../../src/pooler/server-statements.js';
import { SharedPool } from '../../src/pooler/shared-pool.js';
import { Statement } from '../../src/pooler/statements.js';
import { TrackedParameters } from '../../src/pooler/tracked-parameters.js';
import { NO_WORKER } from '../../src/pooler/worker-board.js';
import type { Socket } from '../../src/reactor/reactor.js';
import { StreamSocket } from '../../src/reactor/stream-socket.js';
import { ShuttingDown } from '../../src/wire/client-facing-error.js';
import { TransactionStatus } from '../../src/wire/tags.js';

/** biome-ignore lint/complexity/noBannedTypes: any method */
type Method = Function;

export interface Mutation {
  readonly name: string;
  /** The first seed that finds it, when that is not among the first few: the test begins there. */
  readonly seed?: number;
  /** Plants the bug; what it returns takes it out again. */
  readonly plant: () => () => void;
}

/** The method of a class is replaced by one that is made from it. */
function instead(
  type: { prototype: object },
  method: string,
  make: (original: Method) => Method,
): () => () => void {
  return () => {
    const { prototype } = type;
    const original = Object.getOwnPropertyDescriptor(prototype, method);
    if (original === undefined) throw new RangeError(`there is no ${method}`);
    Object.defineProperty(prototype, method, { ...original, value: make(original.value) });
    return () => Object.defineProperty(prototype, method, original);
  };
}

const nothing = (): Method => () => undefined;

/** All of them at once. */
function together(...plants: readonly (() => () => void)[]): () => () => void {
  return () => {
    const removes = plants.map((plant) => plant());
    return () => {
      for (const remove of removes) remove();
    };
  };
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'what a client has SET stays on the server',
    plant: instead(
      ServerSession,
      'checkIn',
      (original) =>
        function (this: ServerSession) {
          Reflect.set(this, 'dirt', 0);
          original.call(this);
        },
    ),
  },
  {
    name: 'a transaction stays open on the server when its client has vanished',
    plant: instead(
      ServerSession,
      'checkIn',
      (original) =>
        function (this: ServerSession) {
          this.status = TransactionStatus.Idle;
          original.call(this);
        },
    ),
  },
  {
    name: 'answers are still unread when the server is given to the next',
    plant: instead(
      ServerSession,
      'leave',
      (original) =>
        function (this: ServerSession, isHalfway: boolean) {
          if (!isHalfway && this.queue.length === 1) this.queue.clear();
          original.call(this, isHalfway);
        },
    ),
  },
  {
    name: 'ParseComplete is said before the answers that precede it',
    plant: instead(
      ServerAnswers,
      'answerLocally',
      () =>
        function (this: ServerAnswers, kind: number) {
          Reflect.get(this, 'sendSynthetic').call(this, kind);
        },
    ),
  },
  {
    name: 'a statement counts as prepared though its Parse was skipped',
    plant: instead(ServerStatements, 'delete', nothing),
  },
  {
    name: 'a batch that is plain runs a statement that its server does not have',
    plant: instead(
      ClientSession,
      'preparedFor',
      () =>
        function (this: ClientSession, { nameAt, nameEnd }: PlainBatch, bytes: Uint8Array) {
          return Reflect.get(this, 'statementNamed').call(this, bytes, nameAt, nameEnd);
        },
    ),
  },
  {
    name: 'the text of a Parse is not compared with what it is taken for',
    plant: instead(Statement, 'hasContent', () => () => true),
  },
  {
    name: 'a name stands for what a skipped Parse said',
    plant: instead(ClientStatements, 'skipped', nothing),
  },
  {
    name: 'names are in doubt and nobody waits',
    plant: instead(NameChanges, 'isInDoubt', () => () => false),
  },
  {
    name: 'a statement is in doubt and nobody waits',
    plant: instead(AnswerQueue, 'isInDoubt', () => () => false),
  },
  {
    name: 'a client that has gone waits for ever',
    plant: instead(Pool, 'leave', nothing),
  },
  {
    name: 'a server too many is opened when somebody waits',
    plant: instead(
      PoolGrowth,
      'grow',
      (original) =>
        function (this: PoolGrowth) {
          original.call(this);
          const pool: Pool = Reflect.get(this, 'pool');
          if (pool.waiters.length > 0 && pool.servers.size === pool.settings.poolSize)
            Reflect.get(this, 'open').call(this);
        },
    ),
  },
  {
    name: 'a server is given to the next while a cancel is on its way to it',
    plant: together(
      instead(ServerSession, 'cancelBegins', nothing),
      instead(ServerSession, 'cancelDelivered', nothing),
    ),
  },
  {
    name: 'a BEGIN that was put off is lost',
    plant: instead(
      ServedClient,
      'gotServer',
      (original) =>
        function (this: ServedClient, server: ServerSession) {
          Reflect.set(this, 'beginIsDeferred', false);
          original.call(this, server);
        },
    ),
  },
  {
    name: 'memory is not given back',
    plant: instead(MemoryBudget, 'giveBack', nothing),
  },
  {
    name: 'a paused client is not read again',
    plant: instead(StreamSocket, 'resume', (original) => {
      let times = 0;
      return function (this: StreamSocket) {
        if (++times % 10 !== 0) original.call(this);
      };
    }),
  },
  {
    name: 'a batch does not wait for DISCARD ALL before it',
    plant: instead(ServerStatements, 'discardsBegin', nothing),
  },
  {
    name: 'metrics count a server as being cleaned that has come back',
    plant: instead(
      Counters,
      'change',
      (original) =>
        function (this: Counters, gauge: Gauge, by: number) {
          if (gauge !== Gauge.ServersCleaning || by === 1) original.call(this, gauge, by);
        },
    ),
  },
  {
    name: 'some clients keep their server after the transaction',
    plant: instead(
      ServedClient,
      'answersCame',
      (original) =>
        function (this: ServedClient, server: ServerSession) {
          if (this.id % 3 !== 0) original.call(this, server);
        },
    ),
  },
  {
    name: 'the answer to the Close of a statement that had to make room is left unread',
    plant: instead(
      ServerStatements,
      'makeRoom',
      (original) =>
        function (this: ServerStatements) {
          const queue: AnswerQueue = Reflect.get(this, 'queue');
          const { push } = queue;
          queue.push = () => undefined;
          original.call(this);
          queue.push = push;
        },
    ),
  },
  {
    name: 'a message that was being gathered is still there when its client has heard of a timeout',
    plant: instead(ClientStream, 'forgetWhole', nothing),
  },
  {
    name: 'a client that has vanished between two messages of a batch leaves its server as it is',
    plant: instead(
      ServerSession,
      'leave',
      (original) =>
        function (this: ServerSession) {
          this.queue.clear();
          original.call(this, false);
        },
    ),
  },
  {
    name: 'a client waits at SHUTDOWN for a server that never comes',
    plant: instead(Ending, 'endIdleClients', nothing),
  },
  {
    name: 'PAUSE does not close servers that come back',
    plant: instead(
      Pool,
      'whyUnwanted',
      (original) =>
        function (this: Pool, server: ServerSession) {
          const why = original.call(this, server);
          return why === 'paused' ? null : why;
        },
    ),
  },
  {
    name: 'parameters do not come along with a client',
    seed: 26,
    plant: instead(TrackedParameters, 'commandsFrom', () => () => ''),
  },
  // ── several workers ────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: 'a server that is handed over is counted in neither worker',
    plant: instead(
      SharedPool,
      'leaves',
      (original) =>
        function (this: SharedPool) {
          original.call(this, Reflect.get(this, 'self'));
          this.giveUp();
        },
    ),
  },
  {
    name: 'a pledge of a server that does not come is not withdrawn',
    plant: instead(SharedPool, 'withdraw', nothing),
  },
  {
    name: 'a server is handed over in the middle of what it says',
    seed: 33,
    plant: instead(ServerSession, 'isCut', nothing),
  },
  {
    name: 'a count is given back twice',
    plant: instead(SharedPool, 'giveUp', (original) => {
      let times = 0;
      return function (this: SharedPool) {
        original.call(this);
        if (++times % 10 === 0) original.call(this);
      };
    }),
  },
  {
    name: 'who waits in another worker is forgotten',
    plant: together(
      instead(PoolSharing, 'look', nothing),
      instead(PoolSharing, 'handOver', () => () => false),
      instead(
        PoolSharing,
        'keep',
        () =>
          function (this: PoolSharing, server: ServerSession) {
            const pool: Pool = Reflect.get(this, 'pool');
            pool.idle.push(server);
          },
      ),
    ),
  },
  {
    name: 'a cancel goes to a server that the worker had before',
    plant: () => {
      const { takenOver } = ServerSession;
      let before: ServerSession | null = null;
      ServerSession.takenOver = (pool, record, detached) => {
        const server = takenOver.call(ServerSession, pool, record, detached);
        const { processId, cancelKey } = server;
        if (before !== null && !before.isClosed) {
          server.processId = before.processId;
          server.cancelKey = before.cancelKey;
        } else {
          server.processId = processId;
          server.cancelKey = cancelKey;
        }
        before = server;
        return server;
      };
      return () => {
        ServerSession.takenOver = takenOver;
      };
    },
  },
  {
    name: 'a client that moves leaves its statements behind',
    plant: instead(
      ServedClient,
      'record',
      (original) =>
        function (this: ServedClient) {
          return { ...original.call(this), statements: [] };
        },
    ),
  },
  {
    name: 'a client that moves is still counted where it was',
    plant: instead(
      ServedClient,
      'hasLeft',
      (original) =>
        function (this: ServedClient, ...rest: unknown[]) {
          original.apply(this, rest);
          this.pool.clientArrives();
        },
    ),
  },
  {
    name: 'what a worker had sent before it died is lost',
    seed: 6153,
    plant: instead(
      Mail,
      'buries',
      () =>
        function (this: Mail, worker: number) {
          Reflect.get(this, 'peers').delete(worker);
        },
    ),
  },
  {
    name: 'what a worker that died had is still counted',
    plant: instead(SharedPool, 'forget', nothing),
  },
  {
    name: 'a worker asks for servers for a client that has one already',
    plant: instead(
      SharedPool,
      'waits',
      (original) =>
        function (this: SharedPool, change: number) {
          original.call(this, change, Reflect.get(this, 'asksSince'));
        },
    ),
  },
  {
    name: 'more servers are opened at a time than max_concurrent_creates',
    plant: instead(
      SharedPool,
      'reserve',
      (original) =>
        function (this: SharedPool, sizeMax: number) {
          return original.call(this, sizeMax, sizeMax);
        },
    ),
  },
  {
    name: 'a worker whose clients wait is never given a server',
    plant: together(
      instead(PoolNeeds, 'whoNeedsMore', () => () => NO_WORKER),
      instead(PoolNeeds, 'whoNeeds', () => () => NO_WORKER),
    ),
  },
  {
    name: 'a worker keeps its idle servers though another has none',
    plant: instead(PoolNeeds, 'isSpareFor', () => () => false),
  },
  {
    name: 'nobody is refused with a query_wait_timeout of 0',
    seed: 107,
    plant: instead(NoWait, 'begin', nothing),
  },
  {
    name: 'a client waits for longer than query_wait_timeout behind one that was served',
    plant: instead(
      Pool,
      'limitWaits',
      (original) =>
        function (this: Pool) {
          const { waiters } = this;
          if (waiters.length !== 1) original.call(this);
        },
    ),
  },
  {
    name: 'servers are not kept above min_pool_size',
    plant: instead(PoolGrowth, 'fill', nothing),
  },
  {
    name: 'of the servers of min_pool_size only one is opened',
    plant: instead(
      PoolGrowth,
      'opened',
      () =>
        function (this: PoolGrowth) {
          this.grow();
        },
    ),
  },
  // ── what the simulator has found in the pooler ─────────────────────────────────────────────────────────────────
  {
    name: 'a client is told that there is no descriptor for its server before it begins to wait',
    seed: 89,
    plant: instead(
      PoolGrowth,
      'open',
      (original) =>
        function (this: PoolGrowth) {
          const isOpen = original.call(this);
          if (!isOpen) this.onTimer(Reflect.get(this, 'failTimer'));
          return isOpen;
        },
    ),
  },
  {
    name: 'a pool that is closed leaves its timers behind',
    plant: together(instead(PoolGrowth, 'stop', nothing), instead(PoolSharing, 'stop', nothing)),
  },
  {
    name: 'an answer of our own is put inside a notice that is being relayed',
    seed: 1899,
    plant: instead(
      ServerAnswers,
      'sendSynthetics',
      (original) =>
        function (this: ServerAnswers) {
          Object.defineProperty(this, 'isMidRelay', { value: false, configurable: true });
          original.call(this);
          Reflect.deleteProperty(this, 'isMidRelay');
        },
    ),
  },
  {
    name: 'servers are short for ever once they have been',
    plant: instead(PoolGrowth, 'shortageEnds', nothing),
  },
  {
    name: 'servers are opened for a moment’s shortage',
    plant: instead(PoolGrowth, 'hasBeenShort', () => () => true),
  },
  {
    name: 'a login does not look again when another worker could not open a server',
    seed: 2276,
    plant: instead(PoolGrowth, 'hopeForParameters', nothing),
  },
  {
    name: 'a login waits at SHUTDOWN for what no server tells it',
    plant: instead(
      PoolGreeting,
      'giveUp',
      (original) =>
        function (this: PoolGreeting, error: Error) {
          if (!(error instanceof ShuttingDown)) original.call(this, error);
        },
    ),
  },
  {
    name: 'behind a RELOAD clients are greeted with what another client has set',
    plant: instead(
      ServerAnswers,
      'parameterChanged',
      (original) =>
        function (this: ServerSession, bytes: Uint8Array, at: number, end: number, isClients: boolean) {
          const [name = '', value = ''] = Buffer.from(bytes.subarray(at, end)).toString().split('\0');
          if (Reflect.get(this, 'login') === null) this.pool.greeting.parameters.set(name, value);
          original.call(this, bytes, at, end, isClients);
        },
    ),
  },
  {
    name: 'a client is greeted with the half that a server has said of its parameters',
    plant: instead(
      ServerAnswers,
      'parameterChanged',
      (original) =>
        function (this: ServerSession, bytes: Uint8Array, at: number, end: number, isClients: boolean) {
          original.call(this, bytes, at, end, isClients);
          const login: ServerLogin | null = Reflect.get(this, 'login');
          for (const [name, value] of login?.parameters ?? []) this.pool.greeting.parameters.set(name, value);
        },
    ),
  },
  {
    name: 'behind a RELOAD clients are greeted with what a server of the host before says',
    plant: instead(
      Pool,
      'opened',
      (original) =>
        function (this: Pool, server: ServerSession, parameters: ReadonlyMap<string, string>) {
          if (server.origin !== this.origin) this.greeting.learn(parameters);
          original.call(this, server, parameters);
        },
    ),
  },
  {
    name: 'a server of the host before a RELOAD is taken from a worker that has not heard of it',
    plant: instead(
      Pool,
      'whyUnwanted',
      (original) =>
        function (this: Pool, server: ServerSession) {
          const { origin } = server;
          Reflect.set(server, 'origin', this.origin);
          const why = original.call(this, server);
          Reflect.set(server, 'origin', origin);
          return why;
        },
    ),
  },
  {
    name: 'a client that comes to a worker that has closed its pool is still counted',
    plant: instead(
      DataPlane,
      'refuse',
      () =>
        function (this: DataPlane, socket: Socket) {
          socket.close();
        },
    ),
  },
  {
    name: 'pools that are opened in an upgrade do not know of the servers of the other process',
    seed: 9,
    plant: instead(
      Pools,
      'open',
      (original) =>
        function (this: Pools, ...opened: unknown[]) {
          const foreign = Reflect.get(this, 'foreign');
          Reflect.set(this, 'foreign', new Map());
          const pool = original.apply(this, opened);
          Reflect.set(this, 'foreign', foreign);
          return pool;
        },
    ),
  },
];
