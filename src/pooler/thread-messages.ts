/** All that crosses threads: plain data, told apart by `type`. Nothing else is posted. */
import type { MessagePort } from 'node:worker_threads';
import { DESCRIPTORS_BYTES } from '../reactor/descriptors.js';
import type { Fd, MappedRange } from '../reactor/libc.js';
import type { ListeningSocket } from '../reactor/reactor.js';
import type { RingMemory } from '../reactor/uring/ring.js';
import type { ClientProof, ProofVerdict } from './client-proof.js';
import { connectionCountsBytes } from './connection-counts.js';
import { countersBytes } from './counters.js';
import { POOLS_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';
import type { PassageToControl, PassageToWorker } from './passage-messages.js';
import type { ClientSecret, DataPlaneSettings, PoolSettings } from './settings.js';
import { sharedPoolsBytes } from './shared-pool.js';
import { workerBoardBytes } from './worker-board.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** What auth_query says of a user who is not listed. */
export type UserAnswer =
  /** Whoever proves to have this secret is let into the pool. */
  | { readonly kind: 'user'; readonly pool: number; readonly secret: ClientSecret }
  /** Not to be let in, and not to be told why: nobody can prove to have this secret. */
  | { readonly kind: 'stranger'; readonly secret: ClientSecret }
  /** The database has no auth_query. */
  | { readonly kind: 'none' }
  /** It cannot be asked yet. */
  | { readonly kind: 'notReady' }
  /** It was asked, or should have been, and failed. */
  | { readonly kind: 'failed' };

/** How the login ended of a user who was looked up. */
export type LoginOutcome = 'success' | 'wrongPassword' | 'other';

/** What a worker is started with. */
export interface WorkerStart {
  readonly index: number;
  /** How many workers there are. */
  readonly workers: number;
  readonly settings: DataPlaneSettings;
  readonly pools: readonly PoolStart[];
  readonly shared: SharedState;
  /** What it is woken by. */
  readonly wakeFd: Fd;
  /** An Int32: messages that the control plane has posted to it. Wraps around. */
  readonly posted: SharedArrayBuffer;
  /** The processor that it is bound to, null for any. */
  readonly processor: number | null;
  /** Where clients come in; null for a worker that gets them from another, or is told later. */
  readonly listening: ListeningSocket | null;
  /** What the secret part of cancel keys is made with: the same in every worker. */
  readonly cancelSigningKey: Uint8Array;
  /** The key that statement names are made with: the same in every worker. */
  readonly statementKey: Uint8Array;
  /** Another process has clients that are to come here. */
  readonly hasPredecessor: boolean;
  readonly logLevel: LogLevel;
  /** What is made of it are salts and keys of users that do not exist: the same in every worker. */
  readonly mockKey: Uint8Array;
  /** The pooler's version, for the console's greeting. */
  readonly version: string;
}

/** Memory of all workers and the control plane. */
export interface SharedState {
  /** For each worker a row for each pool: see counterRow. */
  readonly counters: SharedArrayBuffer;
  readonly connections: SharedArrayBuffer;
  readonly pools: SharedArrayBuffer;
  readonly board: SharedArrayBuffer;
  readonly descriptors: SharedArrayBuffer;
}

/** Zeroed memory for so many workers, and for POOLS_MAX pools: what nobody uses costs no more than addresses. */
export function sharedState(workers: number): SharedState {
  return {
    counters: new SharedArrayBuffer(countersBytes(workers * POOLS_MAX)),
    connections: new SharedArrayBuffer(connectionCountsBytes(workers)),
    pools: new SharedArrayBuffer(sharedPoolsBytes(POOLS_MAX, workers)),
    board: new SharedArrayBuffer(workerBoardBytes(workers)),
    descriptors: new SharedArrayBuffer(DESCRIPTORS_BYTES),
  };
}

/** The row of a pool's counters in a worker. */
export function counterRow(worker: number, pool: number): number {
  return worker * POOLS_MAX + pool;
}

/** A pool and its number, which is its own until it has been closed in all workers. */
export interface PoolStart {
  readonly pool: number;
  readonly settings: PoolSettings;
}
/** What the console may want of pools. */
export type PoolCommand = 'pause' | 'resume' | 'reconnect' | 'kill';

export type ToWorker =
  | PassageToWorker
  /** Finish transactions, then end; at the latest after so long. */
  | { readonly type: 'shutdown'; readonly graceMs: number }
  /** End now. */
  | { readonly type: 'stop' }
  | { readonly type: 'snapshot'; readonly request: number }
  /** What the console answers to the messages of a client, ready to be sent; it may be nothing yet. */
  | { readonly type: 'adminAnswer'; readonly client: number; readonly bytes: Uint8Array }
  /** A command for the pools of a database, null for all. Answered with done: how many servers these pools have in the
   *  whole process, and for kill how many clients of this worker were ended. */
  | {
      readonly type: 'administer';
      readonly request: number;
      readonly command: PoolCommand;
      readonly database: string | null;
    }
  /** Answered with done: 1 when it was a client of this worker. */
  | { readonly type: 'killClient'; readonly request: number; readonly client: number }
  /** What prepared statements does it know? */
  | { readonly type: 'statements'; readonly request: number }
  | {
      readonly type: 'scramKeys';
      readonly request: number;
      readonly keys: { readonly clientKey: Uint8Array; readonly serverKey: Uint8Array };
    }
  | { readonly type: 'userFound'; readonly request: number; readonly answer: UserAnswer }
  | { readonly type: 'proofChecked'; readonly request: number; readonly verdict: ProofVerdict }
  /** Another worker can be reached, or can be reached anew. */
  | {
      readonly type: 'peer';
      readonly worker: number;
      readonly port: MessagePort;
      readonly wakeFd: Fd;
      /** See PEER_MAIL_BYTES: what it says to this one, and what this one says to it. */
      readonly incoming: SharedArrayBuffer;
      readonly outgoing: SharedArrayBuffer;
    }
  /** Another worker has died. Answered with peerForgotten: nothing is posted to it any more. */
  | { readonly type: 'peerDied'; readonly worker: number }
  /** Which idle servers are past their time? */
  | { readonly type: 'findExpired'; readonly request: number }
  | { readonly type: 'closeExpired'; readonly pool: number; readonly server: number }
  /** See to it that a pool has min_pool_size servers. */
  | { readonly type: 'fill'; readonly pool: number }
  /** Other settings than the pools' are in force. `tlsChanged`: clients that connect from now on get others, too. */
  | { readonly type: 'settings'; readonly settings: DataPlaneSettings; readonly tlsChanged: boolean }
  /** There is a new pool, or one has other settings. */
  | ({ readonly type: 'pool' } & PoolStart)
  /** The pool is not configured any more: its clients go when their transactions end. Answered with poolClosed when
   *  nothing of it is left, in which the number comes back. */
  | { readonly type: 'closePool'; readonly pool: number; readonly request: number }
  /** From now on lines of this level and above are wanted. */
  | { readonly type: 'logLevel'; readonly level: LogLevel }
  /** A host name of a pool stands for another address now. */
  | { readonly type: 'address'; readonly pool: number; readonly host: string };

export type ToControl =
  | PassageToControl
  | {
      readonly type: 'ready';
      readonly backend: string;
      readonly why: string;
      /** Memory that is to be given back when the thread has died: a ring that is mapped lives on. */
      readonly mappings: readonly MappedRange[];
      readonly aioContexts: readonly number[];
      readonly rings: readonly RingMemory[];
    }
  | { readonly type: 'cannotStart'; readonly why: string }
  /** It ends, and nobody has told it to. */
  | { readonly type: 'dying'; readonly why: string }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly text: string;
      readonly fields: LogFields;
    }
  /** Whole messages of a client of the console. The next ones come when these have been answered. */
  | { readonly type: 'adminMessages'; readonly client: number; readonly bytes: Uint8Array }
  /** A CancelRequest for it. */
  | { readonly type: 'adminCancel'; readonly client: number }
  | { readonly type: 'adminEnded'; readonly client: number }
  | { readonly type: 'done'; readonly request: number; readonly count: number }
  | {
      readonly type: 'statements';
      readonly request: number;
      readonly statements: readonly StatementSnapshot[];
    }
  | { readonly type: 'snapshot'; readonly request: number; readonly snapshot: WorkerSnapshot }
  | {
      readonly type: 'deriveScramKeys';
      readonly request: number;
      readonly password: string;
      readonly salt: Uint8Array;
      readonly iterations: number;
    }
  /** Somebody logs in who is not listed: who is it? Answered with userFound. `isRefetch`: asked before under this
   *  number, and the password was wrong; it may have been changed. */
  | {
      readonly type: 'findUser';
      readonly request: number;
      readonly database: string;
      readonly user: string;
      readonly isRefetch: boolean;
    }
  /** The login is over for which a user was looked for under this number. */
  | { readonly type: 'loginOver'; readonly request: number; readonly outcome: LoginOutcome }
  /** Is a client who it says it is? Answered with proofChecked. */
  | { readonly type: 'checkProof'; readonly request: number; readonly proof: ClientProof }
  /** The answer is not wanted any more. */
  | { readonly type: 'forgetProof'; readonly request: number }
  /** It is shutting down, and has no client any more. */
  | { readonly type: 'drained' }
  | { readonly type: 'poolClosed'; readonly pool: number; readonly request: number }
  | { readonly type: 'peerForgotten'; readonly worker: number }
  | { readonly type: 'expired'; readonly request: number; readonly servers: readonly ExpiredServer[] }
  | { readonly type: 'stopped' };

