/** PostgreSQL in the simulated world: takes connections, gives each a session of the model, passes CancelRequests on,
 *  and has bad luck. */
import { Errno, SystemError } from '../../src/reactor/libc.js';
import type { SocketAddress } from '../../src/reactor/reactor.js';
import { CANCEL_REQUEST } from '../support/messages.js';
import { errorResponse } from './model-answers.js';
import { FatalError } from './model-error.js';
import { ModelSession } from './model-session.js';
import { End, type EndUser } from './network.js';
import { Broken, type World } from './world.js';

const READ_MAX = 65_536;
const CANCEL_LENGTH = 16;
const DOWN_MAX_MS = 3_000;
const STARTING_UP = errorResponse(new FatalError('57P03', 'the database system is starting up'));

/** How often things go wrong, of 1. */
export interface BadLuck {
  readonly refused: number;
  readonly hangs: number;
  /** A session is ended or loses its connection, for each time that it sends something. */
  readonly sessionEnds: number;
  /** The pooler has no descriptor to connect with. */
  readonly noDescriptors: number;
  /** A session says something that nobody has asked for, for each time that it sends something. */
  readonly notices: number;
  /** … of up to so many bytes more. */
  readonly noticeLength: number;
}

export const NO_BAD_LUCK: BadLuck = {
  refused: 0,
  hangs: 0,
  sessionEnds: 0,
  noDescriptors: 0,
  notices: 0,
  noticeLength: 0,
};

/** What such a notice says. */
export const UNASKED_NOTICE = 'nobody has asked';

export class BackendHost {
  readonly world: World;
  luck: BadLuck;
  readonly backends = new Set<Backend>();
  /** Pools by client: see poolKey. */
  readonly poolsOfClients = new Map<string, string>();
  /** Where each session is or was, by its process. */
  readonly hosts = new Map<number, string>();
  private lastProcessId = 1000;
  /** Until then it takes no connections, or ends them with a word. */
  private downUntilMs = 0;

  constructor(world: World, luck: BadLuck) {
    this.world = world;
    this.luck = luck;
  }

  /** A connection comes in: the end that the pooler gets, null when it hangs, or the errno that it is refused with. */
  accept(address: SocketAddress): End | number | null {
    const { random } = this.world;
    if (random.chance(this.luck.noDescriptors)) throw new SystemError('socket', Errno.EMFILE);
    if (this.isDown && random.chance(0.5)) return Errno.ECONNREFUSED;
    if (random.chance(this.luck.refused)) return Errno.ECONNREFUSED;
    if (random.chance(this.luck.hangs)) return null;
    const [theirs, ours] = End.pair(this.world);
    const processId = ++this.lastProcessId;
    this.hosts.set(processId, hostOf(address));
    this.backends.add(new Backend(this, ours, processId, hostOf(address)));
    return theirs;
  }

  /** All sessions end at once, with a word or without, and for a while nobody gets in. */
  restart(): void {
    const { world } = this;
    world.tell(() => 'PostgreSQL restarts');
    this.downUntilMs = world.nowMs + world.random.below(DOWN_MAX_MS);
    for (const each of [...this.backends]) each.goesDown(world.random.chance(0.5));
  }

  /** It has not come up yet. */
  get isDown(): boolean {
    return this.world.nowMs < this.downUntilMs;
  }

  cancel(processId: number, secret: number): void {
    for (const each of this.backends)
      if (each.processId === processId && each.secret === secret) each.cancel();
  }
}

/** Where servers are, as their versions say it. */
export function hostOf(address: SocketAddress): string {
  return address.kind === 'tcp' ? address.host : '';
}

/** What a pool is called. */
export function poolKey({ database, user }: { readonly database: string; readonly user: string }): string {
  return `${user}@${database}`;
}

class Backend implements EndUser {
  readonly processId: number;
  readonly secret: number;
  private readonly host: BackendHost;
  private readonly end: End;
  private readonly session: ModelSession;
  private first: Buffer = Buffer.alloc(0);
  private isSession = false;
  private unsent: Buffer[] = [];
  private hasEnded = false;

