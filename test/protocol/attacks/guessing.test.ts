/** Finding out names and passwords by trying. The console answers a name that nobody has as it does that of its admin,
 *  and makes whoever fails wait. docs/security.md has the list, and says what 3D000 tells of pools. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { ScramSecret, saslInitialResponse } from '../../fuzz/scram.js';
import { Doorman } from '../../support/doorman.js';
import { errorFields, message, startup, string } from '../../support/messages.js';
import { pool } from '../../support/shared-postgres.js';
import { sqlstateOf, WireClient } from '../../support/wire-client.js';

const PASSWORD = 'password of the admin';
const secret = new ScramSecret(PASSWORD);
const wrong = new ScramSecret('a guess');
const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

function doormanWith(password: string): Promise<Doorman> {
  return Doorman.start({
    general: {
      admin_password: password,
      pg_hba: 'host app all all trust\nhost all all all md5',
    },
    pools: { app: pool() },
  });
}

interface Attempt {
  /** Everything that was said, without what chance put in. */
  readonly said: string;
  readonly salt: string;
}

/** A login to the console with a password that is wrong, unless the attempt ends before the password. */
async function attempt(port: number, user: string, isWhole = true): Promise<Attempt> {
  const client = await WireClient.open(port);
  client.send(startup({ user, database: 'pgdoorman' }));
  const [question] = await client.until('R', 'E');
  let said = `${question?.tag}${question?.body.readInt32BE(0)} ${question?.body.length}\n`;
  let salt = '';
  if (question?.body.readInt32BE(0) === 10) {
    client.send(saslInitialResponse());
    const [first] = await client.until('R', 'E');
    const serverFirst = first?.body.toString('latin1', 4) ?? '';
    salt = /s=([^,]*)/.exec(serverFirst)?.[1] ?? '';
    said += `${first?.tag} ${serverFirst.length} ${serverFirst.replace(/^r=[^,]*,s=[^,]*/, '')}\n`;
    if (isWhole) client.send(wrong.clientFinal(serverFirst));
  } else if (isWhole) client.send(message('p', string(`md5${'0'.repeat(32)}`)));
  if (isWhole) {
    const [error] = await client.closed();
    said += error === undefined ? '' : JSON.stringify(errorFields(error)).replace(user, 'NAME');
  }
  client.close();
  return { said, salt };
}

const KINDS: readonly (readonly [string, string])[] = [
  ['a plain password', PASSWORD],
  ['a SCRAM verifier', secret.verifier],
  ['an MD5 hash', `md5${md5(`${PASSWORD}admin`)}`],
];

for (const [kind, password] of KINDS) {
  test(`an unknown name at the console hears what the admin does whose secret is ${kind}`, async () => {
    const doorman = await doormanWith(password);
    const admin = await attempt(doorman.port, 'admin');
    assert.match(admin.said, /28P01.*password authentication failed for user/);
    assert.equal((await attempt(doorman.port, 'somebody')).said, admin.said);
    await doorman.stop();
  });
}

describe('salts', async () => {
  const doorman = await doormanWith(PASSWORD);
  after(() => doorman.stop());

  test('an unknown name has one salt, as a real one has, and every name another', async () => {
    const salts: string[] = [];
    for (const user of ['admin', 'one', 'two', 'one', 'two', 'admin']) {
      salts.push((await attempt(doorman.port, user, false)).salt);
    }
    assert.deepEqual(salts.slice(3), [salts[1], salts[2], salts[0]]);
    assert.equal(new Set(salts).size, 3);
    assert.equal(new Set(salts.map(({ length }) => length)).size, 1);
  });

  test('the exchange with an unknown name takes as long as that with the admin', async () => {
    const times = new Map<string, number[]>([
      ['admin', []],
      ['somebody', []],
    ]);
    for (let i = 0; i < 200; i++) {
      for (const [user, of] of times) {
        const begunMs = performance.now();
        await attempt(doorman.port, user, false);
        of.push(performance.now() - begunMs);
      }
    }
    const [admin = 0, somebody = 0] = [...times.values()].map(median);
    assert.ok(somebody < 2 * admin && admin < 2 * somebody, `${admin} ms and ${somebody} ms`);
  });
});

describe('whoever fails at the console', async () => {
  const doorman = await doormanWith(PASSWORD);
  after(() => doorman.stop());

  test('waits longer each time, is counted, and is named in the log with the address', async () => {
    const begunMs = performance.now();
    for (let i = 0; i < 3; i++) await attempt(doorman.port, 'admin');
    assert.ok(performance.now() - begunMs >= 750, 'nobody has waited 250 and 500 ms');
    for (const times of [1, 2, 3]) {
      await doorman.logged(
        new RegExp(
          `login refused: password authentication failed.*console from there: ${times}.*user=admin database=pgdoorman`,
        ),
      );
    }
  });

  test('keeps nobody waiting who comes from elsewhere, or to a pool, and the right password is still right', async () => {
    const order: string[] = [];
    const fromHere = consoleFrom('127.0.0.1').then(() => order.push('here'));
    await consoleFrom('127.0.0.2');
    order.push('elsewhere');
    const client = await WireClient.login(doorman.port, 'postgres', 'app');
    assert.equal(await client.value('select 1'), '1');
    client.close();
    order.push('pool');
    await fromHere;
    assert.deepEqual(order, ['elsewhere', 'pool', 'here']);
  });

  test('and goes away meanwhile was not judged', async () => {
    const client = await WireClient.open(doorman.port);
    client.send(startup({ user: 'admin', database: 'pgdoorman' }));
    await client.until('R');
    client.send(saslInitialResponse());
    const [first] = await client.until('R');
    client.send(wrong.clientFinal(first?.body.toString('latin1', 4) ?? ''));
    client.vanish();
    await attempt(doorman.port, 'admin'); // its time comes later
    await doorman.logged(/from there: 4/);
    assert.doesNotMatch(doorman.log, /from there: 5/);
  });

  test('with many attempts at once is refused unheard while ten of them wait', async () => {
    const address = { host: '127.0.0.1', port: doorman.port, localAddress: '127.0.0.3' };
    const clients = await Promise.all(Array.from({ length: 60 }, () => WireClient.open(address)));
    const refusals = clients.map(async (client) => {
      client.send(startup({ user: 'admin', database: 'pgdoorman' }));
      await client.until('R');
      client.send(saslInitialResponse());
      const [first] = await client.until('R');
      client.send(wrong.clientFinal(first?.body.toString('latin1', 4) ?? ''));
      const answer = await client.closed();
      if (sqlstateOf(answer) !== '53300') throw new Error('judged, or gone');
    });
    await Promise.any(refusals);
    for (const each of clients) each.close();
    await Promise.allSettled(refusals);
  });

  /** Logs in to the console from this address with the right password. */
  async function consoleFrom(localAddress: string): Promise<void> {
    const client = await WireClient.open({ host: '127.0.0.1', port: doorman.port, localAddress });
    client.send(startup({ user: 'admin', database: 'pgdoorman' }));
    await client.until('R');
    client.send(saslInitialResponse());
    const [first] = await client.until('R');
    const serverFirst = first?.body.toString('latin1', 4) ?? '';
    client.send(ScramSecret.for(PASSWORD, serverFirst).clientFinal(serverFirst));
    assert.equal((await client.until('Z', 'E')).at(-1)?.tag, 'Z');
    client.close();
  }
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
