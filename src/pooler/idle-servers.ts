/** The idle servers of one pool in one worker, the one that came back last at the end. */
import type { ServerSession } from './server-session.js';
import type { SharedPool } from './shared-pool.js';

export class IdleServers {
  private readonly servers: ServerSession[] = [];
  private readonly shared: SharedPool;

  constructor(shared: SharedPool) {
    this.shared = shared;
  }

  get length(): number {
    return this.servers.length;
  }

  /** The one that has been idle for longest. */
  get first(): ServerSession | null {
    return this.servers[0] ?? null;
  }

  push(server: ServerSession): void {
    this.servers.push(server);
    this.shared.idle = this.servers.length;
  }

  /** The one that came back last, or the one that has been idle for longest; null when there is none. */
  take(longestIdle: boolean): ServerSession | null {
    const server = longestIdle ? this.servers.shift() : this.servers.pop();
    this.shared.idle = this.servers.length;
    return server ?? null;
  }

  /** Does nothing to one that is not among them. */
  remove(server: ServerSession): void {
    const at = this.servers.indexOf(server);
    if (at >= 0) this.servers.splice(at, 1);
    this.shared.idle = this.servers.length;
  }

  all(): ServerSession[] {
    return [...this.servers];
  }
}
