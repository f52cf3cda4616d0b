/** SCRAM-SHA-256 from both sides: the example of RFC 7677, whole exchanges, and peers that do not keep to it. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import {
  AuthenticationFailed,
  ScramProtocolError,
  StoredSecretUnusable,
} from '../../../src/wire/authentication-errors.js';
import { ScramClientExchange, ScramExchangeBroken } from '../../../src/wire/scram-client.js';
import { type ScramHash, ScramServerExchange } from '../../../src/wire/scram-server.js';
import {
  deriveScramKeys,
  hmac,
  mockVerifier,
  type ScramKeys,
  type ScramVerifier,
  scramNonce,
  scramNonceBytes,
  storedKeyOf,
  verifierOf,
} from '../../../src/wire/scram-verifier.js';
import { countingRandom, octets, textOf } from './octets.js';

/** RFC 7677, section 3: user `user`, password `pencil`. */
const RFC = {
  salt: new Uint8Array(Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')),
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  withoutProof: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  proof: 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};
const RFC_CLIENT_FINAL = `${RFC.withoutProof},p=${RFC.proof}`;

const HASH: ScramHash = {
  hmac: (key, bytes, length) => hmac(key, bytes.subarray(0, length)),
  sha256: storedKeyOf,
};

let keys: ScramKeys;
let verifier: ScramVerifier;

before(async () => {
  keys = await deriveScramKeys('pencil', RFC.salt, 4096);
  verifier = verifierOf(keys, RFC.salt, 4096);
});

function rfcServer(): ScramServerExchange {
  return new ScramServerExchange(verifier, octets(RFC.serverNonce), HASH);
}

function rfcServerAfterFirst(): ScramServerExchange {
  const server = rfcServer();
  server.clientFirst(octets(RFC.clientFirst));
  return server;
}

function newClient(): ScramClientExchange {
  return new ScramClientExchange('abc');
}

/** A client that has sent its proof, and a server that has not yet seen it. */
function untilProof(clientKeys: ScramKeys, serverVerifier: ScramVerifier) {
  const client = new ScramClientExchange(scramNonce(countingRandom(1)));
  const server = new ScramServerExchange(serverVerifier, scramNonceBytes(countingRandom(100)), HASH);
  const asked = client.serverFirst(server.clientFirst(client.clientFirst()));
  return { client, server, asked, clientFinal: client.clientFinal(clientKeys) };
}

describe('keys', () => {
  test('the keys of a password are those of another implementation', () => {
    assert.equal(
      Buffer.from(keys.clientKey).toString('base64'),
      'pg/JI9Z+hkSpLRa5btpe9GVrDHJcSEN0viVTVXaZbos=',
    );
    assert.equal(
      Buffer.from(verifier.storedKey).toString('base64'),
      'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=',
    );
    assert.equal(
      Buffer.from(verifier.serverKey).toString('base64'),
      'wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
  });

  test('a password may be given as bytes', async () => {
    assert.deepEqual(await deriveScramKeys(octets('pencil'), RFC.salt, 4096), keys);
  });

  test('a user that does not exist has the same salt every time, and not that of another user', () => {
    const secret = octets('secret');
    assert.deepEqual(mockVerifier(secret, 'a'), mockVerifier(secret, 'a'));
    assert.notDeepEqual(mockVerifier(secret, 'a').salt, mockVerifier(secret, 'b').salt);
    assert.notDeepEqual(mockVerifier(secret, 'a').salt, mockVerifier(octets('other'), 'a').salt);
    assert.equal(mockVerifier(secret, 'a').salt.length, 16);
  });

  test('a nonce takes 18 random bytes and has no comma', () => {
    const asked: number[] = [];
    const nonce = scramNonce((length) => {
      asked.push(length);
      return new Uint8Array(length).fill(0xff);
    });
    assert.deepEqual([asked, nonce], [[18], '/'.repeat(24)]);
    assert.equal(textOf(scramNonceBytes(countingRandom())), scramNonce(countingRandom()));
  });
});

describe('as server', () => {
  test('the exchange of RFC 7677 succeeds byte by byte', () => {
    const server = rfcServer();
    assert.equal(textOf(server.clientFirst(octets(RFC.clientFirst))), RFC.serverFirst);
    assert.equal(textOf(server.clientFinal(octets(RFC_CLIENT_FINAL))), RFC.serverFinal);
  });

  test('the ClientKey is known after a successful exchange, and not before', () => {
    const server = rfcServerAfterFirst();
    assert.equal(server.clientKey.length, 0);
    server.clientFinal(octets(RFC_CLIENT_FINAL));
    assert.deepEqual(server.clientKey, keys.clientKey);
  });

  test('a wrong proof fails the authentication and leaves no ClientKey', () => {
    const server = rfcServerAfterFirst();
    const wrong = octets(`${RFC.withoutProof},p=${RFC.proof.replace('d', 'e')}`);
    assert.throws(() => server.clientFinal(wrong), AuthenticationFailed);
    assert.equal(server.clientKey.length, 0);
  });

  test('an exchange allows one attempt', () => {
    const server = rfcServerAfterFirst();
    const wrong = octets(`${RFC.withoutProof},p=${RFC.proof.replace('d', 'e')}`);
    assert.throws(() => server.clientFinal(wrong), AuthenticationFailed);
    assert.throws(() => server.clientFinal(octets(RFC_CLIENT_FINAL)), ScramProtocolError);
  });

  test('messages out of turn are refused', () => {
    assert.throws(() => rfcServer().clientFinal(octets(RFC_CLIENT_FINAL)), ScramProtocolError);
    assert.throws(() => rfcServerAfterFirst().clientFirst(octets(RFC.clientFirst)), ScramProtocolError);
  });

  test('a client that could bind the channel and believes that we cannot is right', () => {
    const server = rfcServer();
    server.clientFirst(octets('y,,n=,r=abc'));
    const wrongHeader = octets(`c=biws,r=abc${RFC.serverNonce},p=${RFC.proof}`);
    assert.throws(() => server.clientFinal(wrongHeader), ScramProtocolError);
    const again = rfcServer();
    again.clientFirst(octets('y,,n=,r=abc'));
    const rightHeader = octets(`c=eSws,r=abc${RFC.serverNonce},p=${RFC.proof}`);
    assert.throws(() => again.clientFinal(rightHeader), AuthenticationFailed);
  });

  test('bytes that are no text, in the name, are signed as they came', () => {
    const name = '\xff\xfe';
    assert.doesNotThrow(() => rfcServer().clientFirst(octets(`n,,n=${name},r=abc,x=extension`)));
  });

  const FIRST = {
    'an empty message': '',
    'channel binding': 'p=tls-server-end-point,,n=,r=abc',
    'an unknown flag': 'x,,n=,r=abc',
    'a flag without a comma': 'nn,n=,r=abc',
    'an authorization identity': 'n,a=admin,n=,r=abc',
    'only the header': 'n,,',
    'a mandatory extension': 'n,,m=x,n=,r=abc',
    'no name': 'n,,r=abc',
    'no nonce': 'n,,n=',
    'an empty nonce': 'n,,n=,r=',
    'a nonce with a blank': 'n,,n=,r=a b',
    'a nonce beyond ASCII': 'n,,n=,r=a\xe9',
    'a zero byte': 'n,,n=\0,r=abc',
    'more than 1024 bytes': `n,,n=,r=${'a'.repeat(1025)}`,
  };
  for (const [what, message] of Object.entries(FIRST)) {
    test(`a first message with ${what} breaks the protocol`, () => {
      assert.throws(() => rfcServer().clientFirst(octets(message)), ScramProtocolError);
    });
  }

  const FINAL = {
    'an empty message': '',
    'no proof': RFC.withoutProof,
    'only a proof': `,p=${RFC.proof}`,
    'the channel binding of another header': RFC_CLIENT_FINAL.replace('c=biws', 'c=eSws'),
    'no channel binding': RFC_CLIENT_FINAL.replace('c=biws,', ''),
    'the nonce of another exchange': RFC_CLIENT_FINAL.replace('k0,', 'k1,'),
    'a proof that is not base64': `${RFC.withoutProof},p=${'*'.repeat(44)}`,
    'a proof that is too short': `${RFC.withoutProof},p=YQ==`,
    'something behind the proof': `${RFC_CLIENT_FINAL},x=y`,
    'a zero byte': `${RFC_CLIENT_FINAL}\0`,
    'more than 1024 bytes': `${RFC.withoutProof},x=${'a'.repeat(1025)},p=${RFC.proof}`,
  };
  for (const [what, message] of Object.entries(FINAL)) {
    test(`a final message with ${what} breaks the protocol`, () => {
      assert.throws(() => rfcServerAfterFirst().clientFinal(octets(message)), ScramProtocolError);
    });
  }

  test('a verifier with keys of a wrong length is unusable', () => {
    assert.throws(
      () => new ScramServerExchange({ ...verifier, storedKey: octets('a') }, octets('n'), HASH),
      StoredSecretUnusable,
    );
    assert.throws(
      () => new ScramServerExchange({ ...verifier, serverKey: octets('') }, octets('n'), HASH),
      StoredSecretUnusable,
    );
    assert.throws(() => new ScramServerExchange(verifier, octets('a,b'), HASH), TypeError);
  });

  test('random messages end in typed errors', () => {
    const message = fc.oneof(fc.uint8Array({ maxLength: 60 }), likeScram());
    fc.assert(
      fc.property(message, message, (first, final) => {
        const server = rfcServer();
        const taken = fails(() => server.clientFirst(first), ScramProtocolError) === null;
        fails(() => rfcServerAfterFirst().clientFinal(final), ScramProtocolError, AuthenticationFailed);
        if (taken) fails(() => server.clientFinal(final), ScramProtocolError, AuthenticationFailed);
        assert.equal(server.clientKey.length, 0);
      }),
    );
  });
});

describe('channel binding', () => {
  const here = octets('certificate of the server');

  /** A whole exchange between a client that sees the one end point and a server that has the other. */
  function exchange(seen: Uint8Array, own: Uint8Array, hasSeenOffer = true): ScramServerExchange {
    const server = new ScramServerExchange(verifier, scramNonceBytes(countingRandom(100)), HASH, own);
    const isOffered = hasSeenOffer && server.mechanisms.includes('SCRAM-SHA-256-PLUS');
    const client = new ScramClientExchange(scramNonce(countingRandom(1)), seen, isOffered);
    assert.ok(server.mechanisms.includes(client.mechanism));
    client.serverFirst(server.clientFirst(client.clientFirst(), client.mechanism));
    client.serverFinal(server.clientFinal(client.clientFinal(keys)));
    assert.ok(client.isOver);
    return server;
  }

  test('both sides see the same certificate, and bind to it', () => {
    assert.deepEqual(exchange(here, here).clientKey, keys.clientKey);
  });

  test('sides that see different certificates do not come together', () => {
    assert.throws(() => exchange(octets('certificate of somebody in between'), here), ScramProtocolError);
  });

  test('a client that could bind, and has not seen the offer, is told apart from one that cannot', () => {
    assert.throws(() => exchange(here, here, false), ScramProtocolError);
    assert.doesNotThrow(() => exchange(octets(''), here, false));
  });

  test('where there is nothing to bind to, nothing is offered, and the exchange goes on without', () => {
    for (const seen of [here, octets('')]) assert.doesNotThrow(() => exchange(seen, octets('')));
  });
});

describe('as client', () => {
  test('a client and a server with the same password prove it to each other', () => {
    const { client, server, asked, clientFinal } = untilProof(keys, verifier);
    assert.deepEqual(asked, { salt: RFC.salt, iterations: 4096 });
    assert.doesNotThrow(() => client.serverFinal(server.clientFinal(clientFinal)));
    assert.deepEqual(server.clientKey, keys.clientKey);
  });

  test('the keys for passthrough come from a login and the stored verifier', () => {
    const login = untilProof(keys, verifier);
    login.server.clientFinal(login.clientFinal);
    const borrowed = { clientKey: login.server.clientKey, serverKey: verifier.serverKey };
    const { client, server, clientFinal } = untilProof(borrowed, verifier);
    assert.doesNotThrow(() => client.serverFinal(server.clientFinal(clientFinal)));
  });

  test('another password is not accepted', async () => {
    const { server, clientFinal } = untilProof(await deriveScramKeys('pencils', RFC.salt, 4096), verifier);
    assert.throws(() => server.clientFinal(clientFinal), AuthenticationFailed);
  });

  test('nobody is accepted as a user that does not exist', () => {
    const { server, clientFinal, asked } = untilProof(keys, mockVerifier(octets('secret'), 'nobody'));
    assert.throws(() => server.clientFinal(clientFinal), AuthenticationFailed);
    assert.equal(asked.iterations, 4096);
  });

  test('a server that does not know the user is found out by its signature', () => {
    const { client, server, clientFinal } = untilProof(keys, { ...verifier, serverKey: new Uint8Array(32) });
    const serverFinal = server.clientFinal(clientFinal);
    assert.throws(() => client.serverFinal(serverFinal), ScramExchangeBroken);
  });

  test('any salt and iterations pass from the verifier to the client', () => {
    const salts = fc.uint8Array({ minLength: 1, maxLength: 1024 });
    fc.assert(
      fc.property(salts, fc.integer({ min: 1, max: 1_000_000 }), (salt, iterations) => {
        const { asked } = untilProof(keys, { ...verifier, salt, iterations });
        assert.deepEqual(asked, { salt, iterations });
      }),
    );
  });

  test('the first message names no user and binds no channel', () => {
    assert.equal(textOf(newClient().clientFirst()), 'n,,n=,r=abc');
  });

  test('extensions behind the iterations are passed over', () => {
    assert.equal(newClient().serverFirst(octets('r=abcd,s=YQ==,i=1,x=y')).iterations, 1);
  });

  const SERVER_FIRST = {
    'an empty message': '',
    'an error': 'e=other-error',
    'a mandatory extension': 'm=x,r=abcd,s=YQ==,i=1',
    'a foreign nonce': 'r=xbcd,s=YQ==,i=1',
    'a nonce that adds nothing': 'r=abc,s=YQ==,i=1',
    'a nonce beyond ASCII': 'r=abc\xe9,s=YQ==,i=1',
    'no salt': 'r=abcd,i=1',
    'an empty salt': 'r=abcd,s=,i=1',
    'a salt that is not base64': 'r=abcd,s=Y*==,i=1',
    'a salt that is too long': `r=abcd,s=${Buffer.alloc(1025).toString('base64')},i=1`,
    'no iterations': 'r=abcd,s=YQ==',
    'zero iterations': 'r=abcd,s=YQ==,i=0',
    'negative iterations': 'r=abcd,s=YQ==,i=-1',
    'too many iterations': 'r=abcd,s=YQ==,i=1000001',
    'iterations that are no number': 'r=abcd,s=YQ==,i=1e3',
    'a zero byte': 'r=abcd\0,s=YQ==,i=1',
    'more than 4096 bytes': `r=abc${'a'.repeat(4096)},s=YQ==,i=1`,
  };
  for (const [what, message] of Object.entries(SERVER_FIRST)) {
    test(`a server's first message with ${what} breaks the exchange`, () => {
      assert.throws(() => newClient().serverFirst(octets(message)), ScramExchangeBroken);
    });
  }

  for (const message of ['', 'e=invalid-proof', 'v=', 'v=YQ==', `v=${'*'.repeat(44)}`, 'x=y', 'v=\0']) {
    test(`a server's final message ${JSON.stringify(message)} breaks the exchange`, () => {
      const { client } = untilProof(keys, verifier);
      assert.throws(() => client.serverFinal(octets(message)), ScramExchangeBroken);
    });
  }

  test('the signature of an exchange is not taken twice, nor before the proof', () => {
    const { client, server, clientFinal } = untilProof(keys, verifier);
    const serverFinal = server.clientFinal(clientFinal);
    client.serverFinal(serverFinal);
    assert.throws(() => client.serverFinal(serverFinal), ScramExchangeBroken);
    assert.throws(() => newClient().serverFinal(serverFinal), ScramExchangeBroken);
    assert.throws(() => newClient().clientFinal(keys), ScramExchangeBroken);
  });

  test('keys of a wrong length and a bad nonce are mistakes of ours', () => {
    const client = newClient();
    client.serverFirst(octets('r=abcd,s=YQ==,i=1'));
    assert.throws(() => client.clientFinal({ ...keys, clientKey: octets('') }), TypeError);
    assert.throws(() => new ScramClientExchange(''), TypeError);
  });

  test('random messages end in typed errors', () => {
    const message = fc.oneof(fc.uint8Array({ maxLength: 60 }), likeScram());
    fc.assert(
      fc.property(message, (bytes) => {
        fails(() => newClient().serverFirst(bytes), ScramExchangeBroken);
        const { client } = untilProof(keys, verifier);
        assert.notEqual(
          fails(() => client.serverFinal(bytes), ScramExchangeBroken),
          null,
        );
      }),
    );
  });
});

/** Messages of the right words in a wrong order. */
function likeScram(): fc.Arbitrary<Uint8Array> {
  const word = fc.constantFrom(
    'n',
    'y',
    'p=',
    ',',
    ',,',
    'n=',
    'r=abc',
    's=YQ==',
    'i=1',
    'c=biws',
    'v=',
    'a=',
    '\xff',
  );
  const words = fc.array(fc.oneof(word, fc.constant(RFC.withoutProof), fc.constant(`,p=${RFC.proof}`)), {
    maxLength: 9,
  });
  return words.map((parts) => octets(parts.join('')));
}

/** The error that was thrown, which must be of one of these classes; null when there was none. */
function fails(run: () => unknown, ...classes: (abstract new (...args: never[]) => Error)[]): Error | null {
  try {
    run();
    return null;
  } catch (error) {
    const expected = classes.find((known) => error instanceof known);
    assert.ok(error instanceof Error && expected !== undefined, String(error));
    return error;
  }
}
