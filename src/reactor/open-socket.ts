/** Opening stream sockets of the kernel, with the options that were asked for. */
import * as k from './kernel-structs.js';
import { IPPROTO_TCP } from './kernel-structs.js';
import { close, type Fd, SystemError, setLinger, setSocketOption, socket } from './libc.js';
import type { SocketAddress, SocketOptions } from './reactor.js';
import { familyOf } from './socket-address.js';

/** A new stream socket for an address, its options set. Throws SystemError. */
export function openSocket(address: SocketAddress, options: SocketOptions, extraType: number): Fd {
  const fd = socket(familyOf(address), k.SOCK_STREAM | k.SOCK_CLOEXEC | extraType);
  if (fd < 0) throw new SystemError('socket', fd);
  setOptions(fd as Fd, address, options);
  return fd as Fd;
}

/** Sets what was asked for. A listener's options pass to what it accepts, tcp(7). */
function setOptions(fd: Fd, address: SocketAddress, options: SocketOptions): void {
  if (address.kind === 'unix') {
    if (options.unixBufferBytes > 0) {
      setSocketOption(fd, k.SOL_SOCKET, k.SO_SNDBUF, options.unixBufferBytes);
      setSocketOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, options.unixBufferBytes);
    }
    return;
  }
  if (options.noDelay) setSocketOption(fd, IPPROTO_TCP, k.TCP_NODELAY, 1);
  setSocketOption(fd, k.SOL_SOCKET, k.SO_KEEPALIVE, 1);
  if (options.keepaliveCount > 0) setSocketOption(fd, IPPROTO_TCP, k.TCP_KEEPCNT, options.keepaliveCount);
  if (options.keepaliveIdleS > 0) setSocketOption(fd, IPPROTO_TCP, k.TCP_KEEPIDLE, options.keepaliveIdleS);
  if (options.keepaliveIntervalS > 0)
    setSocketOption(fd, IPPROTO_TCP, k.TCP_KEEPINTVL, options.keepaliveIntervalS);
  if (options.userTimeoutS > 0)
    setSocketOption(fd, IPPROTO_TCP, k.TCP_USER_TIMEOUT, options.userTimeoutS * 1000);
  if (options.lingerS >= 0) setLinger(fd, options.lingerS);
}

/** Closes a descriptor that could not be put to use, and says why. */
export function abandon(fd: Fd, call: string, errno: number, about: string): SystemError {
  close(fd);
  return new SystemError(call, errno, about);
}
