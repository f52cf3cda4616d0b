/** Who may try to log in. PostgreSQL manual, "The pg_hba.conf File"; 3.3.1 documentation, "pg_hba". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AccessRules, Verdict } from '../../../src/pooler/access.js';
import type { AccessRule } from '../../../src/pooler/settings.js';
import type { PeerAddress } from '../../../src/reactor/reactor.js';
import { decodePeerAddress, encodeSocketAddress } from '../../../src/reactor/socket-address.js';

const UNIX: PeerAddress = { host: '', port: 0, isUnix: true };
const GONE: PeerAddress = { host: '', port: 0, isUnix: false };

/** A peer as the reactor tells it. */
function from(host: string): PeerAddress {
  return decodePeerAddress(encodeSocketAddress({ kind: 'tcp', host, port: 40_000 }));
}

/** A rule that lets everybody in without a password, but for what is said. The network is written 10.0.0.0/8. */
function rule(what: Partial<Omit<AccessRule, 'network'>> & { network?: string } = {}): AccessRule {
  const { network: written, ...rest } = what;
  const [address = '', prefix] = (written ?? '0.0.0.0/0').split('/');
  const network = rest.type === 'local' ? null : { address, prefixLength: Number(prefix) };
  return { type: 'host', databases: [], users: [], method: 'trust', line: 1, ...rest, network };
}

interface Asking {
  readonly peer?: PeerAddress;
  readonly isTls?: boolean;
  readonly database?: string;
  readonly user?: string;
}

function judge(rules: readonly AccessRule[] | null, asking: Asking = {}): Verdict {
  const { peer = from('10.1.2.3'), isTls = false, database = 'shop', user = 'alice' } = asking;
  return new AccessRules(rules).judge(peer, isTls, database, user).verdict;
}

test('without rules everybody may try, and must prove who it is', () => {
  for (const peer of [from('10.1.2.3'), from('::1'), UNIX]) {
    assert.equal(judge(null, { peer }), Verdict.Password);
  }
});

test('with rules of which none fits nobody gets in', () => {
  assert.equal(judge([]), Verdict.Reject);
  assert.equal(judge([rule({ users: ['bob'] })]), Verdict.Reject);
});

const METHODS: readonly [AccessRule['method'], Verdict][] = [
  ['trust', Verdict.Trust],
  ['md5', Verdict.Password],
  ['scram-sha-256', Verdict.Scram],
  ['reject', Verdict.Reject],
  ['unknown', Verdict.Reject],
];
for (const [method, verdict] of METHODS) {
  test(`the first rule that fits decides: ${method}`, () => {
    const others = METHODS.map(([other]) => rule({ method: other }));
    assert.equal(judge([rule({ method }), ...others]), verdict);
    assert.equal(
      judge([rule({ users: ['bob'] }), rule({ databases: ['other'] }), rule({ method })]),
      verdict,
    );
  });
}

test('a rule for some users or databases fits those it names, and no others', () => {
  const rules = [rule({ databases: ['shop', 'stock'], users: ['alice', 'bob'] })];
  assert.equal(judge(rules, { database: 'stock', user: 'bob' }), Verdict.Trust);
  assert.equal(judge(rules, { database: 'stock', user: 'carol' }), Verdict.Reject);
  assert.equal(judge(rules, { database: 'books', user: 'bob' }), Verdict.Reject);
});

test('names are compared as they are: no case is folded, nothing is a part or a pattern', () => {
  const rules = [rule({ databases: ['shop'], users: ['alice'] })];
  for (const user of ['Alice', 'alic', 'alice2', 'ali*', '']) {
    assert.equal(judge(rules, { user }), Verdict.Reject, user);
  }
  assert.equal(judge(rules, { database: 'SHOP' }), Verdict.Reject);
});

test('a database that is called all is one name among others', () => {
  assert.equal(judge([rule({ databases: ['all'] })]), Verdict.Reject);
  assert.equal(judge([rule({ databases: ['all'] })], { database: 'all' }), Verdict.Trust);
});

// ── types of connection ──────────────────────────────────────────────────────────────────────────────────────────

const FITS: readonly [AccessRule['type'], { plain: boolean; tls: boolean; unix: boolean }][] = [
  ['local', { plain: false, tls: false, unix: true }],
  ['host', { plain: true, tls: true, unix: false }],
  ['hostssl', { plain: false, tls: true, unix: false }],
  ['hostnossl', { plain: true, tls: false, unix: false }],
];
for (const [type, fits] of FITS) {
  test(`what ${type} fits`, () => {
    const rules = [rule({ type })];
    const peer = from('10.1.2.3');
    assert.equal(judge(rules, { peer, isTls: false }) === Verdict.Trust, fits.plain, 'TCP');
    assert.equal(judge(rules, { peer, isTls: true }) === Verdict.Trust, fits.tls, 'TCP with TLS');
    assert.equal(judge(rules, { peer: UNIX }) === Verdict.Trust, fits.unix, 'unix socket');
  });
}

