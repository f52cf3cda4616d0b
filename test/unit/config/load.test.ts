/** Files that are in order: YAML and TOML in all their forms, and what is included. 3.3.1 documentation, "Settings". */
import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfiguration } from '../../../src/config/load.js';
import { warningsOf } from '../../../src/config/warnings.js';
import { newSigner } from '../../support/token-keys.js';
import { loaded, loadedToml, loadedYaml, nameOf, written } from './files.js';

const YAML = `
general:
  host: "0.0.0.0"
  port: 6432
  admin_username: "admin"
  admin_password: "admin"
pools:
  mydb:
    server_host: "localhost"
    server_port: 5432
    pool_mode: "transaction"
    users:
      - username: "myuser"
        password: "mypassword"
        pool_size: 40
      - username: "other"
`;

const TOML_HEAD = `
[general]
host = "0.0.0.0"
port = 6432
admin_username = "admin"
admin_password = "admin"

[pools.mydb]
server_host = "localhost"
server_port = 5432
pool_mode = "transaction"
`;

const TOML_LIST = `${TOML_HEAD}
[[pools.mydb.users]]
username = "myuser"
password = "mypassword"
pool_size = 40

[[pools.mydb.users]]
username = "other"
`;

const TOML_NUMBERED = `${TOML_HEAD}
[pools.mydb.users.0]
username = "myuser"
password = "mypassword"
pool_size = 40

[pools.mydb.users.1]
username = "other"
`;

test('a YAML file gives what stands in it', (context) => {
  const { general, pools } = loadedYaml(context, YAML).configuration;
  assert.equal(general.port, 6432);
  assert.deepEqual(
    pools.mydb?.users.map(({ username, password, pool_size }) => [username, password, pool_size]),
    [
      ['myuser', 'mypassword', 40],
      ['other', '', 40],
    ],
  );
});

test('a TOML file with a list of users says the same as YAML', (context) => {
  assert.deepEqual(loadedToml(context, TOML_LIST).configuration, loadedYaml(context, YAML).configuration);
});

test('a TOML file with numbered users says the same as YAML', (context) => {
  assert.deepEqual(loadedToml(context, TOML_NUMBERED).configuration, loadedYaml(context, YAML).configuration);
});

test('numbered users are in the order of their numbers, which may have gaps', (context) => {
  const { pools } = loadedToml(
    context,
    '[pools.x.users.10]\nusername = "c"\n[pools.x.users.2]\nusername = "b"\n[pools.x.users.0]\nusername = "a"\n',
  ).configuration;
  assert.deepEqual(
    pools.x?.users.map(({ username }) => username),
    ['a', 'b', 'c'],
  );
});

test('users in one line of TOML are a list, too', (context) => {
  const { pools } = loadedToml(
    context,
    '[pools.x]\nusers = [{ username = "a" }, { username = "b" }]\n',
  ).configuration;
  assert.deepEqual(
    pools.x?.users.map(({ username }) => username),
    ['a', 'b'],
  );
});

test('the ending of the name may be in any case, and .yml is YAML', (context) => {
  for (const name of ['a.yml', 'a.YAML', 'a.Yml']) {
    assert.equal(loaded(context, { [name]: 'general:\n  port: 6432\n' }).configuration.general.port, 6432);
  }
  assert.equal(loaded(context, { 'a.TOML': '[general]\nport = 6432\n' }).configuration.general.port, 6432);
});

test('a byte order mark in front changes nothing', (context) => {
  assert.equal(loadedYaml(context, '\ufeffgeneral:\n  port: 6432\n').configuration.general.port, 6432);
  assert.equal(loadedToml(context, '\ufeff[general]\nport = 6432\n').configuration.general.port, 6432);
});

test('lines may end as on Windows', (context) => {
  assert.equal(loadedYaml(context, YAML.replaceAll('\n', '\r\n')).configuration.pools.mydb?.users.length, 2);
  assert.equal(
    loadedToml(context, TOML_LIST.replaceAll('\n', '\r\n')).configuration.pools.mydb?.users.length,
    2,
  );
});

test('a section in YAML of which all lines are comments is as if it were not there', (context) => {
  const { configuration } = loadedYaml(
    context,
    'include:\n  # files:\n  #   - more.yaml\ngeneral:\nprometheus:\npools: {}\n',
  );
  assert.deepEqual(configuration.pools, {});
  assert.equal(configuration.general.port, 5432);
  assert.equal(configuration.prometheus.enabled, false);
});

test('a YAML anchor may be referred to', (context) => {
  const { pools } = loadedYaml(
    context,
    'pools:\n  a: &a\n    server_host: 10.0.0.1\n    users: []\n  b: *a\n',
  ).configuration;
  assert.equal(pools.b?.server_host, '10.0.0.1');
});

