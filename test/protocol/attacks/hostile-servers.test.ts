/** Servers that break SCRAM in order to learn something, to keep us busy, or to be taken for another. Each gets nothing:
 *  no query, no proof that it could use, and the client an error. docs/security.md has the list. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { authenticationSasl, authenticationSaslStep, ScramSecret } from '../../fuzz/scram.js';
import { Doorman } from '../../support/doorman.js';
import { FakePostgres, type FakeSession, greet, READY } from '../../support/fake-postgres.js';
import { errorFields, int32, type Message, message, startup, string } from '../../support/messages.js';
import { poolAt } from '../../support/shared-postgres.js';
import { WireClient } from '../../support/wire-client.js';

const secret = new ScramSecret('password of the tests');
const OK = message('R', int32(0));
const SERVER = { server_username: 'app', server_password: secret.password };

/** What the server says to the client-first-message, and to the client-final-message. The latter gets all that was
 *  said. */
interface Script {
  readonly first?: (clientFirst: string) => Uint8Array;
  readonly final?: (clientFirst: string, serverFirst: string, clientFinal: string) => Uint8Array;
  readonly asks?: Uint8Array;
}

const first = (text: string): Uint8Array => authenticationSaslStep(11, text);
const final = (text: string): Uint8Array => authenticationSaslStep(12, text);
const nonceOf = (clientFirst: string): string => /r=(.*)$/.exec(clientFirst)?.[1] ?? '';
const salt = secret.salt.toString('base64');

async function play({ asks = authenticationSasl, first, final }: Script): Promise<{
  readonly error: Record<string, string>;
  /** Tags of all that the pooler has said, but for its farewell. */
  readonly heard: string;
}> {
  let heard = '';
  const said: string[] = [];
  const onMessage = ({ tag, body }: Message, { socket }: FakeSession): void => {
    if (tag !== 'X') heard += tag;
    if (tag !== 'p') return;
    const text = body.toString('latin1');
    if (said.length === 0) {
      const clientFirst = text.slice(text.indexOf('n,,'));
      const serverFirst = secret.serverFirst(clientFirst);
      said.push(clientFirst, serverFirst);
      socket.write(first?.(clientFirst) ?? authenticationSaslStep(11, serverFirst));
    } else {
      const [clientFirst = '', serverFirst = ''] = said;
      socket.write(final?.(clientFirst, serverFirst, text) ?? OK);
    }
  };
  const fake = await FakePostgres.start({ onStartup: ({ socket }) => void socket.write(asks), onMessage });
  const doorman = await Doorman.start({
    pools: { app: poolAt(fake.port, SERVER, { connect_timeout: 3000 }) },
  });
  const client = await WireClient.open(doorman.port);
  client.send(startup({ user: 'postgres', database: 'app' }));
  const [error] = await client.until('E', 'Z');
  assert.ok(error?.tag === 'E', 'the server was believed');
  assert.doesNotMatch(doorman.log, /password of the tests/);
  for (const key of secret.keys) assert.ok(!doorman.log.includes(key));
  await doorman.stop(); // fails when there was a bug
  await fake.stop();
  return { error: errorFields(error), heard };
}