/** An idle server that is too old or has idled too long. */
export interface ExpiredServer {
  readonly pool: number;
  readonly server: number;
  /** When it was opened: milliseconds of the reactors' clock. */
  readonly createdMs: number;
}

/** What there is in a worker at one moment. Times are milliseconds before now. */
export interface WorkerSnapshot {
  readonly clients: readonly ClientSnapshot[];
  readonly servers: readonly ServerSnapshot[];
  readonly pools: readonly PoolSnapshot[];
  readonly waits: readonly WaitSnapshot[];
  /** Clients that have connected and not logged in yet. */
  readonly logins: number;
  readonly connections: ConnectionCounts;
}

interface ConnectionCounts {
  readonly total: number;
  readonly errors: number;
  readonly tls: number;
  readonly plain: number;
  readonly cancel: number;
}

export interface ClientSnapshot {
  readonly id: number;
  readonly database: string;
  readonly user: string;
  readonly applicationName: string;
  readonly isTls: boolean;
  readonly address: string;
  readonly state: 'active' | 'idle' | 'waiting';
  readonly wait: 'idle' | 'read' | 'write';
  readonly transactions: number;
  readonly queries: number;
  readonly errors: number;
  readonly ageMs: number;
}

export interface ServerSnapshot {
  readonly id: number;
  readonly processId: number;
  readonly database: string;
  readonly user: string;
  readonly applicationName: string;
  readonly isTls: boolean;
  readonly state: 'login' | 'active' | 'idle' | 'used';
  readonly wait: 'idle' | 'read' | 'write';
  readonly transactions: number;
  readonly queries: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly ageMs: number;
  readonly preparedHits: number;
  readonly preparedMisses: number;
  readonly preparedSize: number;
}

