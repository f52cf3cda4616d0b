/** Clients that wait for a server, in the order in which they came: a doubly linked list through the clients
 *  themselves, so that joining, being served and leaving early cost the same few steps. */

export interface Waiter<W> {
  nextWaiter: W | null;
  previousWaiter: W | null;
  isWaiting: boolean;
}

export class Waiters<W extends Waiter<W>> {
  first: W | null = null;
  last: W | null = null;
  length = 0;

  get isEmpty(): boolean {
    return this.length === 0;
  }

  push(waiter: W): void {
    waiter.isWaiting = true;
    waiter.previousWaiter = this.last;
    waiter.nextWaiter = null;
    if (this.last === null) this.first = waiter;
    else this.last.nextWaiter = waiter;
    this.last = waiter;
    this.length++;
  }

  /** Takes the one that has waited longest; null when nobody waits. */
  shift(): W | null {
    const { first } = this;
    if (first !== null) this.remove(first);
    return first;
  }

  /** Does nothing to one that does not wait. */
  remove(waiter: W): void {
    if (!waiter.isWaiting) return;
    const { previousWaiter, nextWaiter } = waiter;
    if (previousWaiter === null) this.first = nextWaiter;
    else previousWaiter.nextWaiter = nextWaiter;
    if (nextWaiter === null) this.last = previousWaiter;
    else nextWaiter.previousWaiter = previousWaiter;
    waiter.nextWaiter = null;
    waiter.previousWaiter = null;
    waiter.isWaiting = false;
    this.length--;
  }
}
