/** The interface between the data plane and the system: sockets, time, chance, timers and wake-ups. Three
 *  implementations (io_uring, epoll, simulated) behave alike. It knows no PostgreSQL. */
import type { Timer } from './timers.js';
import type { TlsEngine } from './tls-engine.js';
import type { TlsSocket } from './tls-socket.js';

/** Whoever uses a socket. Never called from inside a call of its own to the socket or the reactor. */
export interface Receiver {
  /** Bytes arrived in bytes[begin, end). They are lent: after the return they belong to the reactor again, but for
   *  those handed on with `send`. Returns how far it has read; all of it, unless it has paused the socket: the rest
   *  is then kept and delivered again after `resume`. */
  onBytes(bytes: Uint8Array, begin: number, end: number): number;
  /** A connect has succeeded. */
  onConnected(): void;
  /** The socket was congested and has room again. */
  onWritable(): void;
  /** The peer has closed (0), or the connection or the attempt to connect has failed (positive errno). Nothing
   *  follows; the socket has closed itself. */
  onClosed(errno: number): void;
  /** A receiver that has this outlives its peer's end: the peer sends nothing more, and may still be sent to. When
   *  the own side has ended as well (`endSending`), the socket closes itself and `onClosed(0)` follows. */
  onEnd?(): void;
}

/** With this many bytes unsent a socket is congested: whoever feeds it should stop until `onWritable`. */
export const SEND_HIGH_WATER = 256 * 1024;
/** With this many or fewer it has room again. */
export const SEND_LOW_WATER = 64 * 1024;

export interface Socket {
  receiver: Receiver;
  /** Bytes that `send` has taken and the kernel has not. */
  readonly unsent: number;
  /** Whether so much is unsent that whoever feeds it should stop. */
  readonly isCongested: boolean;
  /** Whether what passes is encrypted. */
  readonly isTls: boolean;
  /** Why TLS has failed, in words; '' when it has not. */
  readonly tlsFailure: string;
  /** What binds a login to this connection and no other: tls-server-end-point of the peer's certificate, RFC 5929.
   *  Empty without TLS. Made anew each time it is asked for. */
  readonly peerEndPoint: Uint8Array;
  /** Queues bytes[begin, end) behind all earlier ones. Received bytes are held where they lie, others are copied. */
  send(bytes: Uint8Array, begin: number, end: number): void;
  /** Stops delivering. What still arrives is kept, and after a little of it reading stops too. When the peer ends
   *  meanwhile, `onClosed` is called at once (seesEnd; what was kept is lost) or behind what was kept. */
  pause(seesEnd: boolean): void;
  /** Delivers again, in this round or the next, never inside this call: first what was kept; when there is nothing,
   *  an empty range, so that the receiver can do what it had put off. */
  resume(): void;
  /** Has these bytes delivered, by copy, before any that arrive from now on. Only while nothing is kept. */
  unread(bytes: Uint8Array, begin: number, end: number): void;
  /** A copy of the first of the bytes that are kept, at most so many: for those who look on. */
  kept(lengthMax: number): Uint8Array;
  /** Ends it at once; what is unsent is lost. The receiver is not called any more. */
  close(): void;
  /** Sends what is queued, then tells the peer that nothing more comes; receiving goes on. Only while connected, and
   *  nothing is sent after it. For receivers with `onEnd`. */
  endSending(): void;
  /** Sends what is queued, then ends the sending side, waits a moment for the peer to close, and closes. The
   *  receiver is not called any more. */
  closeAfterSend(): void;
  /** The peer's address, for log lines and access rules. */
  peerAddress(): PeerAddress;
  /** Takes the connection out of this reactor, for another thread's to go on with: `leaver` gets it in a later round,
   *  when nothing is unsent or kept or in the kernel's hands any more. Bytes that come meanwhile are delivered as ever,
   *  and so is the end, which undoes it. Not while it is
   *  paused; whoever wants to send has it stay first. */
  detach(leaver: Leaver): void;
  /** It is not to leave after all. */
  stay(): void;
}

/** Whoever takes a connection out of its reactor. */
export interface Leaver {
  /** The socket is nobody's any more; what it stands for is attached to another reactor. */
  onDetached(detached: DetachedSocket): void;
}

