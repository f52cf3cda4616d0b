/** Clients that break the password exchange: lengths that lie, base64 that is none, proofs that were overheard. Each
 *  gets an error with its SQLSTATE, and nobody gets in. What breaks channel binding: test/integration/channel-binding.
 *  docs/security.md has the list. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { ScramSecret, saslInitialResponse } from '../../fuzz/scram.js';
import { Doorman } from '../../support/doorman.js';
import { int32, message, query, startup, string } from '../../support/messages.js';
import { pool } from '../../support/shared-postgres.js';
import { sqlstateOf, tagsOf, WireClient } from '../../support/wire-client.js';

const secret = new ScramSecret('password of the tests');
const md5 = (text: string | Buffer): string => createHash('md5').update(text).digest('hex');
const MD5_HASH = md5(`${secret.password}bob`);
const asPostgres = { server_username: 'postgres' };
const doorman = await Doorman.start({
  general: { pg_hba: 'host all all 127.0.0.1/32 md5' },
  pools: {
    app: pool(
      {},
      {
        users: [
          { username: 'alice', password: secret.verifier, ...asPostgres },
          { username: 'bob', password: `md5${MD5_HASH}`, ...asPostgres },
        ],
      },
    ),
  },
});
after(() => doorman.stop());

/** A client that has been asked for its password; the bytes behind the code of the question. */
async function asked(user: string): Promise<{ client: WireClient; question: Buffer }> {
  const client = await WireClient.open(doorman.port);
  client.send(startup({ user, database: 'app' }));
  const [question] = await client.until('R', 'E');
  assert.equal(question?.tag, 'R');
  return { client, question: question?.body.subarray(4) ?? Buffer.alloc(0) };
}

/** The SQLSTATE that this gets as the first answer of alice; '' for none. */
async function refusalOf(bytes: Uint8Array): Promise<string> {
  const { client } = await asked('alice');
  client.send(bytes);
  const answer = await client.until('R', 'E');
  client.close();
  return sqlstateOf(answer);
}

/** … as the last answer. `change` makes another text of the right one. */
async function refusalOfFinal(change: (text: string) => string): Promise<string> {
  const { client } = await asked('alice');
  client.send(saslInitialResponse());
  const [serverFirst] = await client.until('R', 'E');
  const right = secret.clientFinal(serverFirst?.body.toString('latin1', 4) ?? '').toString('latin1', 5);
  client.send(message('p', Buffer.from(change(right), 'latin1')));
  const answer = await client.until('Z', 'E');
  client.close();
  return sqlstateOf(answer);
}

test('what is changed below gets in when it is not', async () => {
  assert.equal(await refusalOf(saslInitialResponse()), '');
  assert.equal(await refusalOfFinal((text) => text), '');
});

test('an exchange may come byte by byte, and what is sent behind its last message is for the session', async () => {
  const client = await WireClient.open(doorman.port);
  const byteByByte = async (bytes: Uint8Array) => {
    for (const byte of bytes) {
      await new Promise<void>((resolve) => client.socket.write(Uint8Array.of(byte), () => resolve()));
    }
  };
  await byteByByte(startup({ user: 'alice', database: 'app' }));
  await client.until('R', 'E');
  await byteByByte(saslInitialResponse());
  const [serverFirst] = await client.until('R', 'E');
  const final = secret.clientFinal(serverFirst?.body.toString('latin1', 4) ?? '');
  await byteByByte(final.subarray(0, -1));
  client.send(final.subarray(-1), query('select 1'), query('select 2'));
  assert.match(tagsOf(await client.until('Z', 'E')), /^RRS+KZ$/);
  for (const value of ['1', '2']) {
    const answer = await client.until('Z', 'E');
    assert.equal(tagsOf(answer), 'TDCZ');
    assert.equal(answer[1]?.body.toString('latin1', 6), value);
  }
  client.close();
});

describe('lengths that lie', () => {
  for (const length of [0x7fffffff, 0x80000000, 0xfffffffe, 1_000_000_000, 33, 0]) {
    test(`SASLInitialResponse whose data has ${length} bytes`, async () => {
      const lie = message(
        'p',
        string('SCRAM-SHA-256'),
        int32(length),
        Buffer.from('n,,n=,r=fuzzfuzzfuzzfuzzfuzzfuzz'),
      );
      assert.equal(await refusalOf(lie), '08P01');
    });
  }

  for (const length of [0x7fffffff, 0x80000000, 0xffffffff, 0, 3, 17_000]) {
    test(`a password message of ${length} bytes`, async () => {
      assert.equal(await refusalOf(Buffer.concat([Buffer.from('p'), int32(length)])), '08P01');
    });
  }
});

