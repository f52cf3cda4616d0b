/** No complaint contains a secret, whatever has gone wrong around it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigurationError } from '../../../src/config/complaints.js';
import { loadConfiguration } from '../../../src/config/load.js';
import { tomlComplaints, written, yamlComplaints } from './files.js';

const SECRET = 'Kx7Qw9Zr';

const USER = 'pools:\n  x:\n    users:\n      - ';
const WRONG_YAML: readonly [string, string][] = [
  ['a password that is a number', `${USER}{ username: a, password: 48151623 }`],
  ['a password that is a list', `${USER}{ username: a, password: [${SECRET}] }`],
  ['a password in braces', `${USER}{ username: a, password: { ${SECRET} } }`],
  ['a password in doubled braces', `${USER}{ username: a, password: {{ ${SECRET} }} }`],
  ['a hash that was cut', `${USER}{ username: a, password: md5${SECRET} }`],
  ['a verifier that was cut', `${USER}{ username: a, password: "SCRAM-SHA-256$4096:${SECRET}" }`],
  ['a password without its blank', `${USER}{ username: a, password:${SECRET} }`],
  ['a password with an equals sign', `${USER}{ username: a, password=${SECRET} }`],
  ['a password under a misspelt key', `${USER}{ username: a, pasword: ${SECRET} }`],
  ['a password for nobody', `${USER}{ username: a, server_password: ${SECRET} }`],
  ['users as a text', `pools:\n  x:\n    users: "a:${SECRET}"`],
  ['a user as a text', `${USER}"a:${SECRET}"`],
  ['a pool as an address', `pools:\n  x: "postgres://a:${SECRET}@db"`],
  ['pools as an address', `pools: "postgres://a:${SECRET}@db"`],
  ['general as a text', `general: "admin_password=${SECRET}"`],
  ['auth_query as a text', `pools:\n  x:\n    auth_query: "a ${SECRET}"`],
  [
    'a password of auth_query that is a list',
    `pools:\n  x:\n    auth_query: { query: q, user: u, password: [${SECRET}] }`,
  ],
  ['an alias', `general:\n  admin_password: *${SECRET}`],
  ['an alias with more behind it', `general:\n  admin_password: *${SECRET} x`],
  ['a tag', `general:\n  admin_password: !${SECRET} x`],
  ['a verbatim tag', `general:\n  admin_password: !<${SECRET}> x`],
  ['a directive', `%${SECRET}\n---\ngeneral: {}`],
  ['the header of a block', `general:\n  admin_password: |${SECRET}`],
  ['a closing bracket', `general:\n  admin_password: ]${SECRET}`],
  ['a wrong escape', `general:\n  admin_password: "\\${SECRET}"`],
  ['a file that is a text', SECRET],
];
for (const [what, content] of WRONG_YAML) {
  test(`${what} is complained of without being repeated`, (context) => {
    const told = yamlComplaints(context, `${content}\n`).join('\n');
    assert.notEqual(told, '');
    for (const part of [SECRET, '48151623', SECRET.slice(0, 4), SECRET.slice(-4)]) {
      assert.ok(!told.includes(part), told);
    }
  });
}

test('a wrong value that is no secret is repeated', (context) => {
  assert.match(yamlComplaints(context, 'general:\n  port: "64x32"\n').join(), /"64x32"/);
});

test('a password in a file whose syntax is wrong is never repeated', (context) => {
  const path = written(context, { 'a.yaml': '', 'a.toml': '' });
  const unit = fc.constantFrom(...'\'"`[]{}:,&*!|>%@?-#\\= \tx1<~'.split(''));
  const before = fc.string({ unit, maxLength: 4 }); // no line break: then it would be a name, and names are told
  const after = fc.string({ unit: fc.oneof(unit, fc.constant('\n')), maxLength: 4 });
  const formats = [
    { file: path, head: 'general:\n  host: x\n  admin_password: ' },
    { file: join(path, '..', 'a.toml'), head: '[general]\nhost = "x"\nadmin_password = ' },
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...formats),
      fc.boolean(),
      before,
      after,
      ({ file, head }, hasBlank, left, right) => {
        writeFileSync(file, `${hasBlank ? head : head.trimEnd()}${left}${SECRET}${right}\n`);
        try {
          loadConfiguration(file);
        } catch (error) {
          assert.ok(error instanceof ConfigurationError, String(error));
          assert.ok(!error.message.includes(SECRET), error.message);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('a password in TOML whose kind or form is wrong is not repeated', (context) => {
  for (const value of ['48151623', `["${SECRET}"]`, `{ ${SECRET} = 1 }`, `"md5${SECRET}"`]) {
    const told = tomlComplaints(context, `[pools.x.users.0]\nusername = "a"\npassword = ${value}\n`).join(
      '\n',
    );
    assert.match(told, /^a\.toml:3: pools\.x\.users\.0\.password: /);
    assert.ok(!told.includes(SECRET) && !told.includes('48151623'), told);
  }
});
