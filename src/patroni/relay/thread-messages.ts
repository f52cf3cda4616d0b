/** All that crosses threads: plain data, told apart by `type`. Nothing else is posted. */
import type { ListeningSocket } from '../../reactor/reactor.js';
import type { ListenAddress } from '../listen-address.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** What the worker is started with. */
export interface WorkerStart {
  readonly ioBackend: 'auto' | 'io_uring' | 'epoll';
  /** Whether the life of every connection is to be logged. */
  readonly isDebug: boolean;
  /** Sockets that the process before listened on. */
  readonly listeners: readonly OpenListener[];
}

/** A socket that listens, and the address in the file that it is for. */
export interface OpenListener {
  readonly key: string;
  readonly listening: ListeningSocket;
}

/** A port as it is to be: where it listens, and who may get its clients now. */
export interface Route {
  readonly cluster: string;
  readonly port: string;
  readonly listen: ListenAddress;
  readonly backends: readonly RouteBackend[];
}

export interface RouteBackend {
  /** The member's name. */
  readonly name: string;
  /** The member's host as Patroni says it; with the port it tells one backend from another. */
  readonly host: string;
  readonly port: number;
  /** The IP address that the host stands for now. */
  readonly address: string;
}

export type ToWorker =
  /** All ports as they are to be from now on. Answered with `applied`. */
  | {
      readonly type: 'routes';
      readonly request: number;
      readonly connectTimeoutMs: number;
      readonly routes: readonly Route[];
    }
  | { readonly type: 'snapshot'; readonly request: number }
  /** Take no more clients, and end when all have left; at the latest after so long. */
  | { readonly type: 'drain'; readonly by: string; readonly graceMs: number }
  /** Which sockets listen? Answered with `listening`. */
  | { readonly type: 'listening'; readonly request: number }
  /** Accept nobody any more: another process is about to. */
  | { readonly type: 'release' }
  /** It does not. */
  | { readonly type: 'takeBack' }
  /** It does: end when all have left. */
  | { readonly type: 'leave' }
  /** End now. */
  | { readonly type: 'stop' };

export type ToControl =
  | { readonly type: 'started'; readonly backend: string; readonly why: string; readonly wakeFd: number }
  | { readonly type: 'cannotStart'; readonly why: string }
  /** `failure`: an address that cannot be listened on; everything is then as it was. */
  | {
      readonly type: 'applied';
      readonly request: number;
      readonly failure: string | null;
      readonly opened: readonly string[];
    }
  | { readonly type: 'snapshot'; readonly request: number; readonly ports: readonly PortSnapshot[] }
  | { readonly type: 'listening'; readonly request: number; readonly listeners: readonly OpenListener[] }
  | { readonly type: 'log'; readonly level: LogLevel; readonly text: string }
  | { readonly type: 'stopped' };

/** What has happened at a port since the start, and what there is now. */
export interface PortSnapshot {
  readonly cluster: string;
  readonly port: string;
  /** The port that it listens on. */
  readonly listenPort: number;
  readonly accepted: number;
  /** Clients that were sent away since no member could take them. */
  readonly turnedAway: number;
  /** Connections that were closed because their member was not to have them any more. */
  readonly closedByUpdate: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly backends: readonly BackendSnapshot[];
}

export interface BackendSnapshot {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly connectionsTotal: number;
  readonly connectFailures: number;
}
