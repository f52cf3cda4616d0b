/** PAUSE, RESUME, RECONNECT, KILL and KILL_CLIENT over all workers, and what is paused: a worker that is started anew, and
 *  a pool that comes later, must know. */
import { setTimeout } from 'node:timers/promises';
import type { PoolCommand } from '../pooler/thread-messages.js';
import type { PoolControl } from './admin/command.js';
import { PauseEnded } from './admin/errors.js';

/** How often PAUSE looks whether the servers have been released. */
const LOOK_MS = 20;

/** A worker, as far as this needs it. */
export interface AdministeredWorker {
  administer(command: PoolCommand, database: string | null): Promise<number>;
  killClient(client: number): Promise<number>;
}

export class PoolAdministration implements PoolControl {
  private readonly workers: () => Iterable<AdministeredWorker>;
  /** null: all of them. */
  private readonly paused = new Set<string | null>();

  constructor(workers: () => Iterable<AdministeredWorker>) {
    this.workers = workers;
  }

  async pause(database: string | null, signal: AbortSignal): Promise<void> {
    const wasPaused = this.paused.has(database);
    this.paused.add(database);
    // Each time all are told, since a worker may have been started meanwhile. Each counts the servers of all.
    while ((await this.tellAll('pause', database)).some((servers) => servers > 0)) {
      await setTimeout(LOOK_MS);
      if (!this.paused.has(database)) throw new PauseEnded('RESUME was given');
      if (!signal.aborted) continue;
      if (!wasPaused) await this.resume(database);
      throw new PauseEnded('canceled by user request');
    }
  }

  async resume(database: string | null): Promise<boolean> {
    const wasPaused = database === null ? this.paused.size > 0 : this.paused.has(database);
    if (!wasPaused) return false;
    if (database === null) this.paused.clear();
    else this.paused.delete(database);
    await this.tellAll('resume', database);
    return true;
  }

  async reconnect(database: string | null): Promise<void> {
    await this.tellAll('reconnect', database);
  }

  async kill(database: string | null): Promise<void> {
    this.paused.add(database);
    await this.tellAll('kill', database);
  }

  /** Returns whether it was there. */
  async killClient(client: number): Promise<boolean> {
    const counts = await Promise.all([...this.workers()].map((each) => each.killClient(client)));
    return counts.some((count) => count > 0);
  }

  /** Databases; null stands for all. */
  get pausedNow(): readonly (string | null)[] {
    return [...this.paused];
  }

  /** What was paused in the process whose place this one takes. */
  inherit(paused: readonly (string | null)[]): void {
    for (const database of paused) {
      this.paused.add(database);
      void this.tellAll('pause', database);
    }
  }

  /** A worker is started: it is told what is paused. */
  greet(worker: AdministeredWorker): void {
    for (const database of this.paused) void worker.administer('pause', database);
  }

  private tellAll(command: PoolCommand, database: string | null): Promise<number[]> {
    return Promise.all([...this.workers()].map((each) => each.administer(command, database)));
  }
}
