/** The configuration file: what it may say, what it means, and what is said of what is wrong. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, loadText, settingsOf } from './files.js';

const MINIMAL = `clusters:
  c:
    hosts: ["http://192.168.1.1:8008"]
    ports:
      master: {listen: "0.0.0.0:6432", roles: [leader], host_port: 5432}
`;

test('the documented example is understood', () => {
  const settings = settingsOf(`
cluster_update_interval: 3
listen_address: "127.0.0.1:8009"
clusters:
  my_cluster:
    hosts:
      - "http://192.168.1.1:8008"
      - "http://192.168.1.2:8008"
      - "http://192.168.1.3:8008"
    ports:
      master:
        listen: "0.0.0.0:6432"
        roles: ["leader"]
        host_port: 5432
      replicas:
        listen: "0.0.0.0:6433"
        roles: ["sync", "async"]
        host_port: 5432
        max_lag_in_bytes: 16777216  # 16MB
`);
  assert.deepEqual(settings.clusters, [
    {
      name: 'my_cluster',
      hosts: ['http://192.168.1.1:8008', 'http://192.168.1.2:8008', 'http://192.168.1.3:8008'],
      tls: null,
      ports: [
        {
          name: 'master',
          listen: { host: '0.0.0.0', port: 6432 },
          roles: ['leader'],
          hostPort: 5432,
          maxLag: null,
        },
        {
          name: 'replicas',
          listen: { host: '0.0.0.0', port: 6433 },
          roles: ['sync', 'async'],
          hostPort: 5432,
          maxLag: 16_777_216,
        },
      ],
    },
  ]);
});

test('what is not said has the documented defaults', () => {
  const { updateIntervalMs, apiAddress, ioBackend, clusters } = settingsOf(MINIMAL);
  assert.deepEqual(
    [updateIntervalMs, apiAddress, ioBackend],
    [3000, { host: '127.0.0.1', port: 8009 }, 'auto'],
  );
  assert.equal(clusters[0]?.ports[0]?.maxLag, null);
});

for (const [written, milliseconds] of [
  ['1', 1000],
  ['0.5', 500],
  ['"2"', 2000],
  ['"250ms"', 250],
  ['"1m"', 60_000],
] as const) {
  test(`cluster_update_interval: ${written} is ${milliseconds} ms`, () => {
    assert.equal(
      settingsOf(`cluster_update_interval: ${written}\n${MINIMAL}`).updateIntervalMs,
      milliseconds,
    );
  });
}

test('IPv6 addresses, localhost and slashes at the end of a host are understood', () => {
  const { apiAddress, clusters } = settingsOf(
    MINIMAL.replace('0.0.0.0:6432', '[::1]:6432').replace(':8008"', ':8008/"') +
      'listen_address: localhost:1\n',
  );
  assert.deepEqual(apiAddress, { host: '127.0.0.1', port: 1 });
  assert.deepEqual(clusters[0]?.ports[0]?.listen, { host: '::1', port: 6432 });
  assert.deepEqual(clusters[0]?.hosts, ['http://192.168.1.1:8008']);
});

test('all that is wrong is said at once, with line, field, value and what would be right', () => {
  assert.deepEqual(
    loadText(`cluster_update_interval: 0
listen_address: somewhere
clusters:
  c:
    hosts: ["ftp://192.168.1.1", "http://user:password@host:8008/?x"]
    tls: {client_cert: a.crt, skip_verify: maybe}
    ports:
      master: {listen: "0.0.0.0:6432", roles: [leder], host_port: 70000}
      other: {listen: "0.0.0.0:6432", roles: [], host_prt: 1, max_lag_in_bytes: -1}
  empty: {hosts: [], ports: {}}
`),
    [
      '1: cluster_update_interval: 0 must be between 0.1 s and 1 h',
      '2: listen_address: "somewhere" is no address to listen on; an IP address and a port: "0.0.0.0:6432", "[::]:6432"',
      '5: clusters.c.hosts[0]: is no address of a Patroni API; as "http://192.168.1.1:8008" or with https',
      '5: clusters.c.hosts[1]: is no address of a Patroni API; as "http://192.168.1.1:8008" or with https',
      '6: clusters.c.tls.skip_verify: "maybe" is of a wrong kind: wants true or false',
      '6: clusters.c.tls.client_key: is missing beside client_cert',
      '8: clusters.c.ports.master.roles[0]: "leder" is no role: leader, sync, async or any; did you mean leader?',
      '8: clusters.c.ports.master.host_port: 70000 must be at most 65535',
      '9: clusters.c.ports.other.roles: names no role',
      '9: clusters.c.ports.other.host_port: is missing',
      '9: clusters.c.ports.other.max_lag_in_bytes: -1 must be at least 0',
      '9: clusters.c.ports.other.host_prt: is no setting; did you mean host_port?',
      '9: clusters.c.ports.other.listen: "0.0.0.0:6432" is the address of clusters.c.ports.master as well',
      '10: clusters.empty.hosts: names no Patroni API',
      '10: clusters.empty.ports: names no port',
    ],
  );
});

test('a file without clusters is none', () => {
  assert.match(String(loadText('cluster_update_interval: 3\n')), /clusters: is missing$/);
  assert.deepEqual(loadText('clusters: {}\n'), ['1: clusters: names no cluster']);
});

test('a password in a host is not repeated', () => {
  const complaints = loadText(MINIMAL.replace('http://192', 'http://me:secret@192').replace(':8008', ':x'));
  assert.ok(Array.isArray(complaints) && complaints.length === 1);
  assert.doesNotMatch(String(complaints), /secret/);
});

test('files for TLS that cannot be read or used are named', () => {
  writeFileSync(join(folder, 'no.crt'), 'this is no certificate');
  const of = (tls: string) => loadText(MINIMAL.replace('    ports:', `    tls: ${tls}\n    ports:`));
  assert.deepEqual(of('{ca_cert: nowhere.crt}'), [
    `4: clusters.c.tls.ca_cert: ${join(folder, 'nowhere.crt')} cannot be read (ENOENT)`,
  ]);
  assert.match(String(of('{ca_cert: no.crt}')), /tls\.ca_cert: holds no certificate in PEM form/);
  assert.match(
    String(of('{client_cert: no.crt, client_key: no.crt}')),
    /tls\.client_cert: and client_key cannot be used together/,
  );
});
