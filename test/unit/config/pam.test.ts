/** PAM is looked for when, and only when, somebody asks for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pamComplaints } from '../../../src/config/pam.js';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { noPam } from '../../support/pam.js';
import { loadedYaml, yamlComplaints } from './files.js';

const PAM = { username: 'b', auth_pam_service: 'x' };
const MISSING = (): string => 'libpam.so.0 cannot be used: it is not there';

test('without libpam the first user who asks for it is complained about', () => {
  const pools = {
    one: { users: [{ username: 'a' }] },
    two: { users: [{ username: 'a' }, PAM] },
    three: { users: [PAM] },
  };
  assert.deepEqual(pamComplaints(configurationSchema.parse({ pools }), [], MISSING), [
    {
      file: '',
      line: 0,
      field: 'pools.two.users[1].auth_pam_service',
      what: 'libpam.so.0 cannot be used: it is not there',
    },
  ]);
});

test('without libpam a file that does not ask for it is in order', () => {
  const pools = { one: { users: [{ username: 'a', password: 'x' }] } };
  assert.deepEqual(pamComplaints(configurationSchema.parse({ pools }), [], MISSING), []);
});

test('with libpam a service may be asked for', { skip: noPam() }, (context) => {
  const { configuration } = loadedYaml(context, JSON.stringify({ pools: { x: { users: [PAM] } } }));
  assert.equal(configuration.pools.x?.users[0]?.auth_pam_service, 'x');
});

test('a service that is no name of a file is complained about', (context) => {
  for (const name of ['../../tmp/x', '/etc/pam.d/su', '.hidden', 'a b', '..']) {
    const yaml = `pools:\n  x:\n    users:\n      - { username: a, auth_pam_service: ${JSON.stringify(name)} }\n`;
    assert.deepEqual(yamlComplaints(context, yaml), [
      `a.yaml:4: pools.x.users[0].auth_pam_service: ${JSON.stringify(name)} is no name of a file in /etc/pam.d`,
    ]);
  }
});