  constructor(host: BackendHost, end: End, processId: number, name: string) {
    const { world } = host;
    this.host = host;
    this.end = end;
    this.processId = processId;
    this.secret = world.random.uint32() | 0;
    const secret = Buffer.alloc(4);
    secret.writeInt32BE(this.secret);
    this.session = new ModelSession(
      {
        name,
        send: (bytes) => this.send(bytes),
        after: (ms, action) => world.after(ms, () => this.hasEnded || action()),
        close: () => this.close(),
        violation: (what) => {
          throw new Broken(`server ${processId}: ${what}`);
        },
        mayServe: (client, { database = '', user = '' }) =>
          host.poolsOfClients.get(client) === poolKey({ database, user }),
      },
      processId,
      secret,
    );
    end.user = this;
  }

  onReadable(): void {
    for (let came = this.end.read(READ_MAX); came !== null; came = this.end.read(READ_MAX)) {
      if (this.hasEnded) return;
      if (typeof came === 'number') return this.gone();
      this.take(came);
    }
  }

  onWritable(): void {
    this.flush();
  }

  cancel(): void {
    this.host.world.tell(() => `server ${this.processId} is cancelled`);
    this.session.cancel();
  }

  goesDown(says: boolean): void {
    if (says) return this.session.terminate();
    this.end.close(true);
    this.gone();
  }

  private take(bytes: Buffer): void {
    if (this.isSession) return this.session.receive(bytes);
    this.first = Buffer.concat([this.first, bytes]);
    if (this.first.length < 8) return;
    if (this.first.readInt32BE(4) !== CANCEL_REQUEST) {
      if (this.host.isDown) {
        this.send(STARTING_UP);
        return this.close();
      }
      this.isSession = true;
      this.host.world.tell(() => `server ${this.processId} begins`);
      return this.session.receive(this.first);
    }
    if (this.first.length < CANCEL_LENGTH) return;
    this.host.cancel(this.first.readInt32BE(8), this.first.readInt32BE(12));
    this.close();
  }

  private send(bytes: Buffer): void {
    if (this.hasEnded) return;
    const { world, luck } = this.host;
    if (luck.notices > 0 && world.random.chance(luck.notices)) {
      // Often just when the server is free, and may be on its way to another worker.
      const later = world.random.chance(0.5) ? world.random.below(2000) / 1000 : world.random.below(30);
      const padding = luck.noticeLength > 0 ? '.'.repeat(world.random.below(luck.noticeLength)) : '';
      world.after(later, () => this.session.notice(UNASKED_NOTICE + padding));
    }
    if (world.random.chance(luck.sessionEnds)) {
      if (world.random.chance(0.5)) {
        world.tell(() => `server ${this.processId} loses its connection`);
        this.end.close(true);
        return this.gone();
      }
      // Not inside of its own call.
      world.after(0, () => {
        if (this.hasEnded) return;
        world.tell(() => `server ${this.processId} is ended by its administrator`);
        this.session.terminate();
      });
    }
    this.unsent.push(bytes);
    this.flush();
  }

  private flush(): void {
    while (this.unsent.length > 0) {
      const [first] = this.unsent;
      const all = this.unsent.length === 1 && first !== undefined ? first : Buffer.concat(this.unsent);
      this.unsent = [all];
      const sent = this.end.write(all);
      if (sent === -Errno.EAGAIN) return;
      if (sent < 0) return this.gone();
      this.unsent = sent === all.length ? [] : [all.subarray(sent)];
    }
    if (this.hasEnded) this.end.close();
  }

  /** The end of the session, when all that it has said is on its way. */
  private close(): void {
    if (this.hasEnded) return;
    this.gone();
    if (this.unsent.length === 0) this.end.close();
  }

  private gone(): void {
    this.hasEnded = true;
    this.host.backends.delete(this);
  }
}