test('durations and sizes may be numbers or texts', (context) => {
  const { general } = loadedYaml(
    context,
    'general:\n  connect_timeout: "3s"\n  query_wait_timeout: 1500\n  clock_resolution_statistics: 0.1ms\n  max_memory_usage: 256M\n  unix_socket_buffer_size: 4096\n',
  ).configuration;
  assert.equal(general.connect_timeout, 3000);
  assert.equal(general.query_wait_timeout, 1500);
  assert.equal(general.clock_resolution_statistics, 0.1);
  assert.equal(general.max_memory_usage, 268_435_456);
  assert.equal(general.unix_socket_buffer_size, 4096);
});

test('names of pools may contain dots and blanks', (context) => {
  assert.deepEqual(Object.keys(loadedToml(context, '[pools."my.db x"]\n').configuration.pools), ['my.db x']);
  assert.deepEqual(Object.keys(loadedYaml(context, 'pools:\n  "my.db x": {}\n').configuration.pools), [
    'my.db x',
  ]);
});

test('included files of either kind are read, in their order, and win over what came before', (context) => {
  const { configuration, files } = loaded(context, {
    'main.yaml': 'include:\n  files: [pools.toml, users.yaml]\ngeneral:\n  port: 6432\n  host: 10.0.0.1\n',
    'pools.toml': '[general]\nport = 6433\n[pools.mydb]\nserver_host = "10.0.0.2"\nserver_port = 5433\n',
    'users.yaml': 'pools:\n  mydb:\n    server_port: 5434\n    users:\n      - username: alice\n',
  });
  assert.equal(configuration.general.host, '10.0.0.1');
  assert.equal(configuration.general.port, 6433);
  assert.equal(configuration.pools.mydb?.server_host, '10.0.0.2');
  assert.equal(configuration.pools.mydb?.server_port, 5434);
  assert.deepEqual(
    configuration.pools.mydb?.users.map(({ username }) => username),
    ['alice'],
  );
  assert.deepEqual(files.map(nameOf), ['main.yaml', 'pools.toml', 'users.yaml']);
});

test('TOML includes YAML', (context) => {
  const { configuration } = loaded(context, {
    'main.toml': '[include]\nfiles = ["more.yml"]\n',
    'more.yml': 'general:\n  port: 6432\n',
  });
  assert.equal(configuration.general.port, 6432);
});

test('an included file is looked for beside the one that includes it', (context) => {
  const { configuration } = loaded(context, {
    'main.yaml': 'include:\n  files: [conf.d/pools.yaml]\n',
    'conf.d/pools.yaml': 'include:\n  files: [users.yaml]\n',
    'conf.d/users.yaml': 'pools:\n  mydb:\n    users: [{ username: alice }]\n',
  });
  assert.equal(configuration.pools.mydb?.users.length, 1);
});

test('an included file may be named by its absolute path', (context) => {
  const other = written(context, { 'other.yaml': 'general:\n  port: 6432\n' });
  const { configuration } = loaded(context, { 'main.yaml': `include:\n  files: ["${other}"]\n` });
  assert.equal(configuration.general.port, 6432);
});

test('a file may be included twice when it does not include itself', (context) => {
  const { files } = loaded(context, {
    'main.yaml': 'include:\n  files: [a.yaml, b.yaml]\n',
    'a.yaml': 'include:\n  files: [common.yaml]\n',
    'b.yaml': 'include:\n  files: [common.yaml]\n',
    'common.yaml': 'general:\n  port: 6432\n',
  });
  assert.deepEqual(files.map(nameOf), ['main.yaml', 'a.yaml', 'common.yaml', 'b.yaml', 'common.yaml']);
});

test('users that an included file lists replace those of the file before', (context) => {
  const { configuration } = loaded(context, {
    'main.yaml':
      'include:\n  files: [more.yaml]\npools:\n  x:\n    users: [{ username: a }, { username: b }]\n',
    'more.yaml': 'pools:\n  x:\n    users: [{ username: c }]\n',
  });
  assert.deepEqual(
    configuration.pools.x?.users.map(({ username }) => username),
    ['c'],
  );
});

test('the file may be a symbolic link, as in a mounted ConfigMap', (context) => {
  const path = written(context, { 'data/pg_doorman.yaml': 'general:\n  port: 6432\n' });
  const link = join(path, '..', '..', 'link.yaml');
  symlinkSync(path, link);
  assert.equal(loadConfiguration(link).configuration.general.port, 6432);
});

test('without rules for access everybody may try', (context) => {
  assert.equal(loadedYaml(context, 'general:\n  port: 6432\n').accessRules, null);
});

test('the older list of networks becomes a rule for each', (context) => {
  const { accessRules } = loadedYaml(context, 'general:\n  hba: ["10.0.0.0/8", "::1"]\n');
  assert.deepEqual(
    accessRules?.map(({ type, network, databases, users }) => ({ type, network, databases, users })),
    [
      { type: 'host', network: { address: '10.0.0.0', prefixLength: 8 }, databases: [], users: [] },
      { type: 'host', network: { address: '::1', prefixLength: 128 }, databases: [], users: [] },
    ],
  );
});

const RULES = '# type database user address method\nhost mydb alice 10.0.0.0/8 md5\nlocal all all trust\n';
const RULES_READ = [
  ['host', 'md5', 2],
  ['local', 'trust', 3],
];

