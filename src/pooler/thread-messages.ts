/** All that crosses threads: plain data, told apart by `type`. Nothing else is posted. */
import type { MessagePort } from 'node:worker_threads';
import { DESCRIPTORS_BYTES } from '../reactor/descriptors.js';
import type { Fd, MappedRange } from '../reactor/libc.js';
import type { ListeningSocket } from '../reactor/reactor.js';
import { countersBytes } from './counters.js';
import type { ClientTlsSettings, DataPlaneSettings, ServerTlsSettings } from './settings.js';
import { sharedPoolsBytes } from './shared-pool.js';
import { workerBoardBytes } from './worker-board.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** What a worker is started with. */
export interface WorkerStart {
  readonly index: number;
  /** How many workers there are. */
  readonly workers: number;
  readonly settings: DataPlaneSettings;
  readonly shared: SharedState;
  /** What it is woken by. */
  readonly wakeFd: Fd;
  /** The processor that it is bound to, null for any. */
  readonly processor: number | null;
  /** Where clients come in; null for a worker that gets them from another. */
  readonly listening: ListeningSocket | null;
  /** What the secret part of cancel keys is made with: the same in every worker. */
  readonly cancelSigningKey: Uint8Array;
  /** The key that statement names are made with: the same in every worker. */
  readonly statementKey: Uint8Array;
  /** What is made of it are salts and keys of users that do not exist: the same in every worker. */
  readonly mockKey: Uint8Array;
  /** The pooler's version, for the console's greeting. */
  readonly version: string;
}

/** Memory of all workers and the control plane. */
export interface SharedState {
  /** For each worker a row for each pool, in the order of the settings. */
  readonly counters: SharedArrayBuffer;
  readonly pools: SharedArrayBuffer;
  readonly board: SharedArrayBuffer;
  readonly descriptors: SharedArrayBuffer;
}

/** Zeroed memory for so many workers and pools. */
export function sharedState(workers: number, pools: number): SharedState {
  return {
    counters: new SharedArrayBuffer(countersBytes(Math.max(1, workers * pools))),
    pools: new SharedArrayBuffer(Math.max(1, sharedPoolsBytes(pools, workers))),
    board: new SharedArrayBuffer(workerBoardBytes(workers)),
    descriptors: new SharedArrayBuffer(DESCRIPTORS_BYTES),
  };
}

export type ToWorker =
  /** Finish transactions, then end; at the latest after so long. */
  | { readonly type: 'shutdown'; readonly graceMs: number }
  /** End now. */
  | { readonly type: 'stop' }
  | { readonly type: 'snapshot'; readonly request: number }
  /** The console's answer to a client, ready to be sent. */
  | { readonly type: 'adminAnswer'; readonly client: number; readonly bytes: Uint8Array }
  | {
      readonly type: 'scramKeys';
      readonly request: number;
      readonly keys: { readonly clientKey: Uint8Array; readonly serverKey: Uint8Array };
    }
  /** Another worker can be reached, or can be reached anew. */
  | {
      readonly type: 'peer';
      readonly worker: number;
      readonly port: MessagePort;
      readonly wakeFd: Fd;
    }
  /** Another worker has died. Answered with peerForgotten: nothing is posted to it any more. */
  | { readonly type: 'peerDied'; readonly worker: number }
  /** Which idle servers are past their time? */
  | { readonly type: 'findExpired'; readonly request: number }
  | { readonly type: 'closeExpired'; readonly pool: number; readonly server: number }
  /** See to it that a pool has min_pool_size servers. */
  | { readonly type: 'fill'; readonly pool: number }
  /** Certificates and limits for clients that connect from now on. */
  | { readonly type: 'clientTls'; readonly settings: ClientTlsSettings }
  /** How servers that are opened from now on are reached. `pool` is its place in the settings; pools with the same
   *  settings have the same object. */
  | {
      readonly type: 'serverTls';
      readonly pools: readonly { readonly pool: number; readonly settings: ServerTlsSettings }[];
    }
  /** A host name of a pool stands for another address now. */
  | { readonly type: 'address'; readonly pool: number; readonly host: string };

export type ToControl =
  | {
      readonly type: 'ready';
      readonly backend: string;
      readonly why: string;
      /** Memory that is to be given back when the thread has died: a ring that is mapped lives on. */
      readonly mappings: readonly MappedRange[];
    }
  | { readonly type: 'cannotStart'; readonly why: string }
  /** It ends, and nobody has told it to. */
  | { readonly type: 'dying'; readonly why: string }
  | { readonly type: 'log'; readonly level: LogLevel; readonly text: string }
  | { readonly type: 'adminQuery'; readonly client: number; readonly sql: string }
  | { readonly type: 'snapshot'; readonly request: number; readonly snapshot: WorkerSnapshot }
  | {
      readonly type: 'deriveScramKeys';
      readonly request: number;
      readonly password: string;
      readonly salt: Uint8Array;
      readonly iterations: number;
    }
  /** It is shutting down, and has no client any more. */
  | { readonly type: 'drained' }
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

/** `pool` is its place in the settings. */
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
}
