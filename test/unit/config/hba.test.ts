/** pg_hba.conf, as far as a pooler has use for it. PostgreSQL manual, "The pg_hba.conf File". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type HbaRule, parsePgHba, ruleOfNetwork } from '../../../src/config/hba.js';

/** The only rule of a text that is in order. */
function rule(text: string): HbaRule {
  const { rules, complaints } = parsePgHba(text);
  assert.deepEqual(complaints, []);
  assert.equal(rules.length, 1);
  const [only] = rules;
  assert.ok(only);
  return only;
}

/** What is said of a text none of whose lines is a rule. */
function complaint(text: string): string {
  const { rules, complaints } = parsePgHba(text);
  assert.deepEqual(rules, []);
  assert.equal(complaints.length, 1);
  return complaints[0]?.what ?? '';
}

test('a rule has type, databases, users, network and method', () => {
  assert.deepEqual(rule('host mydb alice 10.0.0.0/8 md5'), {
    type: 'host',
    databases: ['mydb'],
    users: ['alice'],
    network: { address: '10.0.0.0', prefixLength: 8 },
    method: 'md5',
    line: 1,
  });
});

test('all stands for every database and every user', () => {
  const { databases, users } = rule('host all all 10.0.0.0/8 md5');
  assert.deepEqual({ databases, users }, { databases: [], users: [] });
});

test('all in quotes is a name', () => {
  const { databases, users } = rule('host "all" "all" 10.0.0.0/8 md5');
  assert.deepEqual({ databases, users }, { databases: ['all'], users: ['all'] });
});

test('all among other names stands for every one', () => {
  assert.deepEqual(rule('host mydb,all alice 10.0.0.0/8 md5').databases, []);
});

test('names may be a list with commas, and blanks behind them', () => {
  const { databases, users } = rule('host a,b, c  alice,bob 10.0.0.0/8 md5');
  assert.deepEqual({ databases, users }, { databases: ['a', 'b', 'c'], users: ['alice', 'bob'] });
});

test('quotes keep blanks, commas and number signs in a name', () => {
  const { databases, users } = rule('host "my db","a,b" "al#ice" 10.0.0.0/8 md5');
  assert.deepEqual({ databases, users }, { databases: ['my db', 'a,b'], users: ['al#ice'] });
});

test('a doubled quote in quotes is one', () => {
  assert.deepEqual(rule('host all "a""b" 10.0.0.0/8 md5').users, ['a"b']);
});

test('a local rule has no network', () => {
  assert.deepEqual(rule('local all alice scram-sha-256'), {
    type: 'local',
    databases: [],
    users: ['alice'],
    network: null,
    method: 'scram-sha-256',
    line: 1,
  });
});

for (const type of ['host', 'hostssl', 'hostnossl'] as const) {
  test(`${type} is a type of connection`, () => {
    assert.equal(rule(`${type} all all ::1/128 md5`).type, type);
  });
}

for (const method of ['trust', 'md5', 'scram-sha-256', 'reject'] as const) {
  test(`${method} is a method`, () => {
    assert.equal(rule(`host all all 10.0.0.1/32 ${method}`).method, method);
  });
}

test('a method of PostgreSQL that a pooler has not is kept as unknown: nobody gets in by it', () => {
  for (const method of ['peer', 'ldap', 'cert', 'password', 'TRUST']) {
    assert.equal(rule(`host all all 10.0.0.1/32 ${method}`).method, 'unknown');
  }
});

test('options behind the method are not looked at', () => {
  assert.equal(rule('hostssl all all 10.0.0.1/32 md5 clientcert=verify-full map=x').method, 'md5');
});

const NETWORKS: readonly [string, string, number][] = [
  ['10.0.0.0/8', '10.0.0.0', 8],
  ['0.0.0.0/0', '0.0.0.0', 0],
  ['10.1.2.3/32', '10.1.2.3', 32],
  ['10.1.2.3', '10.1.2.3', 32],
  ['::1/128', '::1', 128],
  ['::1', '::1', 128],
  ['::/0', '::', 0],
  ['fd00:1::/32', 'fd00:1::', 32],
  ['10.0.0.0 255.0.0.0', '10.0.0.0', 8],
  ['10.1.0.0 255.255.240.0', '10.1.0.0', 20],
  ['10.1.2.3 255.255.255.255', '10.1.2.3', 32],
  ['10.1.2.3 0.0.0.0', '10.1.2.3', 0],
];
for (const [text, address, prefixLength] of NETWORKS) {
  test(`the network ${text} has ${prefixLength} bits in front`, () => {
    const read = rule(`host all all ${text} trust`);
    assert.deepEqual(read.network, { address, prefixLength });
    assert.equal(read.method, 'trust');
  });
}

test('all as an address makes a rule for each family', () => {
  const { rules } = parsePgHba('host all alice all reject');
  assert.deepEqual(
    rules.map(({ network, method, users, line }) => ({ network, method, users, line })),
    [
      { network: { address: '0.0.0.0', prefixLength: 0 }, method: 'reject', users: ['alice'], line: 1 },
      { network: { address: '::', prefixLength: 0 }, method: 'reject', users: ['alice'], line: 1 },
    ],
  );
});

