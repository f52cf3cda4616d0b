/** One proxied connection from beginning to end: a client that was accepted, the member that is found for it, and the
 *  relay between the two. */
import { errnoName, SystemError } from '../../reactor/libc.js';
import type { Socket } from '../../reactor/reactor.js';
import { peerText } from '../../reactor/socket-address.js';
import { Timer, type TimerTarget } from '../../reactor/timers.js';
import type { Backend } from './backend.js';
import type { ProxyPort } from './proxy-port.js';
import { RelayEnd } from './relay-end.js';

const NO_BACKENDS: readonly Backend[] = [];

export class Link implements TimerTarget {
  readonly port: ProxyPort;
  readonly client: RelayEnd;
  private readonly server: RelayEnd;
  private backend: Backend | null = null;
  /** 0 until the member has taken the connection. */
  private endsOpen = 0;
  /** Members that could not be reached for this client. */
  private tried = NO_BACKENDS;
  private connectTimer: Timer | null = null;

  constructor(port: ProxyPort, socket: Socket) {
    this.port = port;
    this.client = new RelayEnd(this, socket);
    this.server = new RelayEnd(this, null);
    this.client.hold();
  }

  /** Connects to the best member, to the next one when that fails. Without any the client is sent away. */
  connect(): void {
    const { port } = this;
    for (;;) {
      const backend = port.choose(this.tried);
      if (backend === null) {
        port.turnAway(this.clientText);
        this.client.socket?.closeAfterSend();
        return;
      }
      this.backend = backend;
      backend.links.add(this);
      const errno = this.begin(backend);
      if (errno === 0) return;
      this.passOver(errno);
    }
  }

  /** 0 when the attempt is under way. */
  private begin(backend: Backend): number {
    const { plane } = this.port;
    const { address: host, port } = backend.route;
    try {
      this.server.socket = plane.reactor.connect(
        { kind: 'tcp', host, port },
        plane.socketOptions,
        this.server,
      );
    } catch (error) {
      if (error instanceof SystemError) return error.errno; // out of descriptors
      throw error;
    }
    this.connectTimer ??= new Timer(this);
    plane.reactor.setTimer(this.connectTimer, plane.connectTimeoutMs);
    return 0;
  }

  connected(): void {
    const { client, server, port } = this;
    this.stopTimer();
    this.tried = NO_BACKENDS;
    if (client.socket === null || server.socket === null) return;
    this.endsOpen = 2;
    this.backend?.hasConnected();
    server.passOnTo(client.socket);
    client.passOnTo(server.socket);
    if (port.plane.isDebug) port.log('debug', `${this.clientText} is connected to ${this.backend?.text}`);
  }

  /** The member does not answer. */
  onTimer(_timer: Timer): void {
    this.server.socket?.close();
    this.passOver(0);
    this.connect();
  }

  otherEnd(end: RelayEnd): RelayEnd {
    return end === this.client ? this.server : this.client;
  }

  /** An end has closed: in good order when both directions had ended, and then the other one does so by itself. */
  closedAt(end: RelayEnd, errno: number): void {
    if (this.endsOpen === 0) {
      if (end === this.client) return this.close('client_lost');
      this.passOver(errno);
      return this.connect();
    }
    this.endsOpen--;
    if (errno !== 0) {
      this.otherEnd(end).socket?.closeAfterSend();
      this.leave(`${end === this.client ? 'the client' : 'the member'} has gone: ${errnoName(errno)}`);
    } else if (this.endsOpen === 0) this.leave('ended');
  }

  /** Ends it: the client gets what is queued for it, the member nothing more. */
  close(why: string): void {
    this.server.socket?.close();
    this.client.socket?.closeAfterSend();
    this.leave(why);
  }

  /** The attempt has failed. 0: it took too long. */
  private passOver(errno: number): void {
    const { backend, port } = this;
    this.stopTimer();
    if (backend === null) return;
    this.leaveBackend();
    this.tried = [...this.tried, backend];
    if (!backend.hasFailed(port.plane.reactor.nowMs)) return;
    const why = errno === 0 ? `no answer in ${port.plane.connectTimeoutMs} ms` : errnoName(errno);
    port.log('warn', `${backend.text} cannot be reached (${why}): passed over`);
  }

  private leave(why: string): void {
    const { backend, port } = this;
    this.stopTimer();
    this.leaveBackend();
    port.plane.linkEnded();
    if (port.plane.isDebug) port.log('debug', `a connection to ${backend?.text ?? 'nobody'} is over: ${why}`);
  }

  private leaveBackend(): void {
    this.backend?.links.delete(this);
    this.backend = null;
  }

  private stopTimer(): void {
    if (this.connectTimer !== null) this.port.plane.reactor.clearTimer(this.connectTimer);
    this.connectTimer = null;
  }

  private get clientText(): string {
    const { socket } = this.client;
    return socket === null ? 'a client' : `client ${peerText(socket.peerAddress())}`;
  }
}
