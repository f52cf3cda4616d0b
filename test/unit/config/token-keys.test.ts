/** Keys that tokens are checked with are looked into when the configuration is read. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { userKey } from '../../../src/config/token-keys.js';
import { Authority } from '../../support/certificates.js';
import { newSigner } from '../../support/token-keys.js';
import { complaints, loaded } from './files.js';

const pem = (key: KeyObject): string =>
  key.export({ type: key.type === 'public' ? 'spki' : 'pkcs8', format: 'pem' }).toString();
const rsa = newSigner('RS256').publicKey;
const elliptic = newSigner('ES256').publicKey;
const FILES = {
  'rsa.pem': rsa,
  'more/rsa.pub': rsa,
  'elliptic.pem': elliptic,
  'edwards.pem': newSigner('EdDSA').publicKey,
  'two.pem': `old:\n${rsa}new:\n${elliptic}`,
  'certificate.pem': new Authority('CA of the tests').sign('issuer').certificate,
};
const YAML = 'pools:\n  app:\n    users:\n      - username: alice\n        password: jwt-pkey-fpath:';
const PASSWORD = 'a.yaml:5: pools.app.users[0].password:';

for (const [file, algorithms] of [
  ['rsa.pem', [['RS256']]],
  ['elliptic.pem', [['ES256']]],
  ['edwards.pem', [['EdDSA', 'Ed25519']]],
  ['two.pem', [['RS256'], ['ES256']]],
  ['certificate.pem', [['RS256']]],
] as const) {
  test(`${file} beside the configuration checks what its keys can sign, and nothing else`, (context) => {
    const { tokenKeys } = loaded(context, { 'a.yaml': YAML + file, ...FILES });
    const keys = tokenKeys.ofUsers.get(userKey('app', 'alice'));
    assert.deepEqual(
      keys?.map((each) => each.algorithms),
      algorithms,
    );
  });
}

test('users of a TOML file are found by their number, and keys beside the file that names them', (context) => {
  const { tokenKeys } = loaded(context, {
    'a.yaml': 'include: { files: [more/b.toml] }\n',
    'more/b.toml': '[pools.app.users.0]\nusername = "bob"\npassword = "jwt-pkey-fpath:rsa.pub"\n',
    ...FILES,
  });
  assert.equal(tokenKeys.ofUsers.get(userKey('app', 'bob'))?.length, 1);
});

test('the same name in two databases may have two keys', (context) => {
  const user = (key: string): object => ({
    users: [{ username: 'alice', password: `jwt-pkey-fpath:${key}` }],
  });
  const pools = { one: user('rsa.pem'), two: user('elliptic.pem') };
  const { ofUsers } = loaded(context, { 'a.yaml': JSON.stringify({ pools }), ...FILES }).tokenKeys;
  assert.deepEqual(ofUsers.get(userKey('one', 'alice'))?.[0]?.algorithms, ['RS256']);
  assert.deepEqual(ofUsers.get(userKey('two', 'alice'))?.[0]?.algorithms, ['ES256']);
});

test('keys of Talos are called as their files are, without the ending', (context) => {
  const { talos } = loaded(context, {
    'a.yaml': 'general:\n  talos: { keys: [rsa.pem, elliptic.pem] }\n',
    ...FILES,
  }).tokenKeys;
  assert.deepEqual([...talos.keys()], ['rsa', 'elliptic']);
});

test('two keys of Talos with one name are complained about', (context) => {
  const yaml = 'general:\n  talos:\n    keys:\n      - rsa.pem\n      - more/rsa.pub\n';
  assert.deepEqual(complaints(context, { 'a.yaml': yaml, ...FILES }), [
    'a.yaml:5: general.talos.keys[1]: rsa is the name of another key, too',
  ]);
});

const { privateKey } = generateKeyPairSync('ed25519');
const BAD: Readonly<Record<string, readonly [text: string | null, what: string]>> = {
  'that is not there': [null, 'cannot be read (ENOENT)'],
  'that is empty': ['', 'holds no public key in PEM form'],
  'that is broken': [
    '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
    'holds no public key in PEM form',
  ],
  'with a private key': [pem(privateKey), 'holds a private key: put the public one in its place'],
  'with a private key behind the public one': [
    rsa + pem(privateKey),
    'holds a private key: put the public one in its place',
  ],
  'with a short RSA key': [
    pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
    'holds an RSA key of 1024 bits: at least 2048 are wanted',
  ],
  'with a key on another curve': [
    pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
    'holds a key of another kind (ec secp384r1): RSA, EC P-256 or Ed25519 is wanted',
  ],
  'with a key that signs nothing': [
    pem(generateKeyPairSync('x25519').publicKey),
    'holds a key of another kind (x25519): RSA, EC P-256 or Ed25519 is wanted',
  ],
};
for (const [which, [text, what]] of Object.entries(BAD)) {
  test(`a file ${which} is complained about with field and file`, (context) => {
    const files = text === null ? {} : { 'key.pem': text };
    assert.deepEqual(complaints(context, { 'a.yaml': `${YAML}key.pem\n`, ...files }), [
      `${PASSWORD} key.pem ${what}`,
    ]);
    const talos = 'general:\n  talos:\n    keys: [key.pem]\n';
    assert.deepEqual(complaints(context, { 'a.yaml': talos, ...files }), [
      `a.yaml:3: general.talos.keys[0]: key.pem ${what}`,
    ]);
  });
}
