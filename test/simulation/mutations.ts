/** Bugs planted on purpose, the historical ones of poolers among them: a simulator that does not find them proves
 *  nothing. Each takes the place of a method for a while. */
import { AnswerQueue } from '../../src/pooler/answer-queue.js';
import { ClientSession } from '../../src/pooler/client-session.js';
import { ClientStatements } from '../../src/pooler/client-statements.js';
import { Counters, Gauge } from '../../src/pooler/counters.js';
import { MemoryBudget } from '../../src/pooler/memory-budget.js';
import { NameChanges } from '../../src/pooler/name-changes.js';
import { Pool } from '../../src/pooler/pool.js';
import { PoolGrowth } from '../../src/pooler/pool-growth.js';
import { ServerSession } from '../../src/pooler/server-session.js';
import { ServerStatements } from '../../src/pooler/server-statements.js';
import { StreamSocket } from '../../src/reactor/stream-socket.js';
import { TransactionStatus } from '../../src/wire/tags.js';

/** biome-ignore lint/complexity/noBannedTypes: any method */
type Method = Function;

export interface Mutation {
  readonly name: string;
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
      ServerSession,
      'answerLocally',
      () =>
        function (this: ServerSession, kind: number) {
          Reflect.get(this, 'sendSynthetic').call(this, kind);
        },
    ),
  },
  {
    name: 'a statement counts as prepared though its Parse was skipped',
    plant: instead(ServerStatements, 'delete', nothing),
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
    plant: () => {
      const begins = instead(ServerSession, 'cancelBegins', nothing)();
      const delivered = instead(ServerSession, 'cancelDelivered', nothing)();
      return () => {
        begins();
        delivered();
      };
    },
  },
  {
    name: 'a BEGIN that was put off is lost',
    plant: instead(
      ClientSession,
      'gotServer',
      (original) =>
        function (this: ClientSession, server: ServerSession) {
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
      ClientSession,
      'answersCame',
      (original) =>
        function (this: ClientSession, server: ServerSession) {
          if (this.id % 3 !== 0) original.call(this, server);
        },
    ),
  },
];
