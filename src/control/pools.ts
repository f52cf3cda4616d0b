/** The pools of the process: which there are, by which number the workers know each, and how they come and go. Not for:
 *  what a pool does (pooler/pool.ts). */
import { isDeepStrictEqual } from 'node:util';
import { Counters } from '../pooler/counters.js';
import { POOLS_MAX } from '../pooler/limits.js';
import type { PoolSettings } from '../pooler/settings.js';
import { SharedPool } from '../pooler/shared-pool.js';
import { counterRow, type PoolStart, type SharedState, type ToWorker } from '../pooler/thread-messages.js';

/** More pools than there can be. */
export class TooManyPools extends Error {
  constructor() {
    super(`there cannot be more than ${POOLS_MAX} pools, those included whose last clients are leaving`);
  }
}

/** Which pools a reload has touched. */
export interface PoolChanges {
  readonly added: readonly PoolSettings[];
  readonly changed: readonly PoolSettings[];
  readonly removed: readonly PoolSettings[];
}

/** How many servers there are for a database and user. */
export interface ServerCount {
  readonly database: string;
  readonly user: string;
  readonly servers: number;
}

/** The workers, as far as pools need them. */
export interface PoolHolders {
  postToAll(message: ToWorker): void;
  /** The numbers of those that live. */
  alive(): Iterable<number>;
}

const NO_POOL = -1;

interface Slot {
  settings: PoolSettings;
  /** It stands in the configuration; the others were opened for a user that auth_query has found. */
  isStatic: boolean;
  /** While it is being closed: workers that have something of it yet. */
  closing: { readonly request: number; readonly left: Set<number> } | null;
  /** Servers of another process that count in its pool_size. */
  foreign: number;
}

export class Pools {
  private readonly shared: SharedState;
  private readonly workers: number;
  private readonly holders: PoolHolders;
  private readonly slots = new Map<number, Slot>();
  private readonly numbers = new Map<string, number>();
  /** Numbers that nobody has. The one that has been free for longest is used first. */
  private readonly free = Array.from({ length: POOLS_MAX }, (_, index) => index);
  /** Those from here on nobody has ever had. */
  private used = 0;
  private lastRequest = 0;
  /** Servers of the process whose place this one takes, by database and user; null while nobody knows how many. */
  private foreign: ReadonlyMap<string, number> | null;

  /** `hasPredecessor`: this process takes another's place, whose servers count until it has ended. Throws
   *  TooManyPools. */
  constructor(
    shared: SharedState,
    workers: number,
    holders: PoolHolders,
    configured: readonly PoolSettings[],
    hasPredecessor: boolean,
  ) {
    this.shared = shared;
    this.workers = workers;
    this.holders = holders;
    this.foreign = hasPredecessor ? null : new Map();
    for (const each of configured) this.open(each, true);
  }

  /** What is there, by number; without what is being closed. */
  *all(): Iterable<readonly [number, PoolSettings]> {
    for (const [pool, { settings, closing }] of this.slots) if (closing === null) yield [pool, settings];
  }

  /** Also one that is being closed. */
  at(pool: number): PoolSettings | null {
    return this.slots.get(pool)?.settings ?? null;
  }

  /** What a worker is started with. */
  starts(): PoolStart[] {
    return [...this.all()].map(([pool, settings]) => ({ pool, settings }));
  }

  /** Clients that have logged in to it. */
  clientsOf(pool: number): number {
    return this.sharedPool(pool).clients;
  }

  /** Whether it has neither clients nor servers, on their way between workers included. */
  isEmpty(pool: number): boolean {
    const { clients, size } = this.sharedPool(pool);
    return clients === 0 && size === 0;
  }

  /** The number of the pool of these names, NO_POOL when there is none. */
  numberOf(names: Names): number {
    return this.numbers.get(nameOf(names)) ?? NO_POOL;
  }

  /** Opens a pool and returns its number: whatever is posted to a worker afterwards finds it there. One that is being
   *  closed goes on instead. Throws TooManyPools. */
  open(settings: PoolSettings, isStatic = false): number {
    const known = this.numbers.get(nameOf(settings));
    if (known !== undefined) {
      this.change(known, settings, isStatic);
      return known;
    }
    const pool = this.free.shift();
    if (pool === undefined) throw new TooManyPools();
    for (let worker = 0; worker < this.workers; worker++) {
      new Counters(this.shared.counters, counterRow(worker, pool)).clear();
    }
    this.used = Math.max(this.used, pool + 1);
    const slot: Slot = { settings, isStatic, closing: null, foreign: 0 };
    this.slots.set(pool, slot);
    this.numbers.set(nameOf(settings), pool);
    this.countForeign(pool, slot); // before anybody opens a server
    this.tell(pool, settings);
    return pool;
  }

  /** No client logs in to it any more, those that are there go when their transactions end, then the number is free. */
  close(pool: number): void {
    const slot = this.slots.get(pool);
    if (slot === undefined || slot.closing !== null) return;
    const request = ++this.lastRequest;
    slot.closing = { request, left: new Set(this.holders.alive()) };
    this.sharedPool(pool).isOpen = false;
    this.holders.postToAll({ type: 'closePool', pool, request });
  }

