/** What the worker has: its reactor, its ports and the addresses that they listen on, and its ear for the control
 *  plane. Not for: choosing members (proxy-port.ts) and passing bytes on (relay-end.ts). */
import { close, errnoName, type Fd, SystemError } from '../../reactor/libc.js';
import { openListening } from '../../reactor/listening.js';
import type {
  Acceptor,
  Listener,
  ListeningSocket,
  Reactor,
  Receiver,
  Socket,
  SocketOptions,
} from '../../reactor/reactor.js';
import { Timer, type TimerTarget } from '../../reactor/timers.js';
import { BACKLOG, DRAIN_LOOK_MS, LEAVE_LOOK_MS } from '../limits.js';
import { listenText } from '../listen-address.js';
import { ProxyPort } from './proxy-port.js';
import type { LogLevel, Route, ToControl, ToWorker, WorkerStart } from './thread-messages.js';

/** So many connections leave enough garbage to be worth a collection. */
const MANY_LINKS = 1000;

/** A peer that has vanished is noticed after 60 + 6 × 10 s of silence. */
const SOCKET_OPTIONS: SocketOptions = {
  noDelay: true,
  keepaliveIdleS: 60,
  keepaliveIntervalS: 10,
  keepaliveCount: 6,
  userTimeoutS: 0,
  lingerS: -1,
  unixBufferBytes: 0,
};

export class ProxyPlane implements TimerTarget {
  readonly reactor: Reactor;
  readonly isDebug: boolean;
  readonly socketOptions = SOCKET_OPTIONS;
  connectTimeoutMs = 0;
  /** Many connections have gone and few are there: a good moment to give memory back. */
  onManyLeft: () => void = () => undefined;
  private readonly post: (message: ToControl) => void;
  /** By cluster and name. */
  private ports = new Map<string, ProxyPort>();
  /** By the address in the file. */
  private listeners = new Map<string, PortListener>();
  /** Sockets of the process before, until the first routes have come. */
  private readonly inherited: Map<string, ListeningSocket>;
  private readonly drainTimer = new Timer(this);
  private drainEndsMs = 0;
  private lookMs = DRAIN_LOOK_MS;
  private links = 0;
  private linksEnded = 0;
  /** Listeners that are being closed, and what is put off until they are. */
  private closing = 0;
  private afterClosing: (() => void)[] = [];

  constructor({ isDebug, listeners }: WorkerStart, reactor: Reactor, post: (message: ToControl) => void) {
    this.isDebug = isDebug;
    this.inherited = new Map(listeners.map(({ key, listening }) => [key, listening]));
    this.reactor = reactor;
    this.post = post;
  }

  onMessage(message: ToWorker): void {
    switch (message.type) {
      case 'routes':
        this.connectTimeoutMs = message.connectTimeoutMs;
        return this.applied(message.request, this.apply(message.routes));
      case 'snapshot': {
        const ports = [...this.listeners.values()].map(({ port, portNumber }) => port.snapshot(portNumber));
        return this.post({ type: 'snapshot', request: message.request, ports });
      }
      case 'listening': {
        const listeners = [...this.listeners].map(([key, { listening }]) => ({ key, listening }));
        return this.post({ type: 'listening', request: message.request, listeners });
      }
      case 'drain':
        return this.drain(message.by, message.graceMs);
      case 'release':
        for (const listener of this.listeners.values()) listener.release();
        return;
      case 'takeBack':
        for (const listener of this.listeners.values()) listener.accept();
        return;
      case 'leave':
        return this.leave();
      case 'stop':
        return this.stop();
    }
  }

  log(level: LogLevel, text: string): void {
    this.post({ type: 'log', level, text });
  }

  linkBegins(): void {
    this.links++;
  }

  linkEnded(): void {
    this.links--;
    this.linksEnded++;
    if (this.linksEnded < MANY_LINKS || this.linksEnded < 4 * this.links) return;
    this.linksEnded = 0;
    this.onManyLeft();
  }

  listenerClosed(): void {
    if (--this.closing === 0) for (const each of this.afterClosing.splice(0)) each();
  }

  private closeListener(listener: PortListener): void {
    this.closing++;
    listener.close();
  }

  private whenClosed(then: () => void): void {
    if (this.closing === 0) then();
    else this.afterClosing.push(then);
  }

  /** Told when addresses that are given up refuse whoever comes. */
  private applied(request: number, outcome: { failure: string | null; opened: string[] }): void {
    this.whenClosed(() => this.post({ type: 'applied', request, ...outcome }));
  }

