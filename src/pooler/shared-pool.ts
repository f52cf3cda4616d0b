/** What the workers know of one another in one pool, in memory that they share: how many servers there are, who has
 *  idle ones, who waits. So pool_size is one number for the process, and a server that nobody needs here finds the
 *  client that has waited longest elsewhere. Not for: who that is (pool-needs.ts), moving a server (hand-over.ts). */
import { NO_WORKER, subtractAboveZero } from './worker-board.js';

/** Words of a row: a cache line, so that workers do not slow each other down. */
const ROW = 16;

/** The pool's own row. */
const enum Whole {
  /** Servers that exist, are being opened, or are on their way between workers. */
  Size,
  /** Of these being opened. */
  Opening,
  /** Clients that wait, in all workers. */
  Waiting,
  /** What makes statement names differ for the same text; grows. */
  Serial,
  /** The serial since which statements that were parsed before are not used any more. */
  Epoch,
  /** 1: clients may log in. The control plane sets it when it has told all workers of the pool. */
  IsOpen,
  /** Clients that have logged in. */
  Clients,
}

/** A worker's row. */
const enum Part {
  Size,
  Opening,
  Idle,
  Waiting,
  /** Ticks: since when its first client waits, whom its own servers have left waiting; 0: there is none. */
  AsksSince,
  /** Ticks: how long its clients wait usually. */
  UsualWait,
  /** Ticks: when it last gave a server, or got one. */
  TurnSince,
  /** Servers that others have pledged it. */
  Pledged,
  /** Clients that have logged in, those on their way here included. */
  Clients,
}

/** Bytes of shared memory for so many pools and workers. */
export function sharedPoolsBytes(pools: number, workers: number): number {
  return pools * (1 + workers) * ROW * Int32Array.BYTES_PER_ELEMENT;
}

/** One pool as one worker sees it. */
export class SharedPool {
  private readonly words: Int32Array;
  readonly workers: number;
  readonly self: number;
  private readonly mine: number;
  /** What this worker's AsksSince is. */
  private asksSince = 0;

  constructor(memory: SharedArrayBuffer, pool: number, workers: number, self: number) {
    const length = (1 + workers) * ROW;
    this.words = new Int32Array(memory, pool * length * Int32Array.BYTES_PER_ELEMENT, length);
    this.workers = workers;
    this.self = self;
    this.mine = rowOf(self);
  }

  // ── the pool's own life ────────────────────────────────────────────────────────────────────────────────────────

  get isOpen(): boolean {
    return Atomics.load(this.words, Whole.IsOpen) === 1;
  }

  set isOpen(isOpen: boolean) {
    Atomics.store(this.words, Whole.IsOpen, isOpen ? 1 : 0);
  }

  /** A client has logged in. */
  clientComes(): void {
    Atomics.add(this.words, Whole.Clients, 1);
    Atomics.add(this.words, this.mine + Part.Clients, 1);
  }

  /** … has gone. */
  clientGoes(): void {
    Atomics.sub(this.words, Whole.Clients, 1);
    Atomics.sub(this.words, this.mine + Part.Clients, 1);
  }

  /** … is from now on the other worker's. */
  clientMoves(worker: number): void {
    Atomics.sub(this.words, this.mine + Part.Clients, 1);
    Atomics.add(this.words, rowOf(worker) + Part.Clients, 1);
  }

  /** Clients of the whole process. */
  get clients(): number {
    return Atomics.load(this.words, Whole.Clients);
  }

  /** Whether this worker has neither servers nor clients of the pool, and none is on its way to it. */
  get isEmptyHere(): boolean {
    return (
      Atomics.load(this.words, this.mine + Part.Clients) === 0 &&
      Atomics.load(this.words, this.mine + Part.Size) === 0 &&
      Atomics.load(this.words, this.mine + Part.Pledged) === 0
    );
  }

  // ── capacity ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Servers of the whole process. */
  get size(): number {
    return Atomics.load(this.words, Whole.Size);
  }

  /** So many servers more, or less, are another process's, and count here as well. */
  occupy(change: number): void {
    Atomics.add(this.words, Whole.Size, change);
  }

  /** Servers of one worker. */
  sizeOf(worker: number): number {
    return Atomics.load(this.words, rowOf(worker) + Part.Size);
  }

  get opening(): number {
    return Atomics.load(this.words, Whole.Opening);
  }

  /** Takes the place of one more server that is to be opened, if there may be more and not too many are being opened. */
  reserve(sizeMax: number, openingMax: number): boolean {
    if (!this.addBelow(Whole.Size, sizeMax)) return false;
    if (!this.addBelow(Whole.Opening, openingMax)) {
      Atomics.sub(this.words, Whole.Size, 1);
      return false;
    }
    Atomics.add(this.words, this.mine + Part.Size, 1);
    Atomics.add(this.words, this.mine + Part.Opening, 1);
    return true;
  }

  /** A server has been opened, or could not be. */
  openingEnds(): void {
    Atomics.sub(this.words, Whole.Opening, 1);
    Atomics.sub(this.words, this.mine + Part.Opening, 1);
  }

  /** A server is gone. */
  giveUp(): void {
    Atomics.sub(this.words, Whole.Size, 1);
    Atomics.sub(this.words, this.mine + Part.Size, 1);
  }

  // ── who has, and who needs ─────────────────────────────────────────────────────────────────────────────────────

  set idle(count: number) {
    if (this.workers > 1) Atomics.store(this.words, this.mine + Part.Idle, count);
  }

  set usualWait(ticks: number) {
    Atomics.store(this.words, this.mine + Part.UsualWait, ticks);
  }

  usualWaitIn(worker: number): number {
    return Atomics.load(this.words, rowOf(worker) + Part.UsualWait);
  }

