/** Certificates and keys are looked into when the configuration is read. */
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { Authority } from '../../support/certificates.js';
import { complaints, loaded } from './files.js';

const authority = new Authority('CA of the tests');
const own = authority.sign('own');
const other = authority.sign('other');
const protectedKey = createPrivateKey(own.privateKey)
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
  .toString();
const FILES = {
  'own.crt': own.certificate,
  'own.key': own.privateKey,
  'other.key': other.privateKey,
  'protected.key': protectedKey,
  'ca.crt': authority.pem,
  'empty.pem': '',
};
const CLIENTS = 'general:\n  tls_certificate: own.crt\n  tls_private_key: own.key\n';

test('certificate and key are read from beside the configuration', (context) => {
  const { tlsFiles } = loaded(context, { 'a.yaml': CLIENTS, ...FILES });
  assert.equal(tlsFiles.get('general.tls_certificate'), own.certificate);
  assert.equal(tlsFiles.get('general.tls_private_key'), own.privateKey);
});

test('in the mode disable the files need not be there', (context) => {
  const { tlsFiles } = loaded(context, { 'a.yaml': `${CLIENTS}  tls_mode: disable\n` });
  assert.equal(tlsFiles.size, 0);
});

test('those of a pool are read, too', (context) => {
  const pool = 'pools:\n  x:\n    server_tls_mode: verify-ca\n    server_tls_ca_cert: ca.crt\n';
  const { tlsFiles } = loaded(context, { 'a.yaml': pool, ...FILES });
  assert.equal(tlsFiles.get('pools.x.server_tls_ca_cert'), authority.pem);
});

// what is written, and what is said of it
const WRONG = [
  [
    CLIENTS.replace('own.crt', 'missing.crt'),
    'a.yaml:2: general.tls_certificate: missing.crt cannot be read (ENOENT)',
  ],
  [
    CLIENTS.replace('own.key', 'other.key'),
    'a.yaml:3: general.tls_private_key: is not the key of the certificate',
  ],
  [
    CLIENTS.replace('own.key', 'protected.key'),
    'a.yaml:3: general.tls_private_key: is protected by a passphrase, which is not supported',
  ],
  [
    CLIENTS.replace('own.key', 'own.crt'),
    'a.yaml:3: general.tls_private_key: holds no private key in PEM form',
  ],
  [
    CLIENTS.replace('own.crt', 'empty.pem'),
    'a.yaml:2: general.tls_certificate: holds no certificate in PEM form',
  ],
  [
    `${CLIENTS}  tls_mode: verify-full\n  tls_ca_cert: own.key\n`,
    'a.yaml:5: general.tls_ca_cert: holds no certificate in PEM form',
  ],
  [
    'general:\n  server_tls_mode: verify-ca\n',
    'a.yaml:2: general.server_tls_mode: "verify-ca" needs server_tls_ca_cert',
  ],
  [
    'general:\n  server_tls_mode: sometimes\n',
    'a.yaml:2: general.server_tls_mode: "sometimes" must be one of disable, allow, prefer, require, verify-ca, verify-full',
  ],
  [
    'general:\n  server_tls: true\n  server_tls_mode: require\n',
    'a.yaml:2: general.server_tls: true and server_tls_mode exclude each other: keep server_tls_mode',
  ],
  [
    'pools:\n  x:\n    server_tls_certificate: own.crt\n',
    'a.yaml:2: pools.x.server_tls_private_key: is missing beside server_tls_certificate',
  ],
  [
    'pools:\n  x:\n    server_tls_mode: verify-ca\n',
    'a.yaml:3: pools.x.server_tls_mode: "verify-ca" needs server_tls_ca_cert',
  ],
] as const;

for (const [written, said] of WRONG) {
  test(`complaint: ${said}`, (context) => {
    assert.deepEqual(complaints(context, { 'a.yaml': written, ...FILES }), [said]);
  });
}

test('a CA in general serves a pool that verifies', (context) => {
  const text = 'general:\n  server_tls_ca_cert: ca.crt\npools:\n  x:\n    server_tls_mode: verify-ca\n';
  assert.deepEqual(complaints(context, { 'a.yaml': text, ...FILES }), []);
});
