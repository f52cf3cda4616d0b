/** struct sockaddr: what is encoded is decoded, against the layouts of ip(7), ipv6(7) and unix(7). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AF_INET, AF_INET6, AF_UNIX } from '../../../src/reactor/kernel-structs.js';
import {
  decodePeerAddress,
  encodeSocketAddress,
  familyOf,
  SocketPathTooLong,
  UnusableAddress,
} from '../../../src/reactor/socket-address.js';

const port = fc.integer({ min: 0, max: 65535 });

function tcp(host: string, portNumber: number) {
  return { kind: 'tcp', host, port: portNumber } as const;
}

test('an IPv4 address is a struct sockaddr_in', () => {
  const encoded = encodeSocketAddress(tcp('192.0.2.1', 0x1234));
  assert.deepEqual([...encoded], [AF_INET, 0, 0x12, 0x34, 192, 0, 2, 1, ...new Array<number>(8).fill(0)]);
});

test('an IPv6 address is a struct sockaddr_in6', () => {
  const encoded = encodeSocketAddress(tcp('2001:db8::1', 0x1234));
  const address = [0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 1];
  assert.deepEqual([...encoded], [AF_INET6, 0, 0x12, 0x34, 0, 0, 0, 0, ...address, 0, 0, 0, 0]);
});

test('a path is a struct sockaddr_un with its zero', () => {
  const encoded = encodeSocketAddress({ kind: 'unix', path: '/tmp/.s.PGSQL.6432' });
  assert.equal(Buffer.from(encoded).readUInt16LE(0), AF_UNIX);
  assert.equal(Buffer.from(encoded).toString('latin1', 2), '/tmp/.s.PGSQL.6432\0');
});

test('every IPv4 address and port come back', () => {
  fc.assert(
    fc.property(fc.ipV4(), port, (host, number) => {
      const decoded = decodePeerAddress(encodeSocketAddress(tcp(host, number)));
      assert.deepEqual(decoded, { host, port: number, isUnix: false });
    }),
  );
});

/** Eight groups as text, by the URL parser: another implementation. */
function canonicalIpv6(host: string): string {
  return new URL(`http://[${host}]/`).hostname.slice(1, -1);
}

test('every IPv6 address and port come back, in whatever way it was written', () => {
  fc.assert(
    fc.property(fc.ipV6(), port, (host, number) => {
      const canonical = canonicalIpv6(host);
      fc.pre(!canonical.startsWith('::ffff:'));
      const decoded = decodePeerAddress(encodeSocketAddress(tcp(host, number)));
      assert.equal(canonicalIpv6(decoded.host), canonical);
      assert.deepEqual([decoded.port, decoded.isUnix], [number, false]);
    }),
    { numRuns: 500 },
  );
});

test('the unspecified and the loopback address come back in their short form', () => {
  for (const host of ['::', '::1', 'fe80::1', '2001:db8::1']) {
    assert.equal(decodePeerAddress(encodeSocketAddress(tcp(host, 1))).host, host);
  }
});

test('an IPv4 address mapped into IPv6 comes out as IPv4', () => {
  fc.assert(
    fc.property(fc.ipV4(), port, (host, number) => {
      const decoded = decodePeerAddress(encodeSocketAddress(tcp(`::ffff:${host}`, number)));
      assert.deepEqual(decoded, { host, port: number, isUnix: false });
    }),
  );
});

test("a peer's name behind a longer struct, or at an odd place in memory, is read all the same", () => {
  const encoded = encodeSocketAddress(tcp('10.1.2.3', 5432));
  const memory = new Uint8Array(128).fill(0xee);
  memory.set(encoded, 7);
  assert.deepEqual(decodePeerAddress(memory.subarray(7)), { host: '10.1.2.3', port: 5432, isUnix: false });
});

test('the name of a unix socket, with and without a path, is that of a unix socket', () => {
  const named = encodeSocketAddress({ kind: 'unix', path: '/tmp/socket' });
  const unnamed = Uint8Array.of(AF_UNIX, 0);
  for (const bytes of [named, unnamed]) {
    assert.deepEqual(decodePeerAddress(bytes), { host: '', port: 0, isUnix: true });
  }
});

test('the family is that of the address', () => {
  assert.equal(familyOf(tcp('127.0.0.1', 1)), AF_INET);
  assert.equal(familyOf(tcp('::1', 1)), AF_INET6);
  assert.equal(familyOf({ kind: 'unix', path: '/tmp/socket' }), AF_UNIX);
});

test('a path of 107 bytes fits, one of 108 is refused, counted in bytes and not in characters', () => {
  assert.equal(encodeSocketAddress({ kind: 'unix', path: `/${'a'.repeat(106)}` }).length, 2 + 107 + 1);
  const tooLong = [`/${'a'.repeat(107)}`, `/${'я'.repeat(54)}`];
  for (const path of tooLong) {
    assert.throws(() => encodeSocketAddress({ kind: 'unix', path }), SocketPathTooLong);
  }
});

test('a name is no address, also when its letters would make one', () => {
  for (const host of ['abc', 'localhost', 'db.example', '999.1.1.1', '']) {
    assert.throws(() => encodeSocketAddress(tcp(host, 5432)), UnusableAddress);
  }
});