test('pg_hba may be the text of the rules', (context) => {
  const { accessRules } = loadedToml(context, `[general]\npg_hba = """\n${RULES}"""\n`);
  assert.deepEqual(
    accessRules?.map(({ type, method, line }) => [type, method, line]),
    RULES_READ,
  );
});

test('pg_hba may have the rules as content', (context) => {
  const { accessRules } = loadedYaml(context, `general:\n  pg_hba:\n    content: ${JSON.stringify(RULES)}\n`);
  assert.deepEqual(
    accessRules?.map(({ type, method, line }) => [type, method, line]),
    RULES_READ,
  );
});

test('pg_hba may name a file, beside the configuration', (context) => {
  const { accessRules } = loaded(context, {
    'main.toml': '[general]\npg_hba = { path = "./pg_hba.conf" }\n',
    'pg_hba.conf': RULES,
  });
  assert.deepEqual(
    accessRules?.map(({ type, method, line }) => [type, method, line]),
    RULES_READ,
  );
});

test('a file of rules is looked for beside the included file that names it', (context) => {
  const { accessRules } = loaded(context, {
    'main.yaml': 'include:\n  files: [conf.d/access.yaml]\n',
    'conf.d/access.yaml': 'general:\n  pg_hba: { path: rules }\n',
    'conf.d/rules': 'local all all trust\n',
  });
  assert.deepEqual(
    accessRules?.map(({ type }) => type),
    ['local'],
  );
});

test('pg_hba without a rule lets nobody in, which is not the same as no pg_hba', (context) => {
  assert.deepEqual(loadedYaml(context, 'general:\n  pg_hba: "# nobody"\n').accessRules, []);
  assert.deepEqual(loadedYaml(context, 'general:\n  pg_hba: { content: "" }\n').accessRules, []);
  const files = { 'a.yaml': 'general:\n  pg_hba: { path: rules }\n', rules: '# nobody\n' };
  assert.deepEqual(loaded(context, files).accessRules, []);
});

test('every form of a stored password is accepted', (context) => {
  const passwords = [
    '',
    'plain text',
    'md58a67a0c805a5ee0384ea28e0dea557b6',
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    'jwt-pkey-fpath:key.pem',
  ];
  const users = passwords.map((password, index) => ({ username: `u${index}`, password }));
  const { pools } = loaded(context, {
    'a.yaml': JSON.stringify({ pools: { x: { users } } }),
    'key.pem': newSigner('EdDSA').publicKey,
  }).configuration;
  assert.deepEqual(
    pools.x?.users.map(({ password }) => password),
    passwords,
  );
});

test('the same user may stand in two pools', (context) => {
  const { pools } = loadedYaml(
    context,
    'pools:\n  a:\n    users: [{ username: alice }]\n  b:\n    users: [{ username: alice }]\n',
  ).configuration;
  assert.deepEqual(Object.keys(pools), ['a', 'b']);
});

test('values at the ends of their ranges are accepted', (context) => {
  const { general, pools } = loadedYaml(
    context,
    'general:\n  port: 65535\n  max_connections: 1\n  scaling_warm_pool_ratio: 100\n  idle_timeout: 0\n  server_lifetime: 365d\npools:\n  x:\n    users: [{ username: a, pool_size: 3, min_pool_size: 3 }]\n',
  ).configuration;
  assert.equal(general.port, 65_535);
  assert.equal(general.idle_timeout, 0);
  assert.equal(general.server_lifetime, 365 * 86_400_000);
  assert.equal(pools.x?.users[0]?.min_pool_size, 3);
});

test('the address to listen on is one of IPv4 or IPv6, a directory, or localhost, which is 127.0.0.1', (context) => {
  for (const host of ['10.0.0.1', '::1', '::', '/run/pg_doorman']) {
    assert.equal(loadedYaml(context, `general:\n  host: "${host}"\n`).configuration.general.host, host);
  }
  assert.equal(loadedYaml(context, 'general:\n  host: localhost\n').configuration.general.host, '127.0.0.1');
});

test('a hash of which dots stand for a part is in order, and there is a word on it without the hash', (context) => {
  for (const hash of ['md5...', 'SCRAM-SHA-256$4096:6nD+Ppi9rgaNyP7...MBiTld7xJipwG/X4=', 'md5…']) {
    const { configuration } = loadedYaml(
      context,
      `pools:\n  x:\n    users: [{ username: a, password: "${hash}" }, { username: b, password: "..." }]\n`,
    );
    assert.deepEqual(warningsOf(configuration), [
      'pools.x.users: the password of a is no whole hash, so nobody can log in by it: copy it from pg_shadow',
    ]);
  }
});

test('a pool that has the name of the admin console is told of', (context) => {
  const { configuration } = loadedYaml(context, 'pools:\n  pgbouncer: {}\n  mydb: {}\n');
  assert.deepEqual(warningsOf(configuration), [
    'pools.pgbouncer: nobody reaches it: this name is the admin console',
  ]);
});
