/** How complaints are worded, and how a misspelt name finds the right one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigurationError, complaintText, fieldText, nearest } from '../../../src/config/complaints.js';

test('a complaint is one line: file, line, field and what', () => {
  assert.equal(
    complaintText({ file: 'a.yaml', line: 3, field: 'general.port', what: 'is missing' }),
    'a.yaml:3: general.port: is missing',
  );
});

test('a complaint without line or field leaves them out', () => {
  assert.equal(complaintText({ file: 'a.yaml', line: 0, field: '', what: 'not found' }), 'a.yaml: not found');
  assert.equal(complaintText({ file: 'a.yaml', line: 1, field: '', what: 'no table' }), 'a.yaml:1: no table');
  assert.equal(complaintText({ file: 'a.yaml', line: 0, field: 'x', what: 'no' }), 'a.yaml: x: no');
});

test('a configuration error says each complaint on a line of its own', () => {
  const complaints = [
    { file: 'a.yaml', line: 1, field: 'x', what: 'one' },
    { file: 'b.toml', line: 2, field: 'y', what: 'two' },
  ];
  const error = new ConfigurationError(complaints);
  assert.equal(error.message, 'a.yaml:1: x: one\nb.toml:2: y: two');
  assert.deepEqual(error.complaints, complaints);
});

test('a field is written with dots, and elements of lists with brackets', () => {
  assert.equal(fieldText(['pools', 'mydb', 'users', 0, 'pool_size']), 'pools.mydb.users[0].pool_size');
  assert.equal(fieldText(['general']), 'general');
  assert.equal(fieldText([]), '');
});

const KNOWN = ['port', 'host', 'pool_size', 'min_pool_size', 'pool_mode', 'server_lifetime'];
const MISSPELT: readonly [string, string][] = [
  ['prot', 'port'],
  ['hots', 'host'],
  ['pool-size', 'pool_size'],
  ['poolsize', 'pool_size'],
  ['pool_modus', 'pool_mode'],
  ['minpool_size', 'min_pool_size'],
  ['server_life_time', 'server_lifetime'],
];
for (const [name, right] of MISSPELT) {
  test(`${name} resembles ${right} most`, () => {
    assert.equal(nearest(name, KNOWN), right);
  });
}

test('a name that resembles nothing has no nearest', () => {
  assert.equal(nearest('authentication', KNOWN), '');
  assert.equal(nearest('x', []), '');
});

test('a known name with one letter lost, doubled or replaced is found again', () => {
  const edit = fc.constantFrom<(name: string, at: number) => string>(
    (name, at) => name.slice(0, at) + name.slice(at + 1),
    (name, at) => name.slice(0, at + 1) + name.slice(at),
    (name, at) => `${name.slice(0, at)}~${name.slice(at + 1)}`,
  );
  fc.assert(
    fc.property(
      fc.constantFrom('pool_size', 'server_lifetime', 'pool_mode'),
      fc.nat(),
      edit,
      (name, at, spoil) => {
        assert.equal(nearest(spoil(name, at % name.length), KNOWN), name);
      },
    ),
  );
});
