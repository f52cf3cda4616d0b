/** With what the clients of a pool prove who they are, and the pooler at its servers. Where logins are passed through,
 *  what one client has proved here is what servers are opened with, in every worker. */
import { isDeepStrictEqual } from 'node:util';
import { equalsAt } from '../wire/bytes.js';
import { isKeyOf } from '../wire/scram-verifier.js';
import type { PeerLink } from './peers.js';
import type { Pool } from './pool.js';
import type { ClientSecret, PoolSettings, ServerSecret } from './settings.js';

export class PoolCredentials {
  /** What clients prove who they are with. Where everything is passed through it follows their logins. */
  clientSecret: ClientSecret;
  /** From the first client that logged in with SCRAM; signs for us at the server. */
  clientKey: Uint8Array | null = null;
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
    this.clientSecret = pool.settings.clientSecret;
  }

  /** How the pooler proves who it is to the server. */
  get serverSecret(): ServerSecret {
    const { serverSecret } = this.pool.settings;
    if (serverSecret.kind !== 'passthrough') return serverSecret;
    const { clientSecret } = this;
    return clientSecret.kind === 'md5'
      ? { kind: 'md5', hash: clientSecret.hash }
      : { kind: 'scram-passthrough' };
  }

  settingsChanged(before: PoolSettings): void {
    const { clientSecret } = this.pool.settings;
    if (isDeepStrictEqual(before.clientSecret, clientSecret)) return;
    this.clientSecret = clientSecret;
    this.clientKey = null;
  }

  /** A client has logged in with SCRAM, here or in another worker. */
  keyCame(key: Uint8Array): void {
    const { clientSecret } = this.pool.settings;
    // One that the other worker knew from before the password was changed is of no use.
    if (clientSecret.kind === 'scram' && isKeyOf(clientSecret, key)) this.clientKey = key;
  }

  /** … or with what auth_query said, in another worker. */
  came(secret: ClientSecret, key: Uint8Array | null): void {
    this.clientSecret = secret;
    this.clientKey = key;
  }

  /** A client has proved here to have this secret, by SCRAM with this key: what can be passed through is kept, and the
   *  other workers are told. */
  learn(secret: ClientSecret, key: Uint8Array | null): void {
    const { index, settings, plane } = this.pool;
    const { kind } = settings.serverSecret;
    if (kind === 'passthrough') {
      if (isSameSecret(secret, this.clientSecret) && (key === null || this.clientKey !== null)) return;
      this.came(secret, key);
      plane.peers.postToAll({ type: 'credentials', pool: index, secret, key });
    } else if (key !== null && kind === 'scram-passthrough' && !isSameKey(key, this.clientKey)) {
      this.clientKey = key;
      plane.peers.postToAll({ type: 'clientKey', pool: index, key });
    } else return;
    plane.passage.found(this.pool);
  }

  /** Tells another worker what it would have to find out. */
  introduceTo(peer: PeerLink): void {
    const { index: pool, settings } = this.pool;
    const { clientSecret: secret, clientKey: key } = this;
    if (settings.serverSecret.kind === 'passthrough') peer.post({ type: 'credentials', pool, secret, key });
    else if (key !== null) peer.post({ type: 'clientKey', pool, key });
  }
}

function isSameKey(key: Uint8Array, known: Uint8Array | null): boolean {
  return known?.length === key.length && equalsAt(known, 0, key);
}

function isSameSecret(a: ClientSecret, b: ClientSecret): boolean {
  if (a.kind === 'md5' && b.kind === 'md5') return a.hash === b.hash;
  if (a.kind !== 'scram' || b.kind !== 'scram') return false;
  return a === b || (isSameKey(a.salt, b.salt) && isSameKey(a.storedKey, b.storedKey));
}
