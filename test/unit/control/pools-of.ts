/** Pools as far as statistics look at them. */
import { PoolMode, type PoolSettings } from '../../../src/pooler/settings.js';

export const POOL: PoolSettings = {
  database: 'x',
  user: 'alice',
  isDynamic: false,
  address: { kind: 'unix', path: '' },
  serverHost: '',
  serverTls: { id: '', mode: 'disable', authorities: '', checksHost: false, identity: null },
  serverDatabase: 'x',
  serverUser: 'alice',
  clientSecret: { kind: 'none' },
  serverSecret: { kind: 'none' },
  mode: PoolMode.Transaction,
  poolSize: 1,
  minPoolSize: 0,
  maxConcurrentCreates: 1,
  scalingWarmPoolRatio: 0,
  scalingFastRetries: 0,
  scalingCooldownSleepMs: 0,
  applicationName: '',
  connectTimeoutMs: 0,
  idleTimeoutMs: 0,
  serverLifetimeMs: 0,
  cleanupServerConnections: true,
  logClientParameterStatusChanges: false,
};

/** So many, numbered from 0. */
export function poolsOf(count: number): () => Iterable<readonly [number, PoolSettings]> {
  return () => Array.from({ length: count }, () => POOL).entries();
}
