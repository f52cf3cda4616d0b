/** A pool whose server_host nobody knows: its clients are told, and nothing is connected to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Doorman } from '../support/doorman.js';
import { poolAt, postgresPort } from '../support/shared-postgres.js';

test('a host of an unknown name is nowhere, not the machine whose address its letters might spell', async () => {
  // The letters of names were once read as IPv6: some became ::, which is this machine, where PostgreSQL listens.
  const hosts = ['nowhere.invalid', 'abc.invalid', '999.1.1.1'];
  const pools = Object.fromEntries(
    hosts.map((host, index) => [`p${index}`, poolAt(postgresPort, {}, { server_host: host })]),
  );
  const doorman = await Doorman.start({ pools });
  for (const [index, host] of hosts.entries()) {
    const client = doorman.client('postgres', `p${index}`);
    await assert.rejects(client.connect(), (error) => {
      assert.ok(error instanceof Error && 'code' in error);
      assert.equal(error.code, '08006');
      assert.ok(
        error.message.includes(`${host} is no address, and no host of that name is known`),
        error.message,
      );
      return true;
    });
  }
  assert.doesNotMatch(doorman.log, /has died/);
  await doorman.stop();
});
