/** The other workers, and what is said to them. */

import type { DetachedSocket } from '../reactor/reactor.js';
import type { CancelKey } from '../wire/startup.js';
import type { ClientRecord, ServerRecord } from './hand-over.js';
import type { ClientSecret } from './settings.js';

export type ToPeer =
  /** Somebody waits in this pool, or there is room to open a server: see whether you can help or be helped. */
  | { readonly type: 'look'; readonly pool: number }
  | {
      readonly type: 'server';
      readonly pool: number;
      readonly detached: DetachedSocket;
      readonly record: ServerRecord;
    }
  /** One that has just connected. */
  | { readonly type: 'newClient'; readonly detached: DetachedSocket; readonly isTooMany: boolean }
  | { readonly type: 'client'; readonly detached: DetachedSocket; readonly record: ClientRecord }
  /** What the servers of a pool say of themselves. */
  | {
      readonly type: 'parameters';
      readonly pool: number;
      /** See Pool.origin: the two workers may not have heard of a change at the same time. */
      readonly origin: string;
      readonly parameters: readonly (readonly [string, string])[];
    }
  /** What do they say? Answered with parameters by whoever knows. */
  | { readonly type: 'askParameters'; readonly pool: number }
  /** From a client that logged in with SCRAM; signs for us at the server. */
  | { readonly type: 'clientKey'; readonly pool: number; readonly key: Uint8Array }
  /** What the clients of a pool that passes everything through log in with now; no key with MD5. */
  | {
      readonly type: 'credentials';
      readonly pool: number;
      readonly secret: ClientSecret;
      readonly key: Uint8Array | null;
    }
  /** A login to the admin console has failed: see FailedLogins. */
  | { readonly type: 'loginFailed'; readonly address: string }
  /** A statement does not run any more as it was prepared. */
  | {
      readonly type: 'renewed';
      readonly pool: number;
      readonly content: Uint8Array;
      readonly serial: number;
    }
  /** A CancelRequest; answered with cancelEnded when it has been delivered or is nobody's here. */
  | { readonly type: 'cancel'; readonly request: number; readonly key: CancelKey }
  | { readonly type: 'cancelEnded'; readonly request: number };

/** The way to one other worker. What is posted arrives in order. */
export interface PeerLink {
  post(message: ToPeer): void;
}

export class Peers {
  private readonly links = new Map<number, PeerLink>();

  /** It is there, or there anew. */
  connect(worker: number, link: PeerLink): void {
    this.links.set(worker, link);
  }

  /** It has died. */
  disconnect(worker: number): void {
    this.links.delete(worker);
  }

  has(worker: number): boolean {
    return this.links.has(worker);
  }

  all(): Iterable<number> {
    return this.links.keys();
  }

  get count(): number {
    return this.links.size;
  }

  /** Only to one that is there: a descriptor that was sent to nobody would stay open. */
  post(worker: number, message: ToPeer): void {
    this.links.get(worker)?.post(message);
  }

  postToAll(message: ToPeer): void {
    for (const link of this.links.values()) link.post(message);
  }
}
