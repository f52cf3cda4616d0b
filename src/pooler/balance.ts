/** Moves clients to the least busy worker when this one has too much to do and that one clearly less: those that are
 *  between transactions, and together bring about half of the difference. Not for: new clients, see WorkerBoard. */

import type { DataPlane } from './data-plane.js';
import type { ServedClient } from './served-client.js';
import { NO_WORKER } from './worker-board.js';

/** From this on a worker is too busy, when another has so much less to do. Permille of a processor. */
const TOO_BUSY = 700;
const DRIFTED = 250;
/** Requests a second that are not worth a move. */
const SURPLUS_MIN = 20;
/** More than this in its cache makes a client too heavy to move. */
const STATEMENTS_MAX = 1000;

export class Balance {
  private readonly plane: DataPlane;
  /** Where clients are to go. */
  private destination = NO_WORKER;
  /** Requests a second that are to go with them. */
  private surplus = 0;
  /** Whether the clients' requests have been noted a second ago. */
  private isNoted = false;

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  /** Whether anybody is to move: looked at after each transaction. */
  isWanted = false;

  /** To be called every second, when the board says how busy everybody is. */
  everySecond(clients: Iterable<ServedClient>): void {
    const { board, peers, start } = this.plane;
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
  consider(client: ServedClient): void {
    const rate = client.requestsASecond;
    if (rate === 0 || rate > this.surplus || client.statementCount > STATEMENTS_MAX || !client.mayMove)
      return;
    this.surplus -= rate;
    if (this.surplus < SURPLUS_MIN / 2) this.isWanted = false;
    client.moveTo(this.destination);
  }
}
