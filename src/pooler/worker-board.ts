/** What the workers know of one another whatever the pool, in memory that they share: who is alive, how many clients
 *  each has and how busy they keep it, and what is counted for the whole process. */

/** Words of a row: a cache line. */
const ROW = 16;

export const NO_WORKER = -1;

/** The process's row. */
const enum Whole {
  /** Clients that have connected, logged in or not. */
  Clients,
  LastClient,
  LastServer,
  /** Memory of messages that are being gathered. */
  MemoryKb,
}

/** A worker's row. */
const enum Part {
  IsAlive,
  /** Clients that it has. */
  Clients,
  /** Servers that clients were given in the last second. */
  Rate,
  /** Permille of a processor that it had in the last second. */
  Busy,
  /** Clients that have come to it since. */
  Newcomers,
  /** Of the memory of messages that are being gathered. */
  MemoryKb,
  /** Seconds that it has seen go by. */
  Seconds,
  /** Of its clients those that are to go on in another worker and have not left yet. */
  Leaving,
  /** … and of the others' those that are to go on in this one. Forgotten when one of them dies: nobody but who chooses a
   *  worker goes by it. */
  Expected,
}

/** What a client may come to ask for is not known yet; its login alone is a part of a millisecond. */
const PERMILLE_PER_NEWCOMER = 1;
/** What several do costs less in one: it has it easy with that much more, but not so much that clients move away again. */
const GATHERED_TIMES = 1.4;
const GATHERED_MAX_PERMILLE = 700;
const ID_MASK = 0x7fffffff;

/** Bytes of shared memory for so many workers. */
export function workerBoardBytes(workers: number): number {
  return (1 + workers) * ROW * Int32Array.BYTES_PER_ELEMENT;
}

/** The board as one worker sees it. */
export class WorkerBoard {
  private readonly words: Int32Array;
  private readonly self: number;
  private readonly easyPermille: number;
  private readonly gatheredPermille: number;
  readonly workers: number;