test('comments, blank lines, tabs and carriage returns change nothing', () => {
  const text = '# type database\r\n\r\n \t\nhost\tall\tall\t10.0.0.0/8\tmd5 # all of us\r\n';
  const read = rule(text);
  assert.equal(read.method, 'md5');
  assert.equal(read.line, 4);
});

test('rules keep the order and the lines that they have in the text', () => {
  const { rules } = parsePgHba(
    'local all all trust\n# x\nhost all all ::1/128 reject\nhost all all ::/0 md5',
  );
  assert.deepEqual(
    rules.map(({ line, method }) => [line, method]),
    [
      [1, 'trust'],
      [3, 'reject'],
      [4, 'md5'],
    ],
  );
});

const WRONG: readonly [string, RegExp][] = [
  ['hots all all 10.0.0.0/8 md5', /"hots" is no type of connection: local, host, hostssl or hostnossl/],
  ['HOST all all 10.0.0.0/8 md5', /"HOST" is no type/],
  ['host', /wants type, database, user, address and method/],
  ['host all', /wants type, database, user, address and method/],
  ['host all all', /wants an address/],
  ['host all all 10.0.0.0/8', /wants a method/],
  ['host all all 10.0.0.0 255.0.0.0', /wants a method/],
  ['host all all all', /wants a method/],
  ['local all all', /wants a method/],
  ['host all all md5', /"md5" is no network/],
  ['host all all db.example.com md5', /"db.example.com" is no network/],
  ['host all all 10.0.0.256/8 md5', /is no network/],
  ['host all all 10.0.0.0/33 md5', /the prefix is 0 to 32/],
  ['host all all ::1/129 md5', /the prefix is 0 to 128/],
  ['host all all 10.0.0.0/ md5', /the prefix is 0 to 32/],
  ['host all all 10.0.0.0/-1 md5', /the prefix is 0 to 32/],
  ['host all all 10.0.0.0/8/8 md5', /is no network/],
  ['host all all 10.0.0.0 255.0.255.0 md5', /"255.0.255.0" is no network mask; write 10.0.0.0\/PREFIX/],
  ['host all all ::1 ffff:: md5', /is no network mask/],
  ['host all "alice 10.0.0.0/8 trust', /quote/],
  ['host all all 10.0.0.0/8 md5 "', /quote/],
];
for (const [text, what] of WRONG) {
  test(`${JSON.stringify(text)} is complained of`, () => {
    assert.match(complaint(text), what);
  });
}

test('a wrong line is told by its number and does not keep the others from being read', () => {
  const { rules, complaints } = parsePgHba('local all all trust\nhost all\n\nhots\nhost all all ::1/128 md5');
  assert.deepEqual(
    complaints.map(({ line }) => line),
    [2, 4],
  );
  assert.deepEqual(
    rules.map(({ line }) => line),
    [1, 5],
  );
});

test('a rule written with any names and any network is read as it was meant', () => {
  const name = fc.string({
    unit: fc.constantFrom('a', 'B', ' ', ',', '#', '"', 'é', '/'),
    minLength: 1,
    maxLength: 8,
  });
  const quoted = (names: readonly string[]): string =>
    names.map((each) => `"${each.replaceAll('"', '""')}"`).join(',');
  const names = fc.array(name, { minLength: 1, maxLength: 3 });
  const network = fc.oneof(fc.tuple(fc.ipV4(), fc.nat(32)), fc.tuple(fc.ipV6(), fc.nat(128)));
  fc.assert(
    fc.property(names, names, network, (databases, users, [address, prefixLength]) => {
      const text = `host ${quoted(databases)} ${quoted(users)} ${address}/${prefixLength} md5`;
      const read = rule(text);
      assert.deepEqual(read.databases, databases);
      assert.deepEqual(read.users, users);
      assert.deepEqual(read.network, { address, prefixLength });
    }),
  );
});

test('no text makes the reading throw, and every line with content is a rule or a complaint', () => {
  const unit = fc.constantFrom('host', 'all', ' ', ',', '"', '#', '\n', '10.0.0.0/8', 'md5', '\t', 'x', '\r');
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 20 }), (text) => {
      const { rules, complaints } = parsePgHba(text);
      const told = new Set([...rules, ...complaints].map(({ line }) => line));
      text.split('\n').forEach((line, index) => {
        if (/^\s*[^\s#,]/.test(line)) assert.ok(told.has(index + 1), `line ${index + 1} was lost`);
      });
    }),
  );
});

test('a network of the older list lets whoever comes from it try', () => {
  assert.deepEqual(ruleOfNetwork('10.0.0.0/8'), {
    type: 'host',
    databases: [],
    users: [],
    network: { address: '10.0.0.0', prefixLength: 8 },
    method: 'md5',
    line: 0,
  });
});

test('what is no network is told', () => {
  assert.equal(ruleOfNetwork('10.0.0.0/40'), '"10.0.0.0/40": the prefix is 0 to 32');
});

for (const line of [
  'host all +admins 0.0.0.0/0 reject',
  'host sameuser all all md5',
  'host @dbs all all md5',
  'host all /^a all trust',
]) {
  test(`what only PostgreSQL knows is complained of: ${line}`, () => {
    const { rules, complaints } = parsePgHba(line);
    assert.equal(rules.length, 0);
    assert.match(complaints[0]?.what ?? '', /write the names themselves/);
  });
}