test('a local rule names databases and users as others do', () => {
  const rules = [rule({ type: 'local', users: ['bob'] })];
  assert.equal(judge(rules, { peer: UNIX, user: 'bob' }), Verdict.Trust);
  assert.equal(judge(rules, { peer: UNIX, user: 'alice' }), Verdict.Reject);
});

test('a peer that has gone has no address and fits no rule', () => {
  const types = FITS.map(([type]) => rule({ type }));
  assert.equal(judge([...types, rule({ network: '::/0' })], { peer: GONE }), Verdict.Reject);
  assert.equal(judge(types, { peer: decodePeerAddress(new Uint8Array(0)), isTls: true }), Verdict.Reject);
});

// ── networks ─────────────────────────────────────────────────────────────────────────────────────────────────────

const NETWORKS: readonly [string, string, boolean][] = [
  ['10.0.0.0/8', '10.255.255.255', true],
  ['10.0.0.0/8', '11.0.0.0', false],
  ['10.1.2.3/32', '10.1.2.3', true],
  ['10.1.2.3/32', '10.1.2.4', false],
  ['192.168.0.8/29', '192.168.0.15', true],
  ['192.168.0.8/29', '192.168.0.16', false],
  ['10.9.9.9/8', '10.1.2.3', true], // bits behind the prefix say nothing
  ['0.0.0.0/0', '255.255.255.255', true],
  ['::1/128', '::1', true],
  ['::1/128', '::2', false],
  ['2001:db8::/29', '2001:dbf:ffff::1', true],
  ['2001:db8::/29', '2001:dc0::', false],
  ['fe80::/10', 'febf::1', true],
  ['::/0', 'ffff::1', true],
];
for (const [network, host, fits] of NETWORKS) {
  test(`${host} is ${fits ? 'in' : 'not in'} ${network}`, () => {
    const verdict = judge([rule({ network })], { peer: from(host) });
    assert.equal(verdict, fits ? Verdict.Trust : Verdict.Reject);
  });
}

test('a rule for IPv6 fits no IPv4 peer, and one for IPv4 no IPv6 peer', () => {
  for (const network of ['::/0', '::ffff:0.0.0.0/96', '::ffff:10.1.2.3/128']) {
    assert.equal(judge([rule({ network })], { peer: from('10.1.2.3') }), Verdict.Reject, network);
  }
  for (const host of ['::1', 'fd00::1', '::10.1.2.3']) {
    assert.equal(judge([rule({ network: '0.0.0.0/0' })], { peer: from(host) }), Verdict.Reject, host);
  }
});

test('an IPv4 peer of a socket that listens on IPv6 is an IPv4 peer', () => {
  const peer = from('::ffff:10.1.2.3');
  assert.equal(judge([rule({ network: '10.0.0.0/8' })], { peer }), Verdict.Trust);
  assert.equal(judge([rule({ network: '11.0.0.0/8' })], { peer }), Verdict.Reject);
  assert.equal(judge([rule({ network: '::/0' })], { peer }), Verdict.Reject);
});

/** Addresses as numbers and as text, with how many bits they have. */
const anAddress = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((number) => ({ number, bits: 32, text: ipv4(number) })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((number) => ({ number, bits: 128, text: ipv6(number) })),
);

function ipv4(number: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 0xffn).join('.');
}

function ipv6(number: bigint): string {
  const groups = [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n];
  return groups.map((shift) => ((number >> shift) & 0xffffn).toString(16)).join(':');
}

test('a network has in it what begins with the same bits', () => {
  fc.assert(
    fc.property(anAddress, fc.nat(128), fc.nat(128), ({ number, bits, text }, length, changed) => {
      const prefixLength = length % (bits + 1);
      const bit = changed % bits;
      const other = number ^ (1n << BigInt(bits - 1 - bit)); // differs in this bit, counted from the front
      const peer = from(bits === 32 ? ipv4(other) : ipv6(other));
      fc.pre(peer.host.includes(':') === (bits === 128)); // not by chance a mapped one
      const verdict = judge([rule({ network: `${text}/${prefixLength}` })], { peer });
      assert.equal(verdict, bit >= prefixLength ? Verdict.Trust : Verdict.Reject);
    }),
    { numRuns: 500 },
  );
});
