/** Runs a reactor for one test: two sockets of the same reactor talk to each other, so that nothing depends on a second
 *  thread. Whatever a test is about, afterwards every descriptor, buffer, segment and timer must have come back. */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { openWakeFd } from '../../../src/reactor/base-reactor.js';
import { Batch } from '../../../src/reactor/epoll/batch.js';
import { EpollReactor } from '../../../src/reactor/epoll/epoll-reactor.js';
import { Errno } from '../../../src/reactor/libc.js';
import { openReactor } from '../../../src/reactor/open-reactor.js';
import type {
  Acceptor,
  Listener,
  Reactor,
  Receiver,
  Socket,
  SocketAddress,
  SocketOptions,
} from '../../../src/reactor/reactor.js';
import { Timer } from '../../../src/reactor/timers.js';
import type { TlsEngine } from '../../../src/reactor/tls-engine.js';
import type { TlsSocket } from '../../../src/reactor/tls-socket.js';
import { SETUPS, UringUnavailable } from '../../../src/reactor/uring/ring.js';
import { UringReactor } from '../../../src/reactor/uring/uring-reactor.js';

export const PLAIN: SocketOptions = {
  noDelay: true,
  keepaliveCount: 0,
  keepaliveIdleS: 0,
  keepaliveIntervalS: 0,
  userTimeoutS: 0,
  lingerS: -1,
  unixBufferBytes: 0,
};
export const LOCALHOST = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

/** The reactor is given up when a test has not ended after this: it blocks the thread, so the runner cannot. */
const STUCK_AFTER_MS = 10_000;
/** The one buffer that the outbox is filling belongs to the reactor for good. */
const BUFFERS_AT_REST_MAX = 1;

/** Why io_uring cannot be used on this machine; empty when it can. */
export const uringForbidden = probe();

function probe(): string {
  try {
    openReactor('io_uring');
    return '';
  } catch (error) {
    if (error instanceof UringUnavailable) return error.message;
    throw error;
  }
}

/** Declares a test for each reactor; for epoll alone, and says so, where the kernel forbids io_uring. */
export function onEachReactor(name: string, body: (bench: Bench) => void | Promise<void>): void {
  const backends = uringForbidden === '' ? (['io_uring', 'epoll'] as const) : (['epoll'] as const);
  for (const backend of backends) {
    const remark = uringForbidden === '' ? '' : '; io_uring is forbidden here';
    test(`${name} (${backend}${remark})`, { timeout: 3 * STUCK_AFTER_MS }, () =>
      body(new Bench(openReactor(backend).reactor)),
    );
  }
}

/** Declares a test for each way to do with less: io_uring set up as on older kernels, as far as a new one shows them, and
 *  epoll without AIO and epoll_pwait2. */
export function withLess(name: string, body: (bench: Bench) => void): void {
  test(`${name} (epoll without AIO and epoll_pwait2)`, { timeout: 3 * STUCK_AFTER_MS }, () => {
    const reactor = new EpollReactor(openWakeFd(), null, () => new Batch(-Errno.ENOSYS));
    Object.defineProperty(reactor, 'canPause', { value: false });
    body(new Bench(reactor));
  });
  if (uringForbidden !== '') return;
  for (const { flags, missing } of SETUPS.slice(1)) {
    test(`${name} (io_uring without ${missing})`, { timeout: 3 * STUCK_AFTER_MS }, () =>
      body(new Bench(new UringReactor(flags, openWakeFd(), null))),
    );
  }
}

/** One end of a connection: a receiver whose answers a test replaces as it needs. */
export class End implements Receiver {
  private connection: Socket | null = null;
  received = 0;
  onBytes: Receiver['onBytes'] = (_bytes, begin, end) => {
    this.received += end - begin;
    return end;
  };
  onConnected: Receiver['onConnected'] = () => undefined;
  onWritable: Receiver['onWritable'] = () => undefined;
  onClosed: Receiver['onClosed'] = () => undefined;

  get socket(): Socket {
    assert.ok(this.connection, 'this end has no socket yet');
    return this.connection;
  }

  set socket(socket: Socket) {
    this.connection = socket;
  }

  /** Sends all of it. */
  send(bytes: Uint8Array): void {
    this.socket.send(bytes, 0, bytes.length);
  }

  /** Collects what arrives from now on, into the array that it returns. */
  collect(): Buffer[] {
    const pieces: Buffer[] = [];
    this.onBytes = (bytes, begin, end) => {
      this.received += end - begin;
      pieces.push(Buffer.from(bytes.slice(begin, end)));
      return end;
    };
    return pieces;
  }
}

export class Bench {
  readonly reactor: Reactor;
  /** What the reactor called `onBug` with; a test that expects some empties it. */
  readonly bugs: unknown[] = [];
  private readonly listeners: Listener[] = [];
  private readonly sockets: Socket[] = [];
  private readonly timers = new Set<Timer>();
  private openBefore: ReadonlySet<string>;
  private readonly endings: (() => void)[] = [];
  private isDone = false;