  /** The host name of a pool stands for this address now. */
  move(pool: number, host: string): void {
    const slot = this.slots.get(pool);
    const address = slot?.settings.address;
    if (slot === undefined || address?.kind !== 'tcp' || address.host === host) return;
    slot.settings = { ...slot.settings, address: { ...address, host } };
    this.holders.postToAll({ type: 'address', pool, host });
  }

  /** How many servers there are, in what is being closed as well; only what has any. */
  servers(): ServerCount[] {
    const counts: ServerCount[] = [];
    for (const [pool, { settings }] of this.slots) {
      const { database, user } = settings;
      const servers = this.sharedPool(pool).size;
      if (servers > 0) counts.push({ database, user, servers });
    }
    return counts;
  }

  /** The process whose place this one takes has so many servers left; none of what is not named. They count in the
   *  pools that there are and in those that are opened later. */
  foreignAre(counts: readonly ServerCount[]): void {
    const foreign = new Map<string, number>();
    for (const each of counts) {
      const key = foreignKey(each);
      // Two pools may have them in common, see nameOf.
      foreign.set(key, (foreign.get(key) ?? 0) + each.servers);
    }
    this.foreign = foreign;
    for (const [pool, slot] of this.slots) this.countForeign(pool, slot);
  }

  /** The configuration has these pools now: opens, changes and closes what differs. Throws TooManyPools, and then has
   *  changed nothing. */
  configure(configured: readonly PoolSettings[]): PoolChanges {
    const wanted = new Set(configured.map(nameOf));
    const fresh = [...wanted].filter((name) => !this.numbers.has(name));
    if (fresh.length > this.free.length) throw new TooManyPools();
    const gone = [...this.slots].filter(
      ([, { settings, isStatic, closing }]) => isStatic && closing === null && !wanted.has(nameOf(settings)),
    );
    for (const [pool] of gone) this.close(pool);
    const added: PoolSettings[] = [];
    const changed: PoolSettings[] = [];
    for (const settings of configured) {
      const slot = this.slots.get(this.numberOf(settings));
      if (slot === undefined || slot.closing !== null) added.push(settings);
      else if (!isDeepStrictEqual(slot.settings, settings)) changed.push(settings);
      else if (slot.isStatic) continue;
      this.open(settings, true);
    }
    return { added, changed, removed: gone.map(([, { settings }]) => settings) };
  }

  /** A worker has nothing left of a pool that is being closed. */
  closed(worker: number, pool: number, request: number): void {
    if (this.slots.get(pool)?.closing?.request === request) this.hasLeft(worker, pool);
  }

  /** A worker has died: what there was in it is not there any more. */
  forgetCounts(worker: number): void {
    for (const pool of this.slots.keys()) {
      new Counters(this.shared.counters, counterRow(worker, pool)).forget();
    }
  }

  /** … and has been buried. */
  forget(worker: number): void {
    for (let pool = 0; pool < this.used; pool++) this.sharedPool(pool, worker).forget(worker);
    for (const pool of [...this.slots.keys()]) this.hasLeft(worker, pool);
  }

  private hasLeft(worker: number, pool: number): void {
    const slot = this.slots.get(pool);
    if (slot?.closing?.left.delete(worker) !== true || slot.closing.left.size > 0) return;
    this.sharedPool(pool).occupy(-slot.foreign);
    this.slots.delete(pool);
    this.numbers.delete(nameOf(slot.settings));
    this.free.push(pool);
  }

  /** While nobody knows how many there are, it may be as many as there may be, or might have been before a reload. */
  private countForeign(pool: number, slot: Slot): void {
    const { settings, foreign: before } = slot;
    const unknown = Math.max(before, settings.poolSize);
    slot.foreign = this.foreign === null ? unknown : (this.foreign.get(foreignKey(settings)) ?? 0);
    if (slot.foreign !== before) this.sharedPool(pool).occupy(slot.foreign - before);
    if (slot.foreign < before) this.holders.postToAll({ type: 'roomCame', pool });
  }

  private change(pool: number, settings: PoolSettings, isStatic: boolean): void {
    const slot = this.slots.get(pool);
    if (slot === undefined) return;
    slot.settings = settings;
    slot.isStatic ||= isStatic;
    slot.closing = null;
    this.countForeign(pool, slot); // there may be more now
    this.tell(pool, settings);
  }

  /** Clients come in only when all workers have been told: one may move to any of them. */
  private tell(pool: number, settings: PoolSettings): void {
    this.holders.postToAll({ type: 'pool', pool, settings });
    this.sharedPool(pool).isOpen = true;
  }

  /** What all workers have in common of a pool, as one of them sees it. */
  sharedPool(pool: number, worker = 0): SharedPool {
    return new SharedPool(this.shared.pools, pool, this.workers, worker);
  }
}

/** What no two pools have in common: a user who is listed and one whom auth_query finds are two. */
type Names = Pick<PoolSettings, 'database' | 'user' | 'isDynamic'>;

function nameOf({ database, user, isDynamic }: Names): string {
  return `${database}\0${user}\0${isDynamic}`;
}

function foreignKey({ database, user }: Pick<ServerCount, 'database' | 'user'>): string {
  return `${database}\0${user}`;
}