  set turnSince(tick: number) {
    Atomics.store(this.words, this.mine + Part.TurnSince, tick);
  }

  /** Ticks since that worker gave a server, or got one. */
  turnIn(worker: number, now: number): number {
    return (now - Atomics.load(this.words, rowOf(worker) + Part.TurnSince)) >>> 0;
  }

  /** One client more or less waits here, the first since `firstSince` (ticks). */
  waits(change: 1 | -1, firstSince: number): void {
    if (this.workers === 1) return; // nobody asks
    Atomics.add(this.words, this.mine + Part.Waiting, change);
    Atomics.add(this.words, Whole.Waiting, change);
    if (this.asksSince !== 0 && this.asksSince !== someTick(firstSince)) this.setAsksSince(0);
  }

  /** This worker's servers have not come back for its first client, who waits since then. */
  ask(firstSince: number): void {
    this.setAsksSince(someTick(firstSince));
  }

  private setAsksSince(tick: number): void {
    this.asksSince = tick;
    Atomics.store(this.words, this.mine + Part.AsksSince, tick);
  }

  /** For how long somebody has waited in that worker whom its own servers leave waiting; NONE_WAITS when nobody has.
   *  Ticks. */
  waitIn(worker: number, now: number): number {
    const since = Atomics.load(this.words, rowOf(worker) + Part.AsksSince);
    // It may have begun to wait since this worker has looked at the clock.
    return since === 0 ? NONE_WAITS : Math.max(0, (now - since) | 0);
  }

  /** Whether anybody waits in another worker. */
  get othersWait(): boolean {
    if (this.workers === 1) return false;
    return Atomics.load(this.words, Whole.Waiting) !== Atomics.load(this.words, this.mine + Part.Waiting);
  }

  /** Clients that wait in one worker. */
  waitingIn(worker: number): number {
    return Atomics.load(this.words, rowOf(worker) + Part.Waiting);
  }

  /** Idle servers of the other workers. */
  get idleElsewhere(): number {
    let count = 0;
    for (let worker = 0; worker < this.workers; worker++) {
      if (worker !== this.self) count += Atomics.load(this.words, rowOf(worker) + Part.Idle);
    }
    return count;
  }

  /** The worker that has most idle servers, NO_WORKER when no other has one. */
  get richest(): number {
    let richest = NO_WORKER;
    let most = 0;
    for (let worker = 0; worker < this.workers; worker++) {
      const idle = Atomics.load(this.words, rowOf(worker) + Part.Idle);
      if (worker === this.self || idle <= most) continue;
      most = idle;
      richest = worker;
    }
    return richest;
  }

  // ── servers on their way ───────────────────────────────────────────────────────────────────────────────────────

  /** The worker is to get a server from here. False when enough are on their way to it already. */
  pledge(worker: number): boolean {
    return this.addBelow(rowOf(worker) + Part.Pledged, this.waitingIn(worker));
  }

  /** It does not get it after all; if a worker has died meanwhile that may have been forgotten already. */
  withdraw(worker: number): void {
    subtractAboveZero(this.words, rowOf(worker) + Part.Pledged);
  }

  /** The server leaves: from now on it is the other worker's. */
  leaves(worker: number): void {
    Atomics.sub(this.words, this.mine + Part.Size, 1);
    Atomics.add(this.words, rowOf(worker) + Part.Size, 1);
  }

  /** A server that was pledged has come. */
  arrived(): void {
    this.withdraw(this.self);
  }

  /** Servers on their way here. */
  get pledged(): number {
    return this.workers === 1 ? 0 : this.pledgedTo(this.self);
  }

  /** Servers on their way to that worker. */
  pledgedTo(worker: number): number {
    return Atomics.load(this.words, rowOf(worker) + Part.Pledged);
  }

  // ── statements ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** A number that nobody of this pool has got before. */
  nextSerial(): number {
    return Atomics.add(this.words, Whole.Serial, 1) + 1;
  }

  /** Statements of an earlier one are to be prepared anew. */
  get epoch(): number {
    return Atomics.load(this.words, Whole.Epoch);
  }

  beginEpoch(): void {
    Atomics.store(this.words, Whole.Epoch, this.nextSerial());
  }

  // ── the end of a worker ────────────────────────────────────────────────────────────────────────────────────────

  /** A worker has died: what it had is not there any more. Called while no server is on its way to it. */
  forget(worker: number): void {
    const row = rowOf(worker);
    Atomics.sub(this.words, Whole.Size, Atomics.exchange(this.words, row + Part.Size, 0));
    Atomics.sub(this.words, Whole.Opening, Atomics.exchange(this.words, row + Part.Opening, 0));
    Atomics.sub(this.words, Whole.Waiting, Atomics.exchange(this.words, row + Part.Waiting, 0));
    Atomics.sub(this.words, Whole.Clients, Atomics.exchange(this.words, row + Part.Clients, 0));
    Atomics.store(this.words, row + Part.Idle, 0);
    Atomics.store(this.words, row + Part.AsksSince, 0);
    Atomics.store(this.words, row + Part.UsualWait, 0);
    // Nobody knows what it had pledged to whom: the others' pledges are forgotten with its own, and come unannounced.
    for (let each = 0; each < this.workers; each++) Atomics.store(this.words, rowOf(each) + Part.Pledged, 0);
  }

  private addBelow(word: number, limit: number): boolean {
    for (;;) {
      const value = Atomics.load(this.words, word);
      if (value >= limit) return false;
      if (Atomics.compareExchange(this.words, word, value, value + 1) === value) return true;
    }
  }
}

/** Shorter than any wait. */
export const NONE_WAITS = -1;

/** A tick that is not 0. */
function someTick(tick: number): number {
  return tick | 1;
}

function rowOf(worker: number): number {
  return (1 + worker) * ROW;
}
