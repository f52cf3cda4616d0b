/** Moves clients to the least busy worker when workers have drifted apart: those that are between transactions, and
 *  together bring about half of what this worker has too much. Not for: new clients, which go there anyway. */
import type { ClientSession } from './client-session.js';
import type { DataPlane } from './data-plane.js';
import { NO_WORKER } from './worker-board.js';

/** Less is not worth a move: requests a second, and the share of our own. */
const SURPLUS_MIN = 50;
const SURPLUS_SHARE = 0.125;
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
  everySecond(clients: Iterable<ClientSession>): void {
    const { board, peers, start } = this.plane;
    const least = board.leastBusy;
    const own = board.rate(start.index);
    this.surplus = (own - board.rate(least)) / 2;
    const hasDrifted = peers.has(least) && this.surplus > Math.max(SURPLUS_MIN, own * SURPLUS_SHARE);
    this.isWanted = hasDrifted && this.isNoted;
    this.destination = least;
    this.isNoted = hasDrifted;
    if (!hasDrifted) return;
    for (const each of clients) each.noteRequests();
  }

  /** The client has finished a transaction: it leaves if it is one of those who should. */
  consider(client: ClientSession): void {
    const rate = client.requestsASecond;
    if (rate === 0 || rate > this.surplus || client.statementCount > STATEMENTS_MAX || !client.mayMove)
      return;
    this.surplus -= rate;
    if (this.surplus < SURPLUS_MIN / 2) this.isWanted = false;
    client.moveTo(this.destination);
  }
}
