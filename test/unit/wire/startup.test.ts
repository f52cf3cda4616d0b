/** The packets without a tag: told apart by length and code, read strictly, and built. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MalformedStartup } from '../../../src/wire/client-facing-error.js';
import {
  cancelRequest,
  classifyStartup,
  needsNegotiation,
  negotiateProtocolVersion,
  readCancelRequest,
  readStartupParameters,
  STARTUP_LENGTH_MAX,
  StartupPacket,
  sslRequest,
  startupMessage,
} from '../../../src/wire/startup.js';
import { LENGTH_LENGTH, StartupCode } from '../../../src/wire/tags.js';
import { octets, textOf } from './octets.js';

const VERSION_3_0 = '\0\x03\0\0';
const GSS_ENC_REQUEST = octets('\0\0\0\x08\x04\xd2\x16\x30');

function header(length: number, code: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(length, 0);
  bytes.writeInt32BE(code, 4);
  return new Uint8Array(bytes);
}

function classify(bytes: Uint8Array): StartupPacket {
  return classifyStartup(bytes, 0, bytes.length);
}

function readBody(body: Uint8Array) {
  return readStartupParameters(body, 0, body.length);
}

function read(pairs: string, version = VERSION_3_0) {
  return readBody(octets(version + pairs));
}

test('each packet is known by its code', () => {
  assert.equal(classify(sslRequest()), StartupPacket.SslRequest);
  assert.equal(classify(GSS_ENC_REQUEST), StartupPacket.GssEncRequest);
  assert.equal(classify(cancelRequest(1, octets('abcd'))), StartupPacket.CancelRequest);
  assert.equal(classify(startupMessage([['user', 'u']])), StartupPacket.Startup);
});

test('a packet is found where it lies, with others around it', () => {
  const bytes = octets(`xx${textOf(sslRequest())}yy`);
  assert.equal(classifyStartup(bytes, 2, bytes.length), StartupPacket.SslRequest);
});

test('a packet is incomplete until its last byte is there', () => {
  for (const packet of [sslRequest(), startupMessage([['user', 'u']]), cancelRequest(1, octets('abcd'))]) {
    for (let end = 0; end < packet.length; end++) {
      assert.equal(classifyStartup(packet, 0, end), StartupPacket.Incomplete);
    }
  }
});

test('a length below 8 or above 8192 is a violation as soon as the length is there', () => {
  for (const length of [-1, 0, 7, STARTUP_LENGTH_MAX + 1, 0x7fffffff, -0x80000000]) {
    assert.equal(classify(header(length, 0).subarray(0, LENGTH_LENGTH)), StartupPacket.Violation);
  }
});

test('the longest packet is none', () => {
  const packet = new Uint8Array(STARTUP_LENGTH_MAX);
  packet.set(header(STARTUP_LENGTH_MAX, StartupCode.Protocol30));
  assert.equal(classify(packet), StartupPacket.Startup);
});

test('a request for encryption with something behind it is a violation', () => {
  assert.equal(classify(header(9, StartupCode.SslRequest)), StartupPacket.Violation);
  assert.equal(classify(header(9, StartupCode.GssEncRequest)), StartupPacket.Violation);
});

test('a CancelRequest has a secret of 4 to 256 bytes', () => {
  assert.equal(classify(header(15, StartupCode.CancelRequest)), StartupPacket.Violation);
  assert.equal(classify(header(16, StartupCode.CancelRequest)), StartupPacket.Incomplete);
  assert.equal(classify(header(268, StartupCode.CancelRequest)), StartupPacket.Incomplete);
  assert.equal(classify(header(269, StartupCode.CancelRequest)), StartupPacket.Violation);
});

test('another major version is told before the packet is whole', () => {
  assert.equal(classify(header(100, 2 << 16)), StartupPacket.UnsupportedMajor);
  assert.equal(classify(header(100, 4 << 16)), StartupPacket.UnsupportedMajor);
  assert.equal(classify(header(8, (3 << 16) + 9999)), StartupPacket.Startup);
});

test('a TLS handshake without an SSLRequest is a violation', () => {
  assert.equal(classify(octets('\x16\x03\x01\x02\x00\x01')), StartupPacket.Violation);
});

test('no bytes make the classification throw or take a packet that is not whole', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const packet = classify(bytes);
      const isTaken = packet !== StartupPacket.Incomplete && packet < StartupPacket.Violation;
      if (isTaken) assert.ok(Buffer.from(bytes).readInt32BE(0) <= bytes.length);
    }),
  );
});

test('the parameters of a StartupMessage are read', () => {
  assert.deepEqual(read('user\0u\0database\0d\0application_name\0a\0DateStyle\0ISO\0\0'), {
    user: 'u',
    database: 'd',
    applicationName: 'a',
    others: new Map([['DateStyle', 'ISO']]),
    unknownOptions: [],
    minorVersion: 0,
  });
});

test('the database is the user, and the application pg_doorman, when they are not named', () => {
  const { database, applicationName } = read('user\0u\0\0');
  assert.deepEqual([database, applicationName], ['u', 'pg_doorman']);
  assert.equal(read('user\0u\0database\0\0\0').database, 'u');
});

test('an empty value does not shift the pairs behind it', () => {
  const parameters = read('options\0\0application_name\0\0user\0u\0\0');
  assert.deepEqual(parameters.others, new Map([['options', '']]));
  assert.deepEqual([parameters.user, parameters.applicationName], ['u', '']);
});

test('of a parameter that comes twice the last value counts', () => {
  assert.equal(read('user\0a\0user\0b\0\0').user, 'b');
});

test('protocol options and the minor version are told apart from parameters', () => {
  const parameters = read('user\0u\0_pq_.x\0on\0_pq_.y\0\0search_path\0s\0\0', '\0\x03\0\x02');
  assert.deepEqual(parameters.unknownOptions, ['_pq_.x', '_pq_.y']);
  assert.deepEqual(parameters.others, new Map([['search_path', 's']]));
  assert.equal(parameters.minorVersion, 2);
});

const MALFORMED = {
  'without a user': 'database\0d\0\0',
  'with an empty user': 'user\0\0\0',
  'without any pair': '\0',
  'with a name without a value': 'user\0u\0database\0',
  'with an odd count': 'user\0u\0database\0\0',
  'with a name that has no end': 'user\0u\0data',
  'with a value that has no end': 'user\0u',
  'without a terminator': 'user\0u\0',
  'with something behind its terminator': 'user\0u\0\0x',
};
for (const [what, pairs] of Object.entries(MALFORMED)) {
  test(`a StartupMessage ${what} is malformed`, () => {
    assert.throws(() => read(pairs), MalformedStartup);
  });
}

test('a StartupMessage that ends with its version is malformed', () => {
  assert.throws(() => readBody(octets(VERSION_3_0)), MalformedStartup);
  assert.throws(() => readBody(octets('')), MalformedStartup);
});

test('random parameters are read or malformed, and nothing else happens', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60, max: 5 }), (bytes) => {
      try {
        assert.notEqual(readBody(bytes).user, '');
      } catch (error) {
        assert.ok(error instanceof MalformedStartup, String(error));
      }
    }),
  );
});

test('what a StartupMessage was built of is read again', () => {
  const word = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !/\0|^_pq_/.test(text));
  const own = new Set(['user', 'database', 'application_name']);
  const others = fc.uniqueArray(
    fc.tuple(
      word.filter((name) => !own.has(name)),
      word,
    ),
    { selector: ([name]) => name, maxLength: 5 },
  );
  fc.assert(
    fc.property(word, word, others, (user, database, pairs) => {
      const message = startupMessage([['user', user], ...pairs, ['database', database]]);
      const parameters = readStartupParameters(message, LENGTH_LENGTH, message.length);
      assert.deepEqual([parameters.user, parameters.database], [user, database]);
      assert.deepEqual([...parameters.others], pairs);
    }),
  );
});

test('a StartupMessage takes a Map, and no empty name or zero byte', () => {
  assert.equal(textOf(startupMessage(new Map([['user', 'u']]))), `\0\0\0\x10${VERSION_3_0}user\0u\0\0`);
  assert.throws(() => startupMessage([['', 'x']]), TypeError);
  assert.throws(() => startupMessage([['user', 'a\0b']]), TypeError);
});

test('negotiation is needed for a higher minor version or for an option', () => {
  assert.equal(needsNegotiation(read('user\0u\0\0')), false);
  assert.equal(needsNegotiation(read('user\0u\0\0', '\0\x03\0\x02')), false);
  assert.equal(needsNegotiation(read('user\0u\0\0', '\0\x03\0\x03')), true);
  assert.equal(needsNegotiation(read('user\0u\0_pq_.x\0\0\0')), true);
});

test('NegotiateProtocolVersion goes on with 3.2 at most and names the unknown options', () => {
  const tooNew = read('user\0u\0\0', '\0\x03\0\x09');
  assert.equal(textOf(negotiateProtocolVersion(tooNew)), 'v\0\0\0\x0c\0\x03\0\x02\0\0\0\0');
  assert.equal(
    textOf(negotiateProtocolVersion(read('user\0u\0_pq_.a\0\0_pq_.b\0\0\0'))),
    `v\0\0\0\x1a${VERSION_3_0}\0\0\0\x02_pq_.a\0_pq_.b\0`,
  );
});

test('a CancelRequest is built as the manual says, and an SSLRequest too', () => {
  assert.equal(
    textOf(cancelRequest(258, octets('\x01\x02\x03\x04'))),
    '\0\0\0\x10\x04\xd2\x16\x2e\0\0\x01\x02\x01\x02\x03\x04',
  );
  assert.equal(textOf(sslRequest()), '\0\0\0\x08\x04\xd2\x16\x2f');
});

test('a cancel key of any length is read again, negative process ids too', () => {
  fc.assert(
    fc.property(fc.integer(), fc.uint8Array({ minLength: 4, maxLength: 256 }), (processId, secret) => {
      assert.deepEqual(readCancelRequest(cancelRequest(processId, secret), 0), { processId, secret });
    }),
  );
});

test('the secret of a CancelRequest is a copy, also when the bytes are a Buffer', () => {
  const lent = Buffer.from(cancelRequest(1, octets('abcd')));
  const { secret } = readCancelRequest(lent, 0);
  lent.fill(0);
  assert.equal(textOf(secret), 'abcd');
});

test('no bytes make the reader of CancelRequests fail in another way than MalformedStartup', () => {
  const lengthAndRest = fc.tuple(fc.nat(300), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(lengthAndRest, ([length, rest]) => {
      const bytes = octets(`\0\0${String.fromCharCode(length >> 8, length & 0xff)}${textOf(rest)}`);
      try {
        assert.equal(readCancelRequest(bytes, 0).secret.length, length - 12);
      } catch (error) {
        assert.ok(error instanceof MalformedStartup, String(error));
      }
    }),
  );
});
