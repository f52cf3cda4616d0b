/** What a login can be bound to: the hash of a certificate, by the hash function of its signature. RFC 5929, 4.1. A
 *  signature with MD5 or SHA-1 OpenSSL takes from others only: test/integration/channel-binding. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import forge from 'node-forge';
import { AcceptingContext } from '../../../src/reactor/tls-context.js';
import { Authority, type Identity } from '../../support/certificates.js';

const { certificate, privateKey } = new Authority('CA of the tests').signLocal();

/** The certificate with another signature algorithm written into it. The signature is wrong then: nobody looks. */
function signedBy(oid: string): { identity: Identity; der: Buffer } {
  const asn1 = forge.pki.certificateToAsn1(forge.pki.certificateFromPem(certificate));
  const bytes = Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'latin1');
  const sha256WithRsa = Buffer.from('06092a864886f70d01010b0500', 'hex');
  const other = Buffer.from(forge.asn1.oidToDer(oid).getBytes(), 'latin1');
  // As long as the one that it takes the place of, so that all lengths around it stay right.
  const nothing = other.length === 9 ? Buffer.from('0500', 'hex') : Buffer.from('0406000000000000', 'hex');
  const written = Buffer.concat([Buffer.from([6, other.length]), other, nothing]);
  assert.equal(written.length, sha256WithRsa.length);
  const der = Buffer.from(
    bytes.toString('hex').replaceAll(sha256WithRsa.toString('hex'), written.toString('hex')),
    'hex',
  );
  const lines = der.toString('base64').replace(/(.{64})/g, '$1\n');
  const pem = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  return { identity: { certificate: pem, privateKey }, der };
}

// signature, its object identifier, the hash that the end point is made with
const SIGNATURES = [
  ['sha256WithRSAEncryption', '1.2.840.113549.1.1.11', 'sha256'],
  ['sha384WithRSAEncryption', '1.2.840.113549.1.1.12', 'sha384'],
  ['sha512WithRSAEncryption', '1.2.840.113549.1.1.13', 'sha512'],
  ['sha224WithRSAEncryption', '1.2.840.113549.1.1.14', 'sha224'],
  ['Ed25519, which has no hash function', '1.3.101.112', ''],
] as const;

for (const [name, oid, hash] of SIGNATURES) {
  test(`${name}: ${hash || 'nothing to bind to'}`, () => {
    const { identity, der } = signedBy(oid);
    const context = new AcceptingContext({
      identity,
      clientAuthorities: '',
      ticketKeys: new Uint8Array(80),
      protocol: 'postgresql',
    });
    const expected = hash === '' ? Buffer.alloc(0) : createHash(hash).update(der).digest();
    assert.deepEqual(Buffer.from(context.endPoint), expected);
    context.free();
  });
}
