/** A listening socket: what is the same on every reactor. */
import { lstatSync, rmSync } from 'node:fs';
import {
  AF_UNIX,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from './kernel-structs.js';
import {
  accept4,
  bind,
  close,
  connect,
  Errno,
  type Fd,
  listen,
  setNonBlocking,
  setSocketOption,
  socket,
  socketName,
} from './libc.js';
import { abandon, openSocket } from './open-socket.js';
import type { ListeningSocket, SocketAddress, SocketOptions } from './reactor.js';
import { decodePeerAddress, encodeSocketAddress } from './socket-address.js';

/** After accept(2) has failed for want of descriptors or memory it is tried again after this. */
export const ACCEPT_PAUSE_MS = 100;
/** No queue of the kernel's is longer: somaxconn, listen(2). */
const QUEUE_MAX = 65_535;

/** Binds and listens. Throws SystemError. */
export function openListening(
  address: SocketAddress,
  backlog: number,
  options: SocketOptions,
): ListeningSocket {
  const encoded = encodeSocketAddress(address);
  const fd = openSocket(address, options, 0);
  const about = address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
  setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.kind === 'tcp' && address.host === '::') setSocketOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  let bound = bind(fd, encoded);
  if (bound === -Errno.EADDRINUSE && address.kind === 'unix' && isAbandoned(encoded)) {
    removeSocketFile(address);
    bound = bind(fd, encoded);
  }
  if (bound < 0) throw abandon(fd, 'bind', bound, about);
  const listening = listen(fd, backlog);
  if (listening < 0) throw abandon(fd, 'listen', listening, about);
  return { fd, port: decodePeerAddress(socketName(fd)).port, address };
}

/** Takes whoever waits in the kernel's queue, then closes. `flags`: accept4(2). */
export function closeListening(fd: Fd, flags: number, take: (accepted: Fd) => void): void {
  setNonBlocking(fd, true);
  for (let turn = 0; turn < QUEUE_MAX; turn++) {
    const result = accept4(fd, flags);
    if (result >= 0) take(result as Fd);
    else if (!isPeersFault(result)) break;
  }
  close(fd);
}

/** Whether nobody listens on a unix socket: its file is left of a process that was killed. */
function isAbandoned(encoded: Uint8Array): boolean {
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return false;
  const result = connect(fd as Fd, encoded);
  close(fd as Fd);
  return result === -Errno.ECONNREFUSED;
}

/** Removes a unix socket's file when its listener goes. Another kind of file is somebody else's. */
export function removeSocketFile(address: SocketAddress): void {
  if (address.kind !== 'unix') return;
  const isSocket = lstatSync(address.path, { throwIfNoEntry: false })?.isSocket() ?? false;
  if (isSocket) rmSync(address.path, { force: true });
}

/** Whether accept(2) failed because of the connection that went away, not because of us. */
export function isPeersFault(errno: number): boolean {
  return errno === -Errno.ECONNABORTED || errno === -Errno.EPROTO || errno === -Errno.EINTR;
}
