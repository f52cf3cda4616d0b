import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostNames } from '../../../src/control/host-names.js';

/** The one name that there is stands for this; '' while nobody knows. */
function namesOf(lookUp: () => string): { names: HostNames; said: string[] } {
  const said: string[] = [];
  const names = new HostNames(async () => {
    const address = lookUp();
    if (address === '') throw Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' });
    return { address };
  });
  names.onChange = (text) => said.push(text);
  return { names, said };
}

test('a name stands for its present address', async () => {
  let address = '10.0.0.1';
  const { names, said } = namesOf(() => address);
  assert.equal(await names.addressOf('db'), '10.0.0.1');
  address = '10.0.0.2';
  assert.equal(await names.addressOf('db'), '10.0.0.2');
  assert.deepEqual(said, []);
});

test('a name that cannot be looked up any more keeps its address, and that is said once; so is the end of it', async () => {
  let address = '10.0.0.1';
  const { names, said } = namesOf(() => address);
  await names.addressOf('db');
  address = '';
  for (let turn = 0; turn < 3; turn++) assert.equal(await names.addressOf('db'), '10.0.0.1');
  address = '10.0.0.2';
  for (let turn = 0; turn < 3; turn++) assert.equal(await names.addressOf('db'), '10.0.0.2');
  assert.deepEqual(said, [
    'host name db cannot be looked up (EAI_AGAIN): servers are opened at 10.0.0.1 as before',
    'host name db can be looked up again: 10.0.0.2',
  ]);
});

test('a name that never was known stays a name: whoever opens a server says so', async () => {
  const { names, said } = namesOf(() => '');
  assert.equal(await names.addressOf('nowhere.invalid'), 'nowhere.invalid');
  assert.deepEqual(said, []);
});

test('names are looked up where the system does', async () => {
  const names = new HostNames();
  assert.match(await names.addressOf('localhost'), /^(127\.0\.0\.1|::1)$/);
  const unknown = `${'x'.repeat(64)}.invalid`; // a label has 63 characters at most
  assert.equal(await names.addressOf(unknown), unknown);
});
