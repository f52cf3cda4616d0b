/** A member as one port sees it: its address and the connections that it has. Not for: whether it may get more. */
import { BACKEND_PAUSE_MS } from '../limits.js';
import type { Link } from './link.js';
import type { BackendSnapshot, RouteBackend } from './thread-messages.js';

export class Backend {
  /** Its host and port: what it is as long as it is there. */
  readonly key: string;
  route: RouteBackend;
  /** Connections, those that are being opened included. */
  readonly links = new Set<Link>();
  private connectionsTotal = 0;
  private connectFailures = 0;
  private pauseEndsMs = 0;

  constructor(route: RouteBackend) {
    this.key = keyOf(route);
    this.route = route;
  }

  /** Whether it is some time since it could not be reached. */
  isTrusted(nowMs: number): boolean {
    return nowMs >= this.pauseEndsMs;
  }

  hasConnected(): void {
    this.connectionsTotal++;
    this.pauseEndsMs = 0;
  }

  /** Returns whether that is news. */
  hasFailed(nowMs: number): boolean {
    this.connectFailures++;
    if (!this.isTrusted(nowMs)) return false;
    this.pauseEndsMs = nowMs + BACKEND_PAUSE_MS;
    return true;
  }

  get text(): string {
    return `${this.route.name} (${this.key})`;
  }

  snapshot(): BackendSnapshot {
    const { name, host, port } = this.route;
    const { connectionsTotal, connectFailures } = this;
    return { name, host, port, connections: this.links.size, connectionsTotal, connectFailures };
  }
}

export function keyOf({ host, port }: RouteBackend): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