/** `pool` is its number. */
export interface PoolSnapshot {
  readonly pool: number;
  readonly clientsIdle: number;
  readonly clientsActive: number;
  readonly clientsWaiting: number;
  readonly cancelRequests: number;
  readonly serversActive: number;
  readonly serversIdle: number;
  readonly serversUsed: number;
  readonly serversLogin: number;
  readonly longestWaitMs: number;
  /** Of the transactions that clients are in. */
  readonly oldestActiveMs: number;
  readonly isPaused: boolean;
}

/** A client that waits for a server, or has one. */
export interface WaitSnapshot {
  readonly worker: number;
  readonly pool: number;
  readonly client: number;
  readonly applicationName: string;
  readonly address: string;
  /** As pg_stat_activity says it; `waiting`: it has no server yet. */
  readonly state: 'waiting' | 'active' | 'idle in transaction' | 'idle in transaction (aborted)' | 'idle';
  /** Since when it waits, or has the server. */
  readonly ms: number;
  /** 0: none. */
  readonly server: number;
  readonly processId: number;
  /** How the statement begins that it waits with, or has sent last. As it came: it may contain secrets. */
  readonly statement: string;
}

/** A prepared statement of a pool. */
export interface StatementSnapshot {
  readonly pool: number;
  readonly hash: number;
  /** On servers. */
  readonly name: string;
  /** The beginning of its text. */
  readonly query: string;
  /** How often it was bound. */
  readonly uses: number;
}
