/** What an operator is told of a file that cannot be used: all of it at once, each with its place and what would be
 *  right. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ConfigurationError } from '../../../src/config/complaints.js';
import { loadConfiguration } from '../../../src/config/load.js';
import { complaints, tomlComplaints, written, yamlComplaints } from './files.js';

test('a file that is not there is not found', (context) => {
  const missing = join(dirname(written(context, { 'a.yaml': '' })), 'b.yaml');
  assert.throws(
    () => loadConfiguration(missing),
    (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.equal(error.message, `${missing}: configuration file not found`);
      return true;
    },
  );
});

test('a directory is no configuration file', (context) => {
  const inside = written(context, { 'a.yaml/b': '' });
  assert.throws(() => loadConfiguration(dirname(inside)), {
    message: /a\.yaml: is a directory, not a file$/,
  });
});

test('a name must say whether it is YAML or TOML', (context) => {
  for (const name of ['pg_doorman.conf', 'pg_doorman', 'pg_doorman.json']) {
    assert.deepEqual(complaints(context, { [name]: '{}' }), [
      `${name}: the name must end in .yaml, .yml or .toml`,
    ]);
  }
});

test('wrong syntax is told with its line', (context) => {
  assert.match(
    yamlComplaints(context, 'general:\n  port: 6432\n  host: "x\n').join(),
    /^a\.yaml:\d: .*quote/,
  );
  assert.match(tomlComplaints(context, '[general]\nport = 6432\nhost = \n').join(), /^a\.toml:3: .*value/);
});

test('all mistakes in the syntax of YAML are told', (context) => {
  const told = yamlComplaints(context, 'general:\n  host: @a\n  port: `b\n');
  assert.deepEqual(
    told.map((line) => line.slice(0, 9)),
    ['a.yaml:2:', 'a.yaml:3:'],
  );
});

test('a key that is there twice is told', (context) => {
  assert.match(yamlComplaints(context, 'general:\n  port: 1\n  port: 2\n').join(), /^a\.yaml:3: .*unique/);
  assert.match(tomlComplaints(context, '[general]\nport = 1\nport = 2\n').join(), /^a\.toml:3: .*redefine/);
});

test('a file that is a list or a word is no table of settings', (context) => {
  for (const content of ['- general\n', 'general\n', '5\n']) {
    assert.deepEqual(yamlComplaints(context, content), ['a.yaml:1: is no table of settings']);
  }
});

test('an alias without its anchor is told, with a hint at quotes', (context) => {
  assert.deepEqual(yamlComplaints(context, 'general:\n  host: x\n  admin_password: *secret\n'), [
    'a.yaml:3: an alias without its anchor; a text that begins with * wants quotes',
  ]);
});

test('an unknown tag is told, for it would swallow the beginning of a text', (context) => {
  assert.deepEqual(yamlComplaints(context, 'general:\n  admin_password: !secret x\n'), [
    'a.yaml:2: an unknown tag or directive; a text that begins with ! or % wants quotes',
  ]);
});

test('aliases that grow without end are refused', (context) => {
  const levels = Array.from(
    { length: 9 },
    (_, n) => `a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(', ')}]`,
  );
  const told = yamlComplaints(context, `a0: &a0 [x]\n${levels.join('\n')}\n`);
  assert.deepEqual(told, ['a.yaml: its aliases stand for too much']);
});

const MISSPELT: readonly [string, string, string][] = [
  ['general', 'general:\n  prot: 6432\n', 'a.yaml:2: general.prot: is no setting; did you mean port?'],
  ['the file', 'genral:\n  port: 6432\n', 'a.yaml:1: genral: is no setting; did you mean general?'],
  ['the file, its pools', 'pool:\n  x: {}\n', 'a.yaml:1: pool: is no setting; did you mean pools?'],
  [
    'a pool',
    'pools:\n  x:\n    server_hots: y\n',
    'a.yaml:3: pools.x.server_hots: is no setting; did you mean server_host?',
  ],
  [
    'a user',
    'pools:\n  x:\n    users:\n      - username: y\n        poolsize: 3\n',
    'a.yaml:5: pools.x.users[0].poolsize: is no setting; did you mean pool_size?',
  ],
  [
    'auth_query',
    'pools:\n  x:\n    auth_query:\n      query: q\n      user: u\n      cache_tll: 1h\n',
    'a.yaml:6: pools.x.auth_query.cache_tll: is no setting; did you mean cache_ttl?',
  ],
  [
    'prometheus',
    'prometheus:\n  enable: true\n',
    'a.yaml:2: prometheus.enable: is no setting; did you mean enabled?',
  ],
  ['include', 'include:\n  file: [x]\n', 'a.yaml:2: include.file: is no setting; did you mean files?'],
  [
    'pg_hba',
    'general:\n  pg_hba:\n    content: ""\n    paht: x\n',
    'a.yaml:4: general.pg_hba.paht: is no setting; did you mean path?',
  ],
  [
    'talos',
    'general:\n  talos:\n    key: []\n',
    'a.yaml:3: general.talos.key: is no setting; did you mean keys?',
  ],
  ['nothing known', 'general:\n  frobnicate: 1\n', 'a.yaml:2: general.frobnicate: is no setting'],
];
for (const [where, content, complaint] of MISSPELT) {
  test(`a misspelt key in ${where} is told with the one that it resembles`, (context) => {
    assert.deepEqual(yamlComplaints(context, content), [complaint]);
  });
}

test('a misspelt key in TOML is told with its line, in both forms of users', (context) => {
  assert.deepEqual(
    tomlComplaints(context, '[pools.x]\n\n[[pools.x.users]]\nusername = "a"\npool-size = 3\n'),
    ['a.toml:5: pools.x.users[0].pool-size: is no setting; did you mean pool_size?'],
  );
  assert.deepEqual(tomlComplaints(context, '[pools.x.users.0]\nusername = "a"\npoolsize = 3\n'), [
    'a.toml:3: pools.x.users.0.poolsize: is no setting; did you mean pool_size?',
  ]);
});

const WRONG: readonly [string, string][] = [
  ['general: { port: "6432" }', 'general.port: "6432" is of a wrong kind: wants a number'],
  ['general: { port: 70000 }', 'general.port: 70000 must be at most 65535'],
  ['general: { port: -1 }', 'general.port: -1 must be at least 0'],
  ['general: { port: 1.5 }', 'general.port: 1.5 is of a wrong kind: wants a whole number'],
  ['general: { port: .nan }', 'general.port: NaN is of a wrong kind: wants a number'],
  ['general: { port: }', 'general.port: is of a wrong kind: wants a number'],
  ['general: { port: [1] }', 'general.port: is of a wrong kind: wants a number'],
  ['general: { host: 5 }', 'general.host: 5 is of a wrong kind: wants a text'],
  ['general: { host: "" }', 'general.host: "" must not be empty'],
  ['general: { tcp_no_delay: "yes" }', 'general.tcp_no_delay: "yes" is of a wrong kind: wants true or false'],
  ['general: { tcp_no_delay: 1 }', 'general.tcp_no_delay: 1 is of a wrong kind: wants true or false'],
  ['general: { max_connections: 0 }', 'general.max_connections: 0 must be at least 1'],
  ['general: { worker_threads: 0 }', 'general.worker_threads: 0 must be at least 1'],
  ['general: { scaling_warm_pool_ratio: 101 }', 'general.scaling_warm_pool_ratio: 101 must be at most 100'],
  [
    'general: { tls_mode: prefer }',
    'general.tls_mode: "prefer" must be one of allow, disable, require, verify-full',
  ],
  [
    'general: { connect_timeout: 5 parsecs }',
    'general.connect_timeout: "5 parsecs" is no duration; milliseconds as a number, or a number with us, ms, s, m, h or d: "5s"',
  ],
  [
    'general: { connect_timeout: -5 }',
    'general.connect_timeout: -5 is no duration; milliseconds as a number, or a number with us, ms, s, m, h or d: "5s"',
  ],
  ['general: { connect_timeout: 0 }', 'general.connect_timeout: 0 must be between 1 ms and 31536000000 ms'],
  ['general: { idle_timeout: 366d }', 'general.idle_timeout: "366d" must be between 0 ms and 31536000000 ms'],
  [
    'general: { connect_timeout: true }',
    'general.connect_timeout: true is of a wrong kind: wants a number or a text',
  ],
  [
    'general: { connect_timeout: { s: 5 } }',
    'general.connect_timeout: is of a wrong kind: wants a number or a text',
  ],
  [
    'general: { max_memory_usage: 1 lot }',
    'general.max_memory_usage: "1 lot" is no size; bytes as a number, or a number with B, K, KB, M, MB, G or GB: "256MB"',
  ],
  [
    'general: { unix_socket_buffer_size: 2G }',
    'general.unix_socket_buffer_size: "2G" must be between 0 and 1073741824 bytes',
  ],
  ['general: 5', 'general: is of a wrong kind: wants a table'],
  ['pools:', 'pools: is of a wrong kind: wants a table'],
  ['pools: [x]', 'pools: is of a wrong kind: wants a table'],
  ['pools: { x: }', 'pools.x: is of a wrong kind: wants a table'],
  [
    'pools: { x: { pool_mode: statement } }',
    'pools.x.pool_mode: "statement" must be one of transaction, session',
  ],
  ['pools: { x: { server_port: 0 } }', 'pools.x.server_port: 0 must be at least 1'],
  ['pools: { x: { users: alice } }', 'pools.x.users: is of a wrong kind: wants a list or a table'],
  ['pools: { x: { users: [alice] } }', 'pools.x.users[0]: is of a wrong kind: wants a table'],
  [
    'pools: { x: { users: { alice: { username: alice } } } }',
    'pools.x.users.alice: users are numbered from 0',
  ],
  ['pools: { x: { users: [{ password: y }] } }', 'pools.x.users[0].username: is missing'],
  ['pools: { x: { users: [{ username: "" }] } }', 'pools.x.users[0].username: "" must not be empty'],
  [
    'pools: { x: { users: [{ username: a, pool_size: 0 }] } }',
    'pools.x.users[0].pool_size: 0 must be at least 1',
  ],
  [
    'pools: { x: { users: [{ username: a, pool_size: 5, min_pool_size: 6 }] } }',
    'pools.x.users[0].min_pool_size: 6 must not be more than pool_size (5)',
  ],
  [
    'pools: { x: { users: [{ username: a, min_pool_size: 41 }] } }',
    'pools.x.users[0].min_pool_size: 41 must not be more than pool_size (40)',
  ],
  [
    'pools: { x: { users: [{ username: a, server_password: y }] } }',
    'pools.x.users[0].server_password: needs server_username beside it',
  ],
  [
    'pools: { x: { users: [{ username: a, password: md5123 }] } }',
    'pools.x.users[0].password: md5 must be followed by 32 hex digits',
  ],
  [
    'pools: { x: { users: [{ username: a }, { username: a }] } }',
    'pools.x.users[1].username: "a" is there twice',
  ],
  [
    'pools: { x: { users: { 3: { username: a }, 7: { username: a } } } }',
    'pools.x.users.7.username: "a" is there twice',
  ],
  ['pools: { x: { auth_query: { user: u } } }', 'pools.x.auth_query.query: is missing'],
  ['prometheus: { port: http }', 'prometheus.port: "http" is of a wrong kind: wants a number'],
  ['include: { files: x.yaml }', 'include.files: is of a wrong kind: wants a list'],
  ['include: [x.yaml]', 'include: is of a wrong kind: wants a table'],
  [
    'general: { host: db.example }',
    'general.host: "db.example" is no address to listen on: an IPv4 or IPv6 address, localhost, or a directory that begins with /',
  ],
  [
    'general: { host: 999.1.1.1 }',
    'general.host: "999.1.1.1" is no address to listen on: an IPv4 or IPv6 address, localhost, or a directory that begins with /',
  ],
  ['general: { hba: 10.0.0.0/8 }', 'general.hba: is of a wrong kind: wants a list'],
  ['general: { hba: [5] }', 'general.hba[0]: is of a wrong kind: wants a text'],
  [
    'general: { hba: ["::1", db.example] }',
    'general.hba[1]: "db.example" is no network: 10.0.0.0/8, ::1/128 or all',
  ],
  ['general: { hba: ["::1"], pg_hba: "" }', 'general.hba: and pg_hba exclude each other: keep pg_hba'],
  ['general: { pg_hba: 5 }', 'general.pg_hba: is of a wrong kind: wants a text or a table'],
  ['general: { pg_hba: { path: 5 } }', 'general.pg_hba.path: 5 is of a wrong kind: wants a text'],
  ['general: { pg_hba: {} }', 'general.pg_hba: wants either path or content'],
  [
    'general: { pg_hba: "# x\\nhost all all" }',
    'general.pg_hba: line 2 of the rules: wants an address before the method',
  ],
  ['general: { tls_mode: require }', 'general.tls_mode: "require" needs tls_certificate and tls_private_key'],
];
for (const [content, complaint] of WRONG) {
  test(`${content} is wrong: ${complaint}`, (context) => {
    const told = yamlComplaints(context, `# one line above\n${content}\n`);
    assert.deepEqual(told, [`a.yaml:2: ${complaint}`]);
  });
}

test('one of certificate and key without the other is told beside what is wrong with its file', (context) => {
  assert.deepEqual(yamlComplaints(context, 'general:\n  tls_certificate: /no/c\n'), [
    'a.yaml:1: general.tls_private_key: is missing beside tls_certificate',
    'a.yaml:2: general.tls_certificate: /no/c cannot be read (ENOENT)',
  ]);
  assert.deepEqual(yamlComplaints(context, 'general:\n  tls_private_key: /no/k\n'), [
    'a.yaml:1: general.tls_certificate: is missing beside tls_private_key',
    'a.yaml:2: general.tls_private_key: /no/k cannot be read (ENOENT)',
  ]);
  assert.ok(
    yamlComplaints(
      context,
      'general: { tls_mode: verify-full, tls_certificate: /c, tls_private_key: /k }',
    ).includes('a.yaml:1: general.tls_mode: "verify-full" needs tls_ca_cert'),
  );
});

test('a file with nothing in it is taken for one that is not written yet', (context) => {
  for (const content of ['', '# x\n', 'null\n']) {
    assert.deepEqual(yamlComplaints(context, content), ['a.yaml: is empty; is it still being written?']);
  }
  assert.deepEqual(tomlComplaints(context, ''), ['a.toml: is empty; is it still being written?']);
});

test('a file that says nothing of pools may be started with, but ends no pools that there are', (context) => {
  const path = written(context, { 'a.yaml': 'general:\n  port: 6432\n' });
  assert.deepEqual(loadConfiguration(path).configuration.pools, {});
  assert.throws(() => loadConfiguration(path, true), {
    message: `${path}: pools: is missing, which would end them all; {} stands for none`,
  });
});

test('bytes that are no UTF-8 are told with their line', (context) => {
  const path = written(context, { 'a.yaml': '' });
  const inLatin1 = Buffer.from('pools: {}\ngeneral:\n  admin_password: caf\u00e9\n', 'latin1');
  for (const [bytes, line] of [
    [inLatin1, 3] as const,
    [Buffer.from('\ufeffpools: {}', 'utf16le'), 1] as const,
  ]) {
    writeFileSync(path, bytes);
    assert.throws(() => loadConfiguration(path), { message: `${path}:${line}: is not in UTF-8` });
  }
});

test('what is no file, or larger than any configuration, is not read', (context) => {
  const path = written(context, { 'a.yaml': '' });
  const pipe = join(dirname(path), 'pipe.yaml');
  execFileSync('mkfifo', [pipe]);
  assert.throws(() => loadConfiguration(pipe), { message: /pipe\.yaml: is no ordinary file$/ });
  truncateSync(path, 100 * 1024 * 1024);
  assert.throws(() => loadConfiguration(path), {
    message: /a\.yaml: is larger than 32 MB: no configuration is$/,
  });
});

test('of a file that is no YAML at all each mistake is told once, and the first twenty', (context) => {
  const told = yamlComplaints(context, `${'a: b: c: d\n'.repeat(30)}`);
  assert.equal(new Set(told).size, 21);
  assert.match(told[19] ?? '', /^a\.yaml:20: /);
  assert.match(told[20] ?? '', /^a\.yaml: and \d+ more mistakes in its syntax$/);
});

const MISPLACED: readonly [string, string][] = [
  [
    'general: { pool_mode: session }',
    'general.pool_mode: is no setting here; it is one of pools.NAME, pools.NAME.users',
  ],
  [
    'pools: { x: { pool_size: 3 } }',
    'pools.x.pool_size: is no setting here; it is one of pools.NAME.users, pools.NAME.auth_query',
  ],
  ['port: 6432', 'port: is no setting here; it is one of general, prometheus'],
  ['pools: { x: { host: y } }', 'pools.x.host: is no setting; did you mean server_host?'],
];
for (const [content, complaint] of MISPLACED) {
  test(`a setting in the wrong section is told with the right one: ${complaint}`, (context) => {
    assert.deepEqual(yamlComplaints(context, content), [`a.yaml:1: ${complaint}`]);
  });
}

test('a complaint points at the line of the name, not of what stands below it', (context) => {
  const told = yamlComplaints(context, 'pools:\n  x:\n    frobnicate:\n      - 1\n      - 2\n');
  assert.deepEqual(told, ['a.yaml:3: pools.x.frobnicate: is no setting']);
});

test('a missing field is told with the line of the section that it is missing in', (context) => {
  const yaml = 'pools:\n  x:\n    users:\n      - username: a\n      - password: b\n';
  assert.deepEqual(yamlComplaints(context, yaml), ['a.yaml:5: pools.x.users[1].username: is missing']);
  const toml = '[pools.x]\n\n[pools.x.users.0]\nusername = "a"\n\n[pools.x.users.1]\npassword = "b"\n';
  assert.deepEqual(tomlComplaints(context, toml), ['a.toml:6: pools.x.users.1.username: is missing']);
});

test('lines in TOML are found in lists, dotted keys, quoted names and inline tables', (context) => {
  const content = [
    'general.port = "a"',
    '',
    '[pools."my.db"]',
    'server_port = "b"',
    '[[pools."my.db".users]]',
    'username = "x"',
    '[[pools."my.db".users]]',
    'username = "y"',
    'pool_size = "c"',
    '[[pools.other.users]]',
    'pool_size = "d"',
    'username = "z"',
    '[pools.third]',
    'users = [{ username = "v" }, { username = 5 }]',
  ].join('\n');
  assert.deepEqual(
    tomlComplaints(context, content).map((line) => line.split(' is ')[0]),
    [
      'a.toml:1: general.port: "a"',
      'a.toml:4: pools.my.db.server_port: "b"',
      'a.toml:9: pools.my.db.users[1].pool_size: "c"',
      'a.toml:11: pools.other.users[0].pool_size: "d"',
      'a.toml:14: pools.third.users[1].username: 5',
    ],
  );
});

test('lines in YAML are found through numbered users and aliases', (context) => {
  const content =
    'pools:\n  x: &x\n    users:\n      0:\n        username: a\n      1:\n        username: 5\n  y: *x\n';
  assert.deepEqual(
    yamlComplaints(context, content).map((line) => line.split(' is ')[0]),
    ['a.yaml:7: pools.x.users.1.username: 5', 'a.yaml:7: pools.y.users.1.username: 5'],
  );
});

test('everything that is wrong is told at once, from the top', (context) => {
  const content = `
general:
  prot: 6432
  max_connections: many
  hba: ["10.0.0.0/40", "x"]
  tls_certificate: /c
pools:
  a:
    users:
      - username: alice
        pool_size: 2
        min_pool_size: 3
      - username: alice
        server_password: y
        frobnicate: 1
      - pool_size: x
  b:
    pool_mode: none
prometheus:
  port: 70000
`;
  assert.deepEqual(
    yamlComplaints(context, content).map((line) => line.split(': ').slice(0, 2).join(': ')),
    [
      'a.yaml:2: general.tls_private_key',
      'a.yaml:3: general.prot',
      'a.yaml:4: general.max_connections',
      'a.yaml:5: general.hba[0]',
      'a.yaml:5: general.hba[1]',
      'a.yaml:6: general.tls_certificate',
      'a.yaml:12: pools.a.users[0].min_pool_size',
      'a.yaml:13: pools.a.users[1].username',
      'a.yaml:14: pools.a.users[1].server_password',
      'a.yaml:15: pools.a.users[1].frobnicate',
      'a.yaml:16: pools.a.users[2].username',
      'a.yaml:16: pools.a.users[2].pool_size',
      'a.yaml:18: pools.b.pool_mode',
      'a.yaml:20: prometheus.port',
    ],
  );
});

test('a user that is there three times is told twice', (context) => {
  const told = yamlComplaints(
    context,
    'pools:\n  x:\n    users:\n      - username: a\n      - username: a\n      - username: a\n',
  );
  assert.deepEqual(told, [
    'a.yaml:5: pools.x.users[1].username: "a" is there twice',
    'a.yaml:6: pools.x.users[2].username: "a" is there twice',
  ]);
});

test('each complaint names the file that its field stands in', (context) => {
  assert.deepEqual(
    complaints(context, {
      'main.yaml': 'include:\n  files: [a.toml, b.yaml]\n\n\n\ngeneral:\n  port: x\n',
      'a.toml': '[pools.x]\nserver_port = "x"\n',
      'b.yaml': 'pools:\n  x:\n    users:\n      - password: y\n',
    }),
    [
      'main.yaml:7: general.port: "x" is of a wrong kind: wants a number',
      'a.toml:2: pools.x.server_port: "x" is of a wrong kind: wants a number',
      'b.yaml:4: pools.x.users[0].username: is missing',
    ],
  );
});

test('a wrong value that a later file replaces is not complained of', (context) => {
  assert.deepEqual(
    complaints(context, {
      'main.yaml': 'include:\n  files: [more.yaml]\ngeneral:\n  port: x\n',
      'more.yaml': 'general:\n  port: 6432\n',
    }),
    [],
  );
});

test('every included file that cannot be read is told', (context) => {
  const told = complaints(context, {
    'main.yaml': 'include:\n  files: [no.yaml, bad.toml, list.yaml, x.conf]\n',
    'bad.toml': '\nport =\n',
    'list.yaml': '- x\n',
    'x.conf': '',
  });
  assert.equal(told.length, 4);
  assert.equal(told[0], 'no.yaml: configuration file not found; it is included by main.yaml:2');
  assert.match(told[1] ?? '', /^bad\.toml:2: /);
  assert.equal(told[2], 'list.yaml:1: is no table of settings');
  assert.match(told[3] ?? '', /^x\.conf: the name must end/);
});

test('a file that includes itself, or through another, is told', (context) => {
  assert.deepEqual(complaints(context, { 'a.yaml': 'include:\n  files: [a.yaml]\n' }), [
    'a.yaml:2: include.files[0]: includes itself',
  ]);
  assert.deepEqual(
    complaints(context, {
      'a.yaml': 'include:\n  files: [b.yaml]\n',
      'b.yaml': 'include:\n  files:\n    - ./a.yaml\n',
    }),
    ['b.yaml:3: include.files[0]: includes itself'],
  );
});

test('files that include ever deeper are told at the ninth', (context) => {
  const chain = (length: number): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length }, (_, n) => [
        `${n}.yaml`,
        n + 1 < length ? `include:\n  files: [${n + 1}.yaml]\n` : 'general: {}\n',
      ]),
    );
  assert.deepEqual(complaints(context, chain(8)), []);
  assert.deepEqual(complaints(context, chain(9)), ['7.yaml:2: include.files[0]: is more than 8 files deep']);
});

test('a wrong include in an included file is told', (context) => {
  assert.deepEqual(
    complaints(context, {
      'main.yaml': 'include:\n  files: [a.yaml, b.yaml]\n',
      'a.yaml': 'include:\n  files: x\n',
      'b.yaml': 'include:\n  files: []\n',
    }),
    ['a.yaml:2: include.files: is of a wrong kind: wants a list'],
  );
});

test('all wrong lines of a file of rules are told, beside the complaints of the configuration', (context) => {
  assert.deepEqual(
    complaints(context, {
      'main.yaml': 'general:\n  port: x\n  pg_hba: { path: rules }\n',
      rules: 'host all all ::1/128 md5\nhots\nlocal\n',
    }),
    [
      'main.yaml:2: general.port: "x" is of a wrong kind: wants a number',
      'rules:2: "hots" is no type of connection: local, host, hostssl or hostnossl',
      'rules:3: wants type, database, user, address and method',
    ],
  );
});

test('a file of rules that is not there is told', (context) => {
  assert.deepEqual(complaints(context, { 'main.yaml': 'general:\n  pg_hba: { path: rules }\n' }), [
    'main.yaml:2: general.pg_hba.path: rules cannot be read (ENOENT)',
  ]);
});

test('pg_hba with path and content is told', (context) => {
  const files = { 'a.yaml': 'general:\n  pg_hba: { path: rules, content: "" }\n', rules: '' };
  assert.deepEqual(complaints(context, files), ['a.yaml:2: general.pg_hba: wants either path or content']);
});

test('a file that cannot be read is told with the reason', (context) => {
  const link = join(dirname(written(context, { 'b.yaml': '' })), 'a.yaml');
  symlinkSync(link, link);
  assert.throws(() => loadConfiguration(link), { message: /a\.yaml: cannot be read: ELOOP/ });
});
