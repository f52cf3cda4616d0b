/** Pools without workers: what was opened, changed and closed. */
import assert from 'node:assert/strict';
import type { RunTimePools } from '../../../../src/control/auth-query/dynamic-pools.js';
import type { PoolSettings } from '../../../../src/pooler/settings.js';

export class PoolsInMemory implements RunTimePools {
  isFull = false;
  readonly opened: PoolSettings[] = [];
  readonly closed: number[] = [];
  /** Those that have neither clients nor servers. */
  readonly empty = new Set<number>();

  async open(settings: PoolSettings): Promise<number> {
    if (this.isFull) throw new Error('too many pools');
    const known = this.opened.findIndex(
      ({ user }, pool) => user === settings.user && !this.closed.includes(pool),
    );
    if (known === -1) return this.opened.push(settings) - 1;
    this.opened[known] = settings;
    return known;
  }

  close(pool: number): void {
    this.closed.push(pool);
  }

  isEmpty(pool: number): boolean {
    return this.empty.has(pool);
  }

  settings(pool: number): PoolSettings {
    const settings = this.opened[pool];
    assert.ok(settings);
    return settings;
  }
}
