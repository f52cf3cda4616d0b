/** Moves clients that are between transactions: to the least busy worker, when this one has too much to do and that one
 *  clearly less, those that bring about half of the difference; or all to one that has more clients, when it has it easy
 *  with them as well: few busy threads cost less than many that wake up for each query, and let clients wait alike. Not
 *  for: new clients, see WorkerBoard. */

import { NO_WORKER, type WorkerBoard } from './worker-board.js';

/** From this on a worker is too busy, when another has so much less to do. Permille of a processor. */
const TOO_BUSY = 800;
const DRIFTED = 250;
/** Requests a second that are not worth a move. */
const SURPLUS_MIN = 20;
/** More than this in its cache makes a client too heavy to move. */
const STATEMENTS_MAX = 1000;
/** For so long another must have had it easy enough for all clients of this worker. */
const EASY_SECONDS = 5;

/** What it needs to know of its worker. */
export interface BalancedWorker {
  readonly board: WorkerBoard;
  readonly start: { readonly index: number };
  readonly peers: { has(worker: number): boolean };
}

/** … and of a client. */
export interface MovableClient {
  readonly requestsASecond: number;
  readonly statementCount: number;
  readonly mayMove: boolean;
  noteRequests(): void;
  moveTo(worker: number): void;
}

export class Balance {
  private readonly worker: BalancedWorker;
  /** Where clients are to go. */
  private destination = NO_WORKER;
  /** Requests a second that are to go with them. */
  private surplus = 0;
  /** Whether the clients' requests have been noted a second ago. */
  private isNoted = false;
  /** Whether all are to go. */
  private isGathering = false;
  private easySeconds = 0;

  constructor(worker: BalancedWorker) {
    this.worker = worker;
  }

  /** Whether anybody is to move: looked at after each transaction. */
  isWanted = false;

  /** To be called every second, when the board says how busy everybody is. */
  everySecond(clients: Iterable<MovableClient>): void {
    this.gather();
    if (!this.isGathering) this.spread(clients);
  }

  private gather(): void {
    const { board, peers } = this.worker;
    this.destination = board.couldServeAll;
    this.easySeconds = peers.has(this.destination) ? this.easySeconds + 1 : 0;
    this.isGathering = this.easySeconds > EASY_SECONDS;
    this.isWanted = this.isGathering;
  }

  private spread(clients: Iterable<MovableClient>): void {
    const { board, peers, start } = this.worker;
    const least = board.leastBusy;
    const [own, other] = [board.load(start.index), board.load(least)];
    const hasDrifted = peers.has(least) && own > TOO_BUSY && own - other > DRIFTED;
    this.surplus = (board.rate(start.index) * (own - other)) / (2 * own);
    this.isWanted = hasDrifted && this.isNoted;
    this.destination = least;
    this.isNoted = hasDrifted;
    if (!hasDrifted) return;
    for (const each of clients) each.noteRequests();
  }

  /** The client has finished a transaction: it leaves if it is one of those who should. */
  consider(client: MovableClient): void {
    if (client.statementCount > STATEMENTS_MAX || !client.mayMove) return;
    if (this.isGathering || this.isSurplus(client.requestsASecond)) client.moveTo(this.destination);
  }

  private isSurplus(rate: number): boolean {
    if (rate === 0 || rate > this.surplus) return false;
    this.surplus -= rate;
    if (this.surplus < SURPLUS_MIN / 2) this.isWanted = false;
    return true;
  }
}
