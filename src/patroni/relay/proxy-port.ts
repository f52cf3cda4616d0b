/** One port: its members and the choice among them. Not for: listening (proxy-plane.ts) and relaying (link.ts). */
import type { Socket } from '../../reactor/reactor.js';
import { NO_BACKENDS_LOG_PAUSE_MS } from '../limits.js';
import { Backend, keyOf } from './backend.js';
import { Link } from './link.js';
import type { ProxyPlane } from './proxy-plane.js';
import { Passed, type RelayEnd } from './relay-end.js';
import type { LogLevel, PortSnapshot, RouteBackend } from './thread-messages.js';

export class ProxyPort {
  readonly plane: ProxyPlane;
  readonly cluster: string;
  readonly name: string;
  /** Bytes passed on, by direction. Doubles: exact up to 2^53. */
  private readonly passed = new Float64Array(Passed.Size);
  private backends: readonly Backend[] = [];
  /** Where the search begins: members with as many connections as others take turns. */
  private turn = 0;
  private accepted = 0;
  private turnedAway = 0;
  private turnedAwayTold = 0;
  private quietUntilMs = 0;
  private closedByUpdate = 0;

  constructor(plane: ProxyPlane, cluster: string, name: string) {
    this.plane = plane;
    this.cluster = cluster;
    this.name = name;
  }

  accept(socket: Socket): RelayEnd {
    this.accepted++;
    this.plane.linkBegins();
    const link = new Link(this, socket);
    link.connect();
    return link.client;
  }

  /** Who may get clients from now on. Who is not among them any more loses his connections, nobody else does. */
  update(routes: readonly RouteBackend[]): void {
    const before = new Map(this.backends.map((backend) => [backend.key, backend]));
    this.backends = routes.map((route) => {
      const known = before.get(keyOf(route));
      before.delete(keyOf(route));
      if (known !== undefined) known.route = route;
      return known ?? new Backend(route);
    });
    for (const gone of before.values()) this.closeAllOf(gone, 'is not for this port any more');
  }

  countPassed(direction: Passed, bytes: number): void {
    this.passed[direction] = (this.passed[direction] as number) + bytes;
  }

  /** Nobody is served here any more. */
  closeAll(why: string): void {
    for (const backend of this.backends) this.closeAllOf(backend, why);
    this.backends = [];
  }

  /** The member with the fewest connections that was not tried yet; those that failed a moment ago come last. */
  choose(tried: readonly Backend[]): Backend | null {
    const { backends } = this;
    const { nowMs } = this.plane.reactor;
    let best: Backend | null = null;
    let isBestTrusted = false;
    for (let i = 0; i < backends.length; i++) {
      const backend = backends[(this.turn + i) % backends.length];
      if (backend === undefined || tried.includes(backend)) continue;
      const isTrusted = backend.isTrusted(nowMs);
      const isBetter =
        best === null || (isTrusted === isBestTrusted ? backend.links.size < best.links.size : isTrusted);
      if (!isBetter) continue;
      best = backend;
      isBestTrusted = isTrusted;
    }
    this.turn = backends.length === 0 ? 0 : (this.turn + 1) % backends.length;
    return best;
  }

  /** No member is left for a client. Told in the log, though not a thousand times a second. */
  turnAway(client: string): void {
    this.turnedAway++;
    this.plane.linkEnded();
    const { nowMs } = this.plane.reactor;
    if (nowMs < this.quietUntilMs) return;
    this.quietUntilMs = nowMs + NO_BACKENDS_LOG_PAUSE_MS;
    const before = this.turnedAway - 1 - this.turnedAwayTold;
    this.turnedAwayTold = this.turnedAway;
    const more = before === 0 ? '' : `, and ${before} before it`;
    this.log('warn', `no backends available: ${client} is closed${more}`);
  }

  log(level: LogLevel, text: string): void {
    this.plane.log(level, `${this.cluster}/${this.name}: ${text}`);
  }

  snapshot(listenPort: number): PortSnapshot {
    const { cluster, name: port, accepted, turnedAway, closedByUpdate, passed } = this;
    return {
      cluster,
      port,
      listenPort,
      accepted,
      turnedAway,
      closedByUpdate,
      bytesReceived: passed[Passed.FromClients] ?? 0,
      bytesSent: passed[Passed.ToClients] ?? 0,
      backends: this.backends.map((backend) => backend.snapshot()),
    };
  }

  private closeAllOf(backend: Backend, why: string): void {
    const { size } = backend.links;
    this.closedByUpdate += size;
    for (const link of backend.links) link.close(why);
    this.log('info', `${backend.text} ${why}: ${size} connections closed`);
  }
}