  /** fillPercent: see worker_fill_percent; for a worker that takes clients. */
  constructor(memory: SharedArrayBuffer, self: number, fillPercent = 0) {
    this.easyPermille = fillPercent * 10;
    this.gatheredPermille = Math.min(this.easyPermille * GATHERED_TIMES, GATHERED_MAX_PERMILLE);
    this.words = new Int32Array(memory);
    this.workers = this.words.length / ROW - 1;
    this.self = self;
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────────────────────────────

  isAlive(worker: number): boolean {
    return Atomics.load(this.words, rowOf(worker) + Part.IsAlive) === 1;
  }

  setAlive(worker: number, isAlive: boolean): void {
    Atomics.store(this.words, rowOf(worker) + Part.IsAlive, isAlive ? 1 : 0);
  }

  /** Who is to serve the next client: of those that have it easy the one with most clients, since a few busy threads cost
   *  less than many that wake up for each query; when nobody has it easy, the one with least to do. */
  get nextServing(): number {
    let chosen = this.self;
    for (let worker = 0; worker < this.workers; worker++) {
      if (worker !== this.self && this.isAlive(worker) && this.isBetter(worker, chosen)) chosen = worker;
    }
    return chosen;
  }

  private isBetter(worker: number, than: number): boolean {
    const [load, other] = [this.load(worker), this.load(than)];
    const [isEasy, isOtherEasy] = [load < this.easyPermille, other < this.easyPermille];
    if (isEasy) return !isOtherEasy || this.hasMore(worker, than);
    return !isOtherEasy && load + this.clientsOf(worker) < other + this.clientsOf(than);
  }

  /** Who could serve the clients of this worker as well, and those of all that have fewer: of those that have more, the
   *  one with most that would still have it easy. NO_WORKER when there is none. */
  get couldServeAll(): number {
    let fewer = this.load(this.self);
    for (let worker = 0; worker < this.workers; worker++) {
      if (this.isAlive(worker) && this.hasMore(this.self, worker)) fewer += this.load(worker);
    }
    let chosen = NO_WORKER;
    for (let worker = 0; worker < this.workers; worker++) {
      if (!this.isAlive(worker) || !this.hasMore(worker, this.self)) continue;
      const isEasy = this.load(worker) + fewer < this.gatheredPermille;
      if (isEasy && (chosen === NO_WORKER || this.hasMore(worker, chosen))) chosen = worker;
    }
    return chosen;
  }

  /** Whether it has more clients; two never have the same. */
  private hasMore(worker: number, than: number): boolean {
    const [clients, others] = [this.clientsOf(worker), this.clientsOf(than)];
    return clients === others ? worker < than : clients > others;
  }

  /** The worker with least to do. */
  get leastBusy(): number {
    let least = this.self;
    for (let worker = 0; worker < this.workers; worker++) {
      if (this.isAlive(worker) && this.load(worker) < this.load(least)) least = worker;
    }
    return least;
  }

  /** What it had of a processor in the last second, and what those who have come since may come to ask for. Permille. */
  load(worker: number): number {
    const row = rowOf(worker);
    return this.busyPermille(worker) + Atomics.load(this.words, row + Part.Newcomers) * PERMILLE_PER_NEWCOMER;
  }

  /** A second is over, in which this worker has had so much of a processor. */
  setBusy(permille: number): void {
    Atomics.store(this.words, rowOf(this.self) + Part.Busy, permille);
    Atomics.store(this.words, rowOf(this.self) + Part.Newcomers, 0);
    Atomics.add(this.words, rowOf(this.self) + Part.Seconds, 1);
  }

  /** Of a processor, in the last second. */
  busyPermille(worker: number): number {
    return Atomics.load(this.words, rowOf(worker) + Part.Busy);
  }

  /** Seconds that it has seen go by: one that is caught in a loop sees none. */
  secondsOf(worker: number): number {
    return Atomics.load(this.words, rowOf(worker) + Part.Seconds);
  }

  /** Requests in the last second. */
  rate(worker: number): number {
    return Atomics.load(this.words, rowOf(worker) + Part.Rate);
  }

  setRate(perSecond: number): void {
    Atomics.store(this.words, rowOf(this.self) + Part.Rate, perSecond);
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Clients of the whole process. */
  get clients(): number {
    return Atomics.load(this.words, Whole.Clients);
  }

  /** Clients of one worker, when those that are to move have moved. */
  clientsOf(worker: number): number {
    const row = rowOf(worker);
    const has = Atomics.load(this.words, row + Part.Clients) - Atomics.load(this.words, row + Part.Leaving);
    return has + Atomics.load(this.words, row + Part.Expected);
  }

  /** A client has connected, and this worker is to serve it. */
  clientComes(worker: number): void {
    this.clientIsAt(worker);
    Atomics.add(this.words, rowOf(worker) + Part.Newcomers, 1);
  }

  /** … and another worker is to serve it, to which this one sends it. */
  clientComesFor(worker: number): void {
    this.clientIsAt(this.self);
    Atomics.add(this.words, rowOf(worker) + Part.Newcomers, 1);
    this.clientIsToMove(worker);
  }

  private clientIsAt(worker: number): void {
    Atomics.add(this.words, Whole.Clients, 1);
    Atomics.add(this.words, rowOf(worker) + Part.Clients, 1);
  }

  /** … has gone. */
  clientLeaves(): void {
    Atomics.sub(this.words, Whole.Clients, 1);
    Atomics.sub(this.words, rowOf(this.self) + Part.Clients, 1);
  }

  /** … is to go on in another worker. It is this one's until it has left, and dies with it. */
  clientIsToMove(worker: number): void {
    Atomics.add(this.words, rowOf(this.self) + Part.Leaving, 1);
    Atomics.add(this.words, rowOf(worker) + Part.Expected, 1);
  }

  /** … has left: it is the other worker's. */
  clientMoves(worker: number): void {
    this.clientStays(worker);
    Atomics.sub(this.words, rowOf(this.self) + Part.Clients, 1);
    Atomics.add(this.words, rowOf(worker) + Part.Clients, 1);
  }

  /** … stays after all. */
  clientStays(worker: number): void {
    Atomics.sub(this.words, rowOf(this.self) + Part.Leaving, 1);
    subtractAboveZero(this.words, rowOf(worker) + Part.Expected);
  }

  // ── the process ────────────────────────────────────────────────────────────────────────────────────────────────

  /** 1 to 2^31 - 1, then again from 1. */
  nextClientId(): number {
    return this.nextId(Whole.LastClient);
  }

  /** The numbers that were given last: of a client, of a server. */
  get lastIds(): readonly [number, number] {
    return [Atomics.load(this.words, Whole.LastClient), Atomics.load(this.words, Whole.LastServer)];
  }

  set lastIds([client, server]: readonly [number, number]) {
    Atomics.store(this.words, Whole.LastClient, client & ID_MASK);
    Atomics.store(this.words, Whole.LastServer, server & ID_MASK);
  }

  nextServerId(): number {
    return this.nextId(Whole.LastServer);
  }

  /** Takes so much of what messages may take together; false when there is not so much left. */
  takeMemory(kilobytes: number, limit: number): boolean {
    const before = Atomics.add(this.words, Whole.MemoryKb, kilobytes);
    Atomics.add(this.words, rowOf(this.self) + Part.MemoryKb, kilobytes);
    if (before + kilobytes <= limit) return true;
    this.giveMemoryBack(kilobytes);
    return false;
  }

  giveMemoryBack(kilobytes: number): void {
    Atomics.sub(this.words, Whole.MemoryKb, kilobytes);
    Atomics.sub(this.words, rowOf(this.self) + Part.MemoryKb, kilobytes);
  }

  /** By this worker. */
  get memoryTakenKb(): number {
    return Atomics.load(this.words, rowOf(this.self) + Part.MemoryKb);
  }

  /** A worker has died, and its clients with it. */
  forget(worker: number): void {
    const row = rowOf(worker);
    Atomics.store(this.words, row + Part.Rate, 0);
    Atomics.store(this.words, row + Part.Busy, 0);
    Atomics.store(this.words, row + Part.Newcomers, 0);
    Atomics.store(this.words, row + Part.Leaving, 0);
    for (let each = 0; each < this.workers; each++) Atomics.store(this.words, rowOf(each) + Part.Expected, 0);
    Atomics.sub(this.words, Whole.Clients, Atomics.exchange(this.words, row + Part.Clients, 0));
    Atomics.sub(this.words, Whole.MemoryKb, Atomics.exchange(this.words, row + Part.MemoryKb, 0));
  }

  private nextId(word: number): number {
    for (;;) {
      const id = (Atomics.add(this.words, word, 1) + 1) & ID_MASK;
      if (id !== 0) return id;
    }
  }
}

/** Counts a word down; false when it is zero. */
export function subtractAboveZero(words: Int32Array, word: number): boolean {
  for (;;) {
    const value = Atomics.load(words, word);
    if (value <= 0) return false;
    if (Atomics.compareExchange(words, word, value, value - 1) === value) return true;
  }
}

function rowOf(worker: number): number {
  return (1 + worker) * ROW;
}
