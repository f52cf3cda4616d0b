/** All that crosses threads: plain data, told apart by `type`. Nothing else is posted. */
import type { ClientTlsSettings, DataPlaneSettings } from './settings.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** What a worker is started with. */
export interface WorkerStart {
  readonly index: number;
  readonly settings: DataPlaneSettings;
  /** A row for each pool, in the order of the settings. */
  readonly counters: SharedArrayBuffer;
  /** The key that statement names are made with: the same in every worker. */
  readonly statementKey: Uint8Array;
  /** The pooler's version, for the console's greeting. */
  readonly version: string;
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
  /** Certificates and limits for clients that connect from now on. */
  | { readonly type: 'clientTls'; readonly settings: ClientTlsSettings }
  /** A host name of a pool stands for another address now. */
  | { readonly type: 'address'; readonly pool: number; readonly host: string };

export type ToControl =
  | {
      readonly type: 'listening';
      readonly port: number;
      readonly backend: string;
      readonly why: string;
      readonly wakeFd: number;
    }
  | { readonly type: 'cannotStart'; readonly why: string }
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
  | { readonly type: 'stopped' };

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
