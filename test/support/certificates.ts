/** Certificates that a test makes for itself: an authority, and what it signs. Nothing secret lies in the repository. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import forge from 'node-forge';

const DAY_MS = 86_400_000;
/** Kinds of subjectAltName, RFC 5280. */
const DNS = 2;
const IP = 7;

/** PEM. */
export interface Identity {
  readonly certificate: string;
  readonly privateKey: string;
}

interface CertificateOptions {
  readonly hosts?: readonly string[];
  readonly addresses?: readonly string[];
  /** Days from now to its end; below 0 it has expired. */
  readonly days?: number;
  /** The hash function of the signature. */
  readonly hash?: 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512';
  /** Bytes of an extension that nobody knows: makes it large. */
  readonly padding?: number;
}

/** Signs certificates; `pem` is its own. */
export class Authority {
  readonly pem: string;
  private readonly certificate: forge.pki.Certificate;
  private readonly privateKey: forge.pki.rsa.PrivateKey;
  private serial = 1;

  constructor(name: string) {
    const keys = newKeys();
    this.privateKey = forge.pki.privateKeyFromPem(keys.privateKey);
    this.certificate = unsigned(name, keys.publicKey, 1, 1);
    this.certificate.setIssuer(this.certificate.subject.attributes);
    this.certificate.setExtensions([{ name: 'basicConstraints', cA: true, critical: true }]);
    this.pem = this.signed(this.certificate);
  }

  /** A certificate for a subject. */
  sign(
    subject: string,
    { hosts = [], addresses = [], days = 1, padding = 0, hash = 'sha256' }: CertificateOptions = {},
  ): Identity {
    const { publicKey, privateKey } = newKeys();
    const certificate = unsigned(subject, publicKey, ++this.serial, days);
    certificate.setIssuer(this.certificate.subject.attributes);
    const altNames = [
      ...hosts.map((value) => ({ type: DNS, value })),
      ...addresses.map((ip) => ({ type: IP, ip })),
    ];
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false },
      ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
      ...(padding > 0 ? [{ id: '1.2.3.4.5', value: 'x'.repeat(padding) }] : []),
    ]);
    return { certificate: this.signed(certificate, hash), privateKey };
  }

  /** For a server at 127.0.0.1 that is also called localhost. */
  signLocal(options: CertificateOptions = {}): Identity {
    return this.sign('localhost', { hosts: ['localhost'], addresses: ['127.0.0.1'], ...options });
  }

  private signed(
    certificate: forge.pki.Certificate,
    hash: NonNullable<CertificateOptions['hash']> = 'sha256',
  ): string {
    certificate.sign(this.privateKey, forge.md[hash].create());
    return forge.pki.certificateToPem(certificate);
  }
}

function newKeys(): { publicKey: string; privateKey: string } {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}

function unsigned(name: string, publicKey: string, serial: number, days: number): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = serial.toString(16).padStart(2, '0');
  certificate.validity.notBefore = new Date(Date.now() - 3 * DAY_MS);
  certificate.validity.notAfter = new Date(Date.now() + days * DAY_MS);
  certificate.setSubject([{ name: 'commonName', value: name }]);
  return certificate;
}

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-certificates-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
let files = 0;

/** A file with this text that only its owner may read, and that goes with the process. */
export function secretFile(text: string): string {
  const file = join(directory, `${files++}.pem`);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}
