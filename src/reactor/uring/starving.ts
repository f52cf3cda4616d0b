/** Sockets that have found no buffer to receive into, first come, first served. No more of them go on at a time than
 *  there are buffers for: thousands that rushed for a few would find none again, each with an operation and a
 *  completion of its own, and nobody else would be served meanwhile. */
import { type Group, LARGE_GROUP, type LentBuffers, SMALL_GROUP } from './lent-buffers.js';
import type { UringSocket } from './uring-socket.js';

export class Starving {
  private readonly lent: LentBuffers;
  private readonly queues: readonly [UringSocket[], UringSocket[]] = [[], []];

  constructor(lent: LentBuffers) {
    this.lent = lent;
  }

  push(socket: UringSocket, group: Group): void {
    this.queues[group].push(socket);
  }

  get isEmpty(): boolean {
    return this.queues[SMALL_GROUP].length + this.queues[LARGE_GROUP].length === 0;
  }

  /** Whether some would find buffers now; the kernel is lent more if it has few. */
  get canBeFed(): boolean {
    return this.canFeed(SMALL_GROUP) || this.canFeed(LARGE_GROUP);
  }

  /** Those for whom there are buffers receive again. */
  feed(): void {
    this.feedGroup(SMALL_GROUP);
    this.feedGroup(LARGE_GROUP);
  }

  private canFeed(group: Group): boolean {
    return this.queues[group].length > 0 && this.lent.ensure(group);
  }

  private feedGroup(group: Group): void {
    if (!this.canFeed(group)) return;
    const fed = this.queues[group].splice(0, this.lent.left(group));
    for (const socket of fed) socket.receiveAfterPause();
  }
}
