/** What crosses between a worker and the control plane when one process takes the place of another. See passage.ts. */
import type { DetachedSocket, ListeningSocket } from '../reactor/reactor.js';
import type { CancelKey } from '../wire/startup.js';
import type { ProvenLogin, TravellingClient } from './hand-over.js';

export type PassageToWorker =
  /** Take connections of this socket. */
  | { readonly type: 'accept'; readonly listening: ListeningSocket }
  /** Another process serves: take no more connections, send there whoever can go, and end when nobody is left; at the
   *  latest after so long. Answered with departing. */
  | { readonly type: 'depart'; readonly graceMs: number }
  /** The other process has failed: everything goes on here. */
  | { readonly type: 'remain' }
  /** A client that another process had. */
  | {
      readonly type: 'clientArrives';
      readonly detached: DetachedSocket;
      readonly client: TravellingClient;
    }
  /** … one that has not logged in, and what it has sent; `proven`: all but its greeting is done. */
  | {
      readonly type: 'loginArrives';
      readonly detached: DetachedSocket;
      readonly unread: Uint8Array;
      readonly proven: ProvenLogin | null;
      readonly isTooMany: boolean;
    }
  | { readonly type: 'poolFacts'; readonly facts: PoolFacts }
  /** There may be room for servers in this pool. */
  | { readonly type: 'roomCame'; readonly pool: number }
  /** A CancelRequest that came to the other process. Answered with cancelEnded. */
  | { readonly type: 'cancelAsked'; readonly request: number; readonly key: CancelKey }
  /** The other process has delivered this worker's CancelRequest, or knows nobody of that key. */
  | { readonly type: 'cancelAnswered'; readonly request: number }
  /** There is no other process any more. */
  | { readonly type: 'predecessorEnded' };

export type PassageToControl =
  | { readonly type: 'departing'; readonly pools: readonly PoolFacts[] }
  | {
      readonly type: 'clientGoes';
      readonly detached: DetachedSocket;
      readonly client: TravellingClient;
    }
  | {
      readonly type: 'loginGoes';
      readonly detached: DetachedSocket;
      readonly unread: Uint8Array;
      readonly proven: ProvenLogin | null;
    }
  /** What has become known since. */
  | { readonly type: 'poolFacts'; readonly facts: PoolFacts }
  /** The process before this one may have the client of this key. Answered with cancelAnswered. */
  | { readonly type: 'cancelElsewhere'; readonly request: number; readonly key: CancelKey }
  | { readonly type: 'cancelEnded'; readonly request: number };

/** What is found out about a pool from its servers and clients, and what another process would have to find out anew. */
export interface PoolFacts {
  readonly database: string;
  readonly user: string;
  /** Of whose servers the parameters are: see Pool. */
  readonly origin: string;
  readonly parameters: readonly (readonly [string, string])[];
  /** See PoolCredentials. */
  readonly clientKey: Uint8Array | null;
}
