/** struct sockaddr in bytes, there and back. ip(7), ipv6(7), unix(7). */
import { isIP, isIPv4, SocketAddress as NodeSocketAddress } from 'node:net';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from './kernel-structs.js';
import { Errno, SystemError } from './libc.js';
import type { PeerAddress, SocketAddress } from './reactor.js';

const UNIX_PATH_MAX = 107;

/** There is no struct for it, so there is nothing to connect to or to listen on. */
export class UnusableAddress extends SystemError {
  constructor(what: string, errno: number) {
    super('connect', errno);
    this.name = 'UnusableAddress';
    this.message = what;
  }
}

/** The path of a unix socket does not fit the kernel's struct. */
export class SocketPathTooLong extends UnusableAddress {
  constructor(path: string) {
    super(`the path of a unix socket has at most ${UNIX_PATH_MAX} bytes: ${path}`, Errno.ENAMETOOLONG);
    this.name = 'SocketPathTooLong';
  }
}

/** AF_INET, AF_INET6 or AF_UNIX. */
export function familyOf(address: SocketAddress): number {
  if (address.kind === 'unix') return AF_UNIX;
  return isIPv4(address.host) ? AF_INET : AF_INET6;
}

/** The struct that bind(2) and connect(2) take. Throws UnusableAddress: also for a name that nobody could look up, whose
 *  letters would make some other machine's address. */
export function encodeSocketAddress(address: SocketAddress): Uint8Array {
  if (address.kind === 'unix') {
    const path = Buffer.from(address.path);
    if (path.length > UNIX_PATH_MAX) throw new SocketPathTooLong(address.path);
    const bytes = Buffer.alloc(2 + path.length + 1);
    bytes.writeUInt16LE(AF_UNIX, 0);
    path.copy(bytes, 2);
    return bytes;
  }
  if (isIP(address.host) === 0) {
    throw new UnusableAddress(
      `${address.host} is no address, and no host of that name is known`,
      Errno.EINVAL,
    );
  }
  if (isIPv4(address.host)) {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16LE(AF_INET, 0);
    bytes.writeUInt16BE(address.port, 2);
    bytes.set(address.host.split('.').map(Number), 4);
    return bytes;
  }
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(address.port, 2);
  ipv6Groups(address.host).forEach((group, i) => {
    bytes.writeUInt16BE(group, 8 + 2 * i);
  });
  return bytes;
}

/** Reads what getpeername(2) wrote. An IPv4 address mapped into IPv6 comes out as IPv4. A peer that has gone has no
 *  name any more: it must not pass for one on a unix socket, whom access rules may trust. */
export function decodePeerAddress(bytes: Uint8Array): PeerAddress {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = view.length >= 2 ? view.readUInt16LE(0) : AF_UNSPEC;
  if (family === AF_INET && view.length >= 8) {
    return { host: view.subarray(4, 8).join('.'), port: view.readUInt16BE(2), isUnix: false };
  }
  if (family === AF_INET6 && view.length >= 24) {
    return { host: ipv6Text(view.subarray(8, 24)), port: view.readUInt16BE(2), isUnix: false };
  }
  return { host: '', port: 0, isUnix: family === AF_UNIX };
}

function ipv6Groups(host: string): number[] {
  const groups = (text: string): number[] =>
    text === ''
      ? []
      : text.split(':').flatMap((part) => {
          if (!part.includes('.')) return [Number.parseInt(part, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
          return [(a << 8) | b, (c << 8) | d];
        });
  const [head = '', tail] = (host.split('%')[0] ?? '').split('::');
  const before = groups(head);
  if (tail === undefined) return before;
  const after = groups(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function ipv6Text(bytes: Buffer): string {
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes.readUInt16BE(10) === 0xffff;
  if (mapped) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':');
  return new NodeSocketAddress({ address: groups, family: 'ipv6' }).address;
}

/** For log lines. */
export function peerText({ isUnix, host, port }: PeerAddress): string {
  return isUnix ? 'unix' : `${host}:${port}`;
}
