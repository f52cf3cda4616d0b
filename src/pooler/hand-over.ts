/** What goes along when a connection moves from one worker to another: plain data, everything that the next session
 *  must know. The descriptor itself is the process's and stays what it is. */

import type { KeySeed } from './cancel.js';
import type { PoolMode } from './settings.js';

/** An idle server. Times are of the reactors' common clock. */
export interface ServerRecord {
  readonly id: number;
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
export interface ClientRecord {
  readonly pool: number;
  readonly seed: KeySeed;
  readonly user: string;
  readonly applicationName: string;
  readonly mode: PoolMode;
  readonly connectedMs: number;
  readonly queries: number;
  readonly transactions: number;
  readonly errors: number;
  /** What it calls its statements, in the order of use, and what they are: see Statement.content. */
  readonly statements: readonly { readonly name: Uint8Array; readonly content: Uint8Array }[];
  readonly parameters: readonly (string | null)[] | null;
}
