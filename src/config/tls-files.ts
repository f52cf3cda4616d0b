/** The files with certificates and keys: read once, when the configuration is, and looked into, so that nobody starts
 *  with what cannot work. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Complaint, fieldText, type Path } from './complaints.js';
import { complaintAt, isTable, valueAt } from './explain.js';
import type { Source } from './source.js';

/** The content of each file by the field that names it, such as general.tls_certificate. */
export type TlsFiles = ReadonlyMap<string, string>;

interface Trio {
  readonly certificate: Path;
  readonly privateKey: Path;
  readonly authorities: Path;
}

/** `merged`: what the sources say together. A relative name is one beside the file that it stands in. */
export function readTlsFiles(
  merged: unknown,
  sources: readonly Source[],
): { readonly files: TlsFiles; readonly complaints: readonly Complaint[] } {
  const reader = new Reader(merged, sources);
  if (valueAt(merged, ['general', 'tls_mode']) !== 'disable') reader.take(trioAt(['general'], 'tls'));
  reader.take(trioAt(['general'], 'server_tls'));
  const pools = valueAt(merged, ['pools']);
  for (const name of isTable(pools) ? Object.keys(pools) : []) {
    reader.take(trioAt(['pools', name], 'server_tls'));
  }
  return reader;
}

function trioAt(section: Path, prefix: string): Trio {
  return {
    certificate: [...section, `${prefix}_certificate`],
    privateKey: [...section, `${prefix}_private_key`],
    authorities: [...section, `${prefix}_ca_cert`],
  };
}

class Reader {
  readonly files = new Map<string, string>();
  readonly complaints: Complaint[] = [];
  private readonly merged: unknown;
  private readonly sources: readonly Source[];

  constructor(merged: unknown, sources: readonly Source[]) {
    this.merged = merged;
    this.sources = sources;
  }

  take({ certificate, privateKey, authorities }: Trio): void {
    const own = this.certificateIn(certificate);
    this.certificateIn(authorities);
    const key = this.read(privateKey);
    if (key === null) return;
    try {
      const isOthers = own !== null && !own.checkPrivateKey(createPrivateKey(key));
      if (isOthers) this.complain(privateKey, 'is not the key of the certificate');
    } catch (error) {
      this.complain(privateKey, whyNoKey(error));
    }
  }

  /** The first one in a file. */
  private certificateIn(field: Path): X509Certificate | null {
    const text = this.read(field);
    if (text === null) return null;
    try {
      // One after the other: the class looks at the first only.
      const all = text.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [text];
      return all.map((each) => new X509Certificate(each))[0] ?? null;
    } catch {
      this.complain(field, 'holds no certificate in PEM form');
      return null;
    }
  }

  private read(field: Path): string | null {
    const name = valueAt(this.merged, field);
    if (typeof name !== 'string' || name === '') return null;
    const source = this.sources.findLast(({ data }) => valueAt(data, field) !== undefined);
    const file = resolve(dirname(source?.file ?? ''), name);
    try {
      const text = readFileSync(file, 'utf8');
      this.files.set(fieldText(field), text);
      return text;
    } catch (error) {
      this.complain(field, `${file} cannot be read (${codeOf(error)})`);
      return null;
    }
  }

  private complain(field: Path, what: string): void {
    this.complaints.push(complaintAt(field, what, this.sources));
  }
}

/** What Node.js says of it depends on its version. */
const PASSPHRASE_WANTED = ['ERR_MISSING_PASSPHRASE', 'ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED'];

function whyNoKey(error: unknown): string {
  return PASSPHRASE_WANTED.includes(codeOf(error))
    ? 'is protected by a passphrase, which is not supported'
    : 'holds no private key in PEM form';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