// what it does, its script, what becomes of it, what it hears of us
const ATTACKS: readonly (readonly [string, Script, RegExp, string])[] = [
  [
    'a nonce of a megabyte',
    { first: (c) => first(`r=${nonceOf(c)}${'x'.repeat(1 << 20)},s=${salt},i=4096`) },
    /broke the SCRAM exchange: a message has an impossible length/,
    'p',
  ],
  [
    'a nonce that is not ours and more',
    { first: () => first(`r=other,s=${salt},i=4096`) },
    /the nonce does not continue ours/,
    'p',
  ],
  [
    'our nonce and nothing of its own',
    { first: (c) => first(`r=${nonceOf(c)},s=${salt},i=4096`) },
    /the nonce does not continue ours/,
    'p',
  ],
  ...['2000000000', '4294971392', '1000001', '0', '-1', '4096x', '1e9', ''].map(
    (count) =>
      [
        `an iteration count of ${JSON.stringify(count)}`,
        { first: (c: string) => first(`r=${nonceOf(c)}x,s=${salt},i=${count}`) },
        /the iteration count is not within 1 to 1000000/,
        'p',
      ] as const,
  ),
  ...['!!!!', 'AAA', 'AAAA====', `${'A'.repeat(1400)}`, ''].map(
    (text) =>
      [
        `a salt ${JSON.stringify(text.slice(0, 10))} of ${text.length} characters`,
        { first: (c: string) => first(`r=${nonceOf(c)}x,s=${text},i=4096`) },
        /the salt is malformed/,
        'p',
      ] as const,
  ),
  ['a zero byte', { first: (c) => first(`r=${nonceOf(c)}x,s=\0,i=4096`) }, /contains a zero byte/, 'p'],
  ['nothing', { first: () => first('') }, /a message has an impossible length/, 'p'],
  [
    'its proof before our proof',
    { first: () => final('v=AAAA') },
    /broke the SCRAM exchange: a message came out of turn/,
    'p',
  ],
  [
    'AuthenticationOk before our proof',
    { first: () => Buffer.concat([OK, READY]) },
    /lets us in without the proof that SCRAM demands of it/,
    'p',
  ],
  [
    'AuthenticationOk in place of its proof',
    { final: () => Buffer.concat([OK, READY]) },
    /lets us in without the proof that SCRAM demands of it/,
    'pp',
  ],
  [
    'ReadyForQuery in place of its proof',
    { final: () => READY },
    /lets us in without the proof that SCRAM demands of it/,
    'pp',
  ],
  [
    'a proof of another user',
    { final: (c, s, f) => final(new ScramSecret('another').serverFinal(c, s, f)) },
    /the signature does not match/,
    'pp',
  ],
  ['a proof that is no base64', { final: () => final('v=!!!!') }, /the signature is malformed/, 'pp'],
  ['e= in place of a proof', { final: () => final('e=other-error') }, /the server reports an error/, 'pp'],
  [
    'the exchange once more when it is over',
    { final: (c, s, f) => Buffer.concat([final(secret.serverFinal(c, s, f)), first('r=x')]) },
    /a message came out of turn/,
    'pp',
  ],
  [
    'a mechanism that nobody has',
    { asks: message('R', int32(10), string('SCRAM-SHA-1'), Buffer.of(0)) },
    /offers no SASL mechanism that we can use/,
    '',
  ],
  [
    'channel binding alone, without TLS',
    { asks: message('R', int32(10), string('SCRAM-SHA-256-PLUS'), Buffer.of(0)) },
    /offers no SASL mechanism that we can use/,
    '',
  ],
  [
    'a megabyte of mechanisms',
    { asks: message('R', int32(10), Buffer.from('X\0'.repeat(1 << 19))) },
    /offers no SASL mechanism that we can use/,
    '',
  ],
  ['GSSAPI', { asks: message('R', int32(7)) }, /authentication method 7, which is not supported/, ''],
];

describe('a server that sends', () => {
  for (const [what, script, why, heard] of ATTACKS) {
    test(what, async () => {
      const outcome = await play(script);
      assert.equal(outcome.error.C, '08006');
      assert.match(outcome.error.M ?? '', why);
      assert.equal(outcome.heard, heard);
    });
  }
});

test('a server that tells a hundred thousand parameters does not have them all kept', async () => {
  const many = Array.from({ length: 100_000 }, (_, i) =>
    message('S', string(`parameter_${i}`), string('x'.repeat(10))),
  );
  const fake = await FakePostgres.start({
    onStartup: (session) => {
      session.socket.write(Buffer.concat([OK, ...many]));
      greet(session);
    },
  });
  const doorman = await Doorman.start({ pools: { app: poolAt(fake.port) } });
  const client = await WireClient.open(doorman.port);
  const greeting = await client.logIn('postgres', 'app');
  assert.ok(greeting.filter(({ tag }) => tag === 'S').length <= 100);
  client.close();
  await doorman.stop();
  await fake.stop();
});
