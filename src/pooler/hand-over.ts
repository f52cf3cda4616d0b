/** What goes along when a connection moves from one worker to another, or to another process: plain data, everything that the next session
 *  must know. The descriptor itself is the process's and stays what it is. */

import type { KeySeed } from './cancel.js';
import type { ProofMethod } from './client-proof.js';
import type { PoolMode } from './settings.js';

/** An idle server. Times are of the reactors' common clock. */
export interface ServerRecord {
  readonly id: number;
  readonly origin: string;
  readonly processId: number;
  readonly cancelKey: Uint8Array;
  readonly createdMs: number;
  readonly expiresAtS: number;
  readonly idleSince: number;
  readonly queries: number;
  readonly transactions: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly preparedHits: number;
  readonly preparedMisses: number;
  /** Names of the statements that are prepared on it, the one that is to go first at the front. */
  readonly prepared: readonly string[];
  /** See TrackedParameters; null when clients take none along. */
  readonly parameters: readonly (string | null)[] | null;
}

/** A client that has no server. */
export interface ClientRecord extends ClientFacts {
  readonly pool: number;
}

/** … on its way to the process that takes this one's place, or back. */
export interface TravellingClient extends ClientFacts {
  /** It was told that its BEGIN is done, and no server has heard of it. */
  readonly beginIsDeferred: boolean;
  /** What it has sent and nobody has looked at: the beginning of what it sends next. */
  readonly unread: Uint8Array;
}

/** A client that has proved who it is, on its way to the process that takes this one's place, which greets it. */
export interface ProvenLogin {
  readonly user: string;
  readonly database: string;
  readonly applicationName: string;
  /** See StartupParameters. */
  readonly minorVersion: number;
  readonly others: readonly (readonly [string, string])[];
  /** How it has proved it and which rule let it, for the log. */
  readonly method: ProofMethod | null;
  readonly rule: string;
}

/** Who a client is. */
export interface ClientIdentity {
  /** Its own name, whichever pool it shares with others. */
  readonly user: string;
  readonly applicationName: string;
  /** Host and port, kept for the log: one that has gone has none any more. */
  readonly address: string;
}

interface ClientFacts extends ClientIdentity {
  /** … of its pool. */
  readonly database: string;
  readonly seed: KeySeed;
  readonly mode: PoolMode;
  readonly connectedMs: number;
  readonly queries: number;
  readonly transactions: number;
  readonly errors: number;
  /** What it calls its statements, in the order of use, and what they are: see Statement.content. */
  readonly statements: readonly { readonly name: Uint8Array; readonly content: Uint8Array }[];
  readonly parameters: readonly (string | null)[] | null;
}
