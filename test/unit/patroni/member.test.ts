/** Members as Patroni tells of them, and which of them may serve a port. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exclusionOf, NotACluster, parseMembers, portRole } from '../../../src/patroni/member.js';
import type { PortRole } from '../../../src/patroni/settings.js';

/** As Patroni 4.1 answers. */
const ANSWER = JSON.stringify({
  members: [
    {
      name: 'a',
      role: 'leader',
      state: 'running',
      api_url: 'http://10.0.0.1:8008/patroni',
      host: '10.0.0.1',
      port: 5432,
      timeline: 3,
    },
    { name: 'b', role: 'sync_standby', state: 'streaming', host: '10.0.0.2', port: 5432, lag: 0 },
    {
      name: 'c',
      role: 'replica',
      state: 'streaming',
      host: '10.0.0.3',
      lag: '2048',
      tags: { nofailover: true },
    },
    { name: 'd', role: 'replica', state: 'creating replica', lag: 'unknown', tags: { noloadbalance: true } },
  ],
  scope: 'x',
  pause: true,
});

function port(roles: PortRole[], maxLag: number | null = null) {
  return { name: 'p', listen: { host: '127.0.0.1', port: 1 }, roles, hostPort: 5432, maxLag };
}

test('an answer is read as far as it matters', () => {
  assert.deepEqual(parseMembers(ANSWER), [
    { name: 'a', role: 'leader', state: 'running', host: '10.0.0.1', lag: null, noLoadBalance: false },
    { name: 'b', role: 'sync_standby', state: 'streaming', host: '10.0.0.2', lag: 0, noLoadBalance: false },
    { name: 'c', role: 'replica', state: 'streaming', host: '10.0.0.3', lag: 2048, noLoadBalance: false },
    { name: 'd', role: 'replica', state: 'creating replica', host: '', lag: null, noLoadBalance: true },
  ]);
});

for (const wrong of ['', 'null', '[]', '{}', '{"members": []}', '{"members": [{"name": "a"}]}', '<html>']) {
  test(`${JSON.stringify(wrong)} is no cluster`, () => {
    assert.throws(() => parseMembers(wrong), NotACluster);
  });
}

test('roles of Patroni are those that ports ask for', () => {
  const roles = [
    'leader',
    'standby_leader',
    'sync_standby',
    'quorum_standby',
    'replica',
    'master',
    'uninitialized',
  ];
  const [member] = parseMembers(ANSWER);
  assert.ok(member);
  assert.deepEqual(
    roles.map((role) => portRole({ ...member, role })),
    ['leader', 'leader', 'sync', 'sync', 'async', null, null],
  );
});

test('why a member may not serve a port', () => {
  const [leader, sync, replica, creating] = parseMembers(ANSWER);
  assert.ok(leader && sync && replica && creating);
  assert.equal(exclusionOf(leader, port(['leader'])), null);
  assert.equal(exclusionOf(leader, port(['any'], 0)), null); // its lag is unknown, and does not matter
  assert.equal(exclusionOf(leader, port(['sync', 'async'])), 'role');
  assert.equal(exclusionOf(sync, port(['sync'], 0)), null);
  assert.equal(exclusionOf(replica, port(['async'], 2048)), null);
  assert.equal(exclusionOf(replica, port(['async'], 2047)), 'lag');
  assert.equal(exclusionOf({ ...replica, lag: null }, port(['async'], 2047)), 'lag');
  assert.equal(exclusionOf({ ...replica, lag: null }, port(['async'])), null);
  assert.equal(exclusionOf(creating, port(['any'])), 'state');
  assert.equal(exclusionOf({ ...creating, state: 'running' }, port(['any'])), 'noloadbalance');
  assert.equal(exclusionOf({ ...creating, state: 'running', noLoadBalance: false }, port(['any'])), 'host');
  assert.equal(exclusionOf({ ...replica, role: 'demoted' }, port(['any'])), 'role');
});