/** A connection between two reactors: plain data that another thread can be sent. */
export interface DetachedSocket {
  readonly fd: number;
  /** The SSL object of a connection with TLS: OpenSSL's, and so the process's. */
  readonly ssl: number;
}

/** A connection without TLS. */
export const NO_SSL = 0;

export interface PeerAddress {
  /** IPv4 or IPv6 in text; empty for a unix socket. */
  readonly host: string;
  /** 0 for a unix socket. */
  readonly port: number;
  readonly isUnix: boolean;
}

export type SocketAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** See tcp(7) and socket(7). 0 leaves the system's value. */
export interface SocketOptions {
  readonly noDelay: boolean;
  readonly keepaliveCount: number;
  readonly keepaliveIdleS: number;
  readonly keepaliveIntervalS: number;
  readonly userTimeoutS: number;
  /** Seconds that close waits for unsent bytes, 0: RST at once; -1 leaves the system's way. */
  readonly lingerS: number;
  /** SO_SNDBUF and SO_RCVBUF of unix sockets, bytes. */
  readonly unixBufferBytes: number;
}

/** Takes new connections. */
export interface Acceptor {
  /** Returns who receives. It may close the socket at once. */
  onAccept(socket: Socket): Receiver;
  /** accept(2) failed; it is tried again after a moment. Positive errno. */
  onAcceptFailed(errno: number): void;
  /** `close` is done: whoever comes from now on is refused. */
  onListenerClosed?(): void;
}

/** A socket that listens: plain data, valid in every thread of the process. */
export interface ListeningSocket {
  readonly fd: number;
  /** The port that it got, for port 0. */
  readonly port: number;
  readonly address: SocketAddress;
}

export interface Listener {
  /** The port that it got, for port 0. */
  readonly port: number;
  /** Closes it, soon. Whoever had connected by then is still given to the acceptor: the kernel would reset him. */
  close(): void;
  /** Takes no more connections: the socket stays open, and another process or listener goes on with it. */
  release(): void;
}

export interface Reactor {
  readonly name: 'io_uring' | 'epoll' | 'simulated';
  /** Milliseconds since some moment, with fractions; read once a round, and more often in a long one. */
  readonly nowMs: number;
  /** By how much nowMs may be late in a long round, about; by all of the round when it is not called. */
  setClockResolution(milliseconds: number): void;
  /** What its thread has had of a processor. Milliseconds. */
  cpuMs(): number;
  /** Bytes nobody can guess. */
  random(length: number): Uint8Array;
  /** Throws SystemError when the address cannot be listened on. */
  listen(address: SocketAddress, backlog: number, options: SocketOptions, acceptor: Acceptor): Listener;
  /** Takes connections of a socket that listens already. */
  acceptFrom(listening: ListeningSocket, acceptor: Acceptor): Listener;
  /** Begins to connect. */
  connect(address: SocketAddress, options: SocketOptions, receiver: Receiver): Socket;
  /** Goes on with a connection that another reactor had. It is paused: `resume` has it received from. */
  attach(detached: DetachedSocket, receiver: Receiver): Socket;
  /** TLS over an open socket, which belongs to the new one from now on. The handshake begins; `onConnected` tells that
   *  it is done, `onClosed` that it has failed. */
  secure(socket: Socket, engine: TlsEngine, receiver: Receiver): TlsSocket;
  setTimer(timer: Timer, afterMs: number): void;
  clearTimer(timer: Timer): void;
  /** What another thread writes 8 bytes (a non-zero Uint64) to in order to have `onWake` called. */
  readonly wakeFd: number;
  onWake: () => void;
  /** An error inside a session, which has lost its connection for it. */
  onBug: (error: unknown) => void;
  /** Works until `stop`. */
  run(): void;
  /** Sends what is queued, as far as it can be sent at once. For an end that has no next round. */
  flush(): void;
  /** Ends `run` after this round. */
  stop(): void;
  /** Open sockets, buffers in use, timers set: all zero but for listeners when nothing is going on. */
  usage(): ReactorUsage;
}

export interface ReactorUsage {
  readonly sockets: number;
  readonly buffers: number;
  readonly segments: number;
  readonly timers: number;
}
