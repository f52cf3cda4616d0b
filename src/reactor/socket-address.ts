/** struct sockaddr in bytes, there and back. ip(7), ipv6(7), unix(7). */
import { isIP, isIPv4, SocketAddress as NodeSocketAddress } from 'node:net';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from './kernel-structs.js';
import { Errno, SystemError } from './libc.js';
import type { PeerAddress, SocketAddress } from './reactor.js';

const UNIX_PATH_MAX = 107;
const DOT = 0x2e;
const ZERO = 0x30;

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
  const family = bytes.length >= 2 ? (bytes[0] as number) | ((bytes[1] as number) << 8) : AF_UNSPEC;
  if (family === AF_INET && bytes.length >= 8) {
    return { host: ipv4Text(bytes, 4), port: word16At(bytes, 2), isUnix: false };
  }
  if (family === AF_INET6 && bytes.length >= 24) {
    return { host: ipv6Text(bytes, 8), port: word16At(bytes, 2), isUnix: false };
  }
  return { host: '', port: 0, isUnix: family === AF_UNIX };
}

const NO_WORDS = new Int32Array(0);
const ipv4Words = new Int32Array(1);
const ipv6Words = new Int32Array(4);

/** An address in 32-bit words: one of IPv4, four of IPv6, none when there is no address. Lent until the next call. */
export function addressWords(host: string): Int32Array {
  if (host === '') return NO_WORDS;
  if (!host.includes(':')) {
    ipv4Words[0] = ipv4Word(host);
    return ipv4Words;
  }
  const groups = ipv6Groups(host);
  for (let i = 0; i < 4; i++) ipv6Words[i] = ((groups[2 * i] ?? 0) << 16) | (groups[2 * i + 1] ?? 0);
  return ipv6Words;
}

function ipv4Word(host: string): number {
  let word = 0;
  let byte = 0;
  for (let i = 0; i < host.length; i++) {
    const character = host.charCodeAt(i);
    if (character === DOT) {
      word = (word << 8) | byte;
      byte = 0;
    } else byte = byte * 10 + character - ZERO;
  }
  return (word << 8) | byte;
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

let lastIpv4 = 0;
let lastIpv4Text = '0.0.0.0';

/** Every client has one, and whoever connects often comes from the same. */
function ipv4Text(bytes: Uint8Array, at: number): string {
  const word = (word16At(bytes, at) << 16) | word16At(bytes, at + 2);
  if (word !== lastIpv4) {
    lastIpv4 = word;
    lastIpv4Text = `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`;
  }
  return lastIpv4Text;
}

function ipv6Text(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => word16At(bytes, at + 2 * i));
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  if (isMapped) return ipv4Text(bytes, at + 12);
  const address = groups.map((group) => group.toString(16)).join(':');
  return new NodeSocketAddress({ address, family: 'ipv6' }).address;
}

function word16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** For log lines. */
export function peerText({ isUnix, host, port }: PeerAddress): string {
  if (isUnix) return 'unix';
  return host === '' ? 'gone' : `${host}:${port}`;
}