  constructor(reactor: Reactor) {
    this.reactor = reactor;
    this.openBefore = new Set(openDescriptors());
    reactor.onBug = (error) => {
      this.bugs.push(error);
      this.done();
    };
  }

  listen(address: SocketAddress, acceptor: Acceptor, options = PLAIN): Listener {
    const listener = this.reactor.listen(address, 128, options, acceptor);
    this.listeners.push(listener);
    return listener;
  }

  connect(address: SocketAddress, receiver: Receiver, options = PLAIN): Socket {
    const socket = this.reactor.connect(address, options, receiver);
    this.sockets.push(socket);
    return socket;
  }

  /** TLS over a socket. */
  secure(socket: Socket, engine: TlsEngine, receiver: Receiver): TlsSocket {
    const secured = this.reactor.secure(socket, engine, receiver);
    this.sockets.unshift(secured); // it is closed before the one below
    return secured;
  }

  /** Two ends connected with each other; `begin` is called when both are. */
  pair(begin: (client: End, server: End) => void, options = PLAIN, at: SocketAddress = LOCALHOST): void {
    const client = new End();
    const server = new End();
    let missing = 2;
    const ready = (): void => {
      if (--missing === 0) begin(client, server);
    };
    const listener = this.listen(
      at,
      {
        onAccept: (socket) => {
          this.sockets.push(socket);
          server.socket = socket;
          this.after(0, ready); // its receiver is set only when this has returned
          return server;
        },
        onAcceptFailed: (errno) => assert.fail(`accept failed: ${errno}`),
      },
      options,
    );
    const address = at.kind === 'unix' ? at : { ...at, port: listener.port };
    client.onConnected = ready;
    client.socket = this.connect(address, client, options);
  }

  /** Calls back after so many milliseconds. */
  after(ms: number, what: () => void): void {
    const timer = new Timer({
      onTimer: () => {
        this.timers.delete(timer);
        what();
      },
    });
    this.timers.add(timer);
    this.reactor.setTimer(timer, ms);
  }

  /** Calls back when `look` has given the same answer several times in a row: nothing moves any more. */
  whenStill(look: () => number, what: () => void): void {
    let last = look();
    let times = 0;
    const again = (): void => {
      const now = look();
      times = now === last ? times + 1 : 0;
      last = now;
      if (times === 5) what();
      else this.after(10, again);
    };
    this.after(10, again);
  }

  /** Does this, too, when the test is over. */
  atEnd(what: () => void): void {
    this.endings.push(what);
  }

  /** The test is over: closes what is open, and ends `run` when all has come back. */
  done(): void {
    if (this.isDone) return;
    this.isDone = true;
    for (const each of this.timers) this.reactor.clearTimer(each);
    for (const each of this.endings) each();
    for (const each of this.listeners) each.close();
    for (const each of this.sockets) each.close();
    const look = (): void => {
      // A listener or socket goes only when the kernel has let go of it.
      if (this.reactor.usage().sockets === 0 && this.opened().length === 0) this.reactor.stop();
      else this.after(1, look);
    };
    this.after(0, look);
  }

  /** Whatever is open now is not the reactor's. */
  countDescriptorsAnew(): void {
    this.openBefore = new Set(openDescriptors());
  }

  /** Descriptors that have come and stay. */
  private opened(): string[] {
    return openDescriptors().filter((each) => !this.openBefore.has(each));
  }

  /** Works until `done`, and checks that nothing has leaked. `expectsBugs`: the test looks at `bugs` itself. */
  run(expectsBugs = false): void {
    let isStuck = false;
    const watchdog = new Timer({
      onTimer: () => {
        isStuck = true;
        this.reactor.stop();
      },
    });
    this.reactor.setTimer(watchdog, STUCK_AFTER_MS);
    this.reactor.run();
    this.reactor.clearTimer(watchdog);
    if (!expectsBugs && this.bugs.length > 0) throw this.bugs[0];
    assert.ok(
      !isStuck || this.isDone,
      'the test does not come to its end: what it waits for has not happened',
    );
    const { sockets, segments, timers, buffers } = this.reactor.usage();
    assert.deepEqual(
      { sockets, segments, timers, opened: this.opened() },
      { sockets: 0, segments: 0, timers: 0, opened: [] },
    );
    assert.ok(buffers <= BUFFERS_AT_REST_MAX, `${buffers} buffers are still in use`);
  }
}

/** Open descriptors of this process. */
export function countDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Which, and what each of them is. Not: files, which the loader of modules reads and writes in a thread of its own. */
function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    const what = linkOf(`/proc/self/fd/${fd}`);
    return what === '' || what.startsWith('/') ? [] : [`${fd}: ${what}`];
  });
}

/** '' when it has gone meanwhile, as the descriptor that the directory itself was read by. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