  /** Makes the ports what they are to be. New addresses are listened on first: if one fails, nothing has changed. */
  private apply(routes: readonly Route[]): { failure: string | null; opened: string[] } {
    const ports = new Map<string, ProxyPort>();
    const listeners = new Map<string, PortListener>();
    const opened: PortListener[] = [];
    for (const { cluster, port: name, listen } of routes) {
      const key = `${cluster}\0${name}`;
      const port = this.ports.get(key) ?? new ProxyPort(this, cluster, name);
      ports.set(key, port);
      // Any free port is somebody's own.
      const address = listen.port === 0 ? `${listenText(listen)} ${key}` : listenText(listen);
      let listener = this.listeners.get(address);
      if (listener === undefined) {
        try {
          const tcp = { kind: 'tcp', host: listen.host, port: listen.port } as const;
          const listening = this.inherited.get(address) ?? openListening(tcp, BACKLOG, SOCKET_OPTIONS);
          listener = new PortListener(this, listen.host, listening, port);
        } catch (error) {
          if (!(error instanceof SystemError)) throw error;
          for (const each of opened) this.closeListener(each);
          return { failure: `cannot listen on ${listenText(listen)}: ${errnoName(error.errno)}`, opened: [] };
        }
        opened.push(listener);
      }
      listeners.set(address, listener);
    }
    this.replace(ports, listeners, routes);
    for (const [key, { fd }] of this.inherited) if (!listeners.has(key)) close(fd as Fd);
    this.inherited.clear();
    return { failure: null, opened: opened.map((listener) => listener.text) };
  }

  private replace(
    ports: Map<string, ProxyPort>,
    listeners: Map<string, PortListener>,
    routes: readonly Route[],
  ): void {
    for (const [address, listener] of this.listeners)
      if (!listeners.has(address)) this.closeListener(listener);
    for (const [key, port] of this.ports) if (!ports.has(key)) port.closeAll('has lost this port');
    this.ports = ports;
    this.listeners = listeners;
    const [inOrder, listening] = [[...ports.values()], [...listeners.values()]];
    routes.forEach(({ backends }, index) => {
      const [port, listener] = [inOrder[index], listening[index]];
      if (port !== undefined && listener !== undefined) listener.port = port;
      port?.update(backends);
    });
  }

  private drain(by: string, graceMs: number): void {
    for (const listener of this.listeners.values()) this.closeListener(listener);
    this.drainEndsMs = this.reactor.nowMs + graceMs;
    this.whenClosed(() => {
      this.log('info', `${by}: no more clients, those that are here have ${graceMs} ms`);
      this.onTimer();
    });
  }

  /** Another process listens now. Its end is not to leave clients waiting in a queue that nobody takes them from. */
  private leave(): void {
    for (const listener of this.listeners.values()) this.closeListener(listener);
    this.drainEndsMs = Number.POSITIVE_INFINITY;
    this.lookMs = LEAVE_LOOK_MS;
    this.whenClosed(() => this.onTimer());
  }

  onTimer(): void {
    // Those that are over may still have bytes on their way to the client.
    if (this.links === 0 && this.reactor.usage().sockets === 0) return this.stop();
    if (this.reactor.nowMs < this.drainEndsMs) return this.reactor.setTimer(this.drainTimer, this.lookMs);
    if (this.links > 0) this.log('warn', `shutdown_timeout is over: ${this.links} connections are closed`);
    this.stop();
  }

  private stop(): void {
    this.post({ type: 'stopped' });
    this.reactor.stop();
  }
}

/** An address that clients connect to, for whichever port has it now. */
class PortListener implements Acceptor {
  port: ProxyPort;
  private readonly plane: ProxyPlane;
  private readonly host: string;
  readonly listening: ListeningSocket;
  private listener: Listener;
  private isReleased = false;

  constructor(plane: ProxyPlane, host: string, listening: ListeningSocket, port: ProxyPort) {
    this.plane = plane;
    this.host = host;
    this.port = port;
    this.listening = listening;
    this.listener = plane.reactor.acceptFrom(listening, this);
  }

  /** After `release`. */
  accept(): void {
    this.isReleased = false;
    this.listener = this.plane.reactor.acceptFrom(this.listening, this);
  }

  get portNumber(): number {
    return this.listener.port;
  }

  get text(): string {
    return `${listenText({ host: this.host, port: this.portNumber })} for ${this.port.cluster}/${this.port.name}`;
  }

  onAccept(socket: Socket): Receiver {
    return this.port.accept(socket);
  }

  onAcceptFailed(errno: number): void {
    this.plane.log('error', `cannot accept a client: ${errnoName(errno)}; trying again in a moment`);
  }

  onListenerClosed(): void {
    this.plane.listenerClosed();
  }

  close(): void {
    if (!this.isReleased) return this.listener.close();
    close(this.listening.fd as Fd);
    this.plane.listenerClosed();
  }

  release(): void {
    this.isReleased = true;
    this.listener.release();
  }
}
