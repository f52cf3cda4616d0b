/** A socket that sends datagrams to a unix socket by name: what syslog and systemd listen on. Never blocks. unix(7). */
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from './kernel-structs.js';
import { close, connect, type Fd, isWritable, SystemError, socket, write } from './libc.js';
import { encodeSocketAddress } from './socket-address.js';

export class UnixDatagram {
  private readonly fd: Fd;

  /** path: of a file, or an abstract name, which is written with @ as its first character. Throws SystemError. */
  constructor(path: string) {
    const address = encoded(path);
    const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) throw new SystemError('socket', fd);
    this.fd = fd as Fd;
    const connected = connect(this.fd, address);
    if (connected === 0) return;
    close(this.fd);
    throw new SystemError('connect', connected, path);
  }

  /** Sends one datagram. 0, or a negative errno: -EAGAIN when the listener has too many to read. */
  send(bytes: Uint8Array): number {
    return Math.min(0, write(this.fd, bytes));
  }

  /** Waits until the listener has room, at most for so long. */
  awaitRoom(timeoutMs: number): void {
    isWritable(this.fd, timeoutMs);
  }

  close(): void {
    close(this.fd);
  }
}

function encoded(path: string): Uint8Array {
  if (!path.startsWith('@')) return encodeSocketAddress({ kind: 'unix', path });
  // An abstract name begins with a zero byte and ends with the struct, not with a zero.
  return encodeSocketAddress({ kind: 'unix', path: `\0${path.slice(1)}` }).slice(0, -1);
}