describe('first messages', () => {
  const BAD: readonly (readonly [string, string, string])[] = [
    ['a nonce of a megabyte', `n,,n=,r=${'x'.repeat(1 << 20)}`, '08P01'],
    ['a nonce of 2 KB', `n,,n=,r=${'x'.repeat(2048)}`, '28P01'],
    ['a nonce with control characters', 'n,,n=,r=abc\x07', '28P01'],
    ['an empty nonce', 'n,,n=,r=', '28P01'],
    ['a zero byte', 'n,,n=\0,r=abc', '28P01'],
    ['somebody to act for', 'n,a=postgres,n=,r=abc', '28P01'],
    ['a mandatory extension', 'n,,m=x,n=,r=abc', '28P01'],
    ['nothing', '', '28P01'],
  ];
  for (const [what, text, sqlstate] of BAD) {
    test(`with ${what}`, async () => {
      assert.equal(await refusalOf(saslInitialResponse(Buffer.from(text, 'latin1'))), sqlstate);
    });
  }
});

describe('last messages', () => {
  const proof = (text: string) => (right: string) => right.replace(/p=.*/, `p=${text}`);
  const BAD: readonly (readonly [string, (right: string) => string])[] = [
    ['a proof that is no base64', proof('!'.repeat(44))],
    ['a proof with a line end', (right) => `${right}\n`],
    ['a proof without its padding', (right) => right.replace(/=$/, '')],
    ['a proof in the alphabet for URLs', (right) => `${right.replace(/p=.*/, '')}p=${'-_'.repeat(21)}-=`],
    ['an empty proof', proof('')],
    ['a proof of 31 bytes', proof(Buffer.alloc(31).toString('base64'))],
    ['a proof of 33 bytes', proof(Buffer.alloc(33).toString('base64'))],
    ['a proof of zeros', proof(Buffer.alloc(32).toString('base64'))],
    ['no proof', (right) => right.replace(/,p=.*/, '')],
    ['two proofs, the right one first', (right) => `${right},p=${Buffer.alloc(32).toString('base64')}`],
    ['another nonce', (right) => right.replace('r=', 'r=x')],
    ['a binding that is no base64', (right) => right.replace('c=biws', 'c=!!!!')],
    ['a binding of another header', (right) => right.replace('c=biws', 'c=eSws')],
    ['an extension that was not signed', (right) => right.replace(',p=', ',x=1,p=')],
  ];
  for (const [what, change] of BAD) {
    test(`with ${what}`, async () => {
      assert.equal(await refusalOfFinal(change), '28P01');
    });
  }
});

describe('what was overheard', () => {
  test('a proof of SCRAM does not prove anything a second time', async () => {
    const { client } = await asked('alice');
    client.send(saslInitialResponse());
    const [serverFirst] = await client.until('R');
    const overheard = secret.clientFinal(serverFirst?.body.toString('latin1', 4) ?? '');
    client.send(overheard);
    assert.equal((await client.until('Z', 'E')).at(-1)?.tag, 'Z');
    client.close();
    assert.equal(await refusalOfFinal(() => overheard.toString('latin1', 5)), '28P01');
  });

  test('an answer to one MD5 salt is none to another', async () => {
    const { client, question } = await asked('bob');
    const overheard = message('p', string(`md5${md5(Buffer.concat([Buffer.from(MD5_HASH), question]))}`));
    client.send(overheard);
    assert.equal((await client.until('Z', 'E')).at(-1)?.tag, 'Z');
    client.close();
    const second = await asked('bob');
    assert.ok(!second.question.equals(question), 'the same salt, by a chance of one in four billion');
    second.client.send(overheard);
    assert.equal(sqlstateOf(await second.client.until('Z', 'E')), '28P01');
  });

  test('the stored hash is no answer, and neither is the password itself', async () => {
    for (const answer of [`md5${MD5_HASH}`, secret.password, '']) {
      const { client } = await asked('bob');
      client.send(message('p', string(answer)));
      assert.equal(sqlstateOf(await client.until('Z', 'E')), '28P01');
    }
  });

  test('there is one attempt per connection', async () => {
    const { client } = await asked('bob');
    const wrong = message('p', string(`md5${'0'.repeat(32)}`));
    client.send(wrong, wrong, wrong);
    const answer = await client.closed();
    assert.deepEqual(
      answer.map(({ tag }) => tag),
      ['E'],
    );
  });
});
