/** Which settings of TLS need or exclude each other. What the files hold that they name: ../tls-files.ts. */
import type { Path } from '../complaints.js';

interface Contradiction {
  readonly path: Path;
  readonly what: string;
}

/** A section as it may be when fields of it are wrong by themselves. */
type Section = Readonly<Record<string, unknown>>;

export function tlsContradictions(
  general: Section,
  pools: Readonly<Record<string, Section>>,
): Contradiction[] {
  const inGeneral = [
    ...halves(general, 'tls_certificate', 'tls_private_key'),
    ...clientTls(general),
    ...serverTls(general, general),
  ];
  return [
    ...inGeneral.map(({ path, what }) => ({ path: ['general', ...path], what })),
    ...Object.entries(pools).flatMap(([name, pool]) =>
      [...serverTls(Object(pool), general)].map(({ path, what }) => ({
        path: ['pools', name, ...path],
        what,
      })),
    ),
  ];
}

function* clientTls({
  tls_mode,
  tls_ca_cert,
  tls_certificate,
  tls_private_key,
}: Section): Iterable<Contradiction> {
  if (tls_mode === 'verify-full' && tls_ca_cert === undefined) {
    yield { path: ['tls_mode'], what: 'needs tls_ca_cert' };
  }
  const needsCertificate = tls_mode === 'require' || tls_mode === 'verify-full';
  if (needsCertificate && tls_certificate === undefined && tls_private_key === undefined) {
    yield { path: ['tls_mode'], what: 'needs tls_certificate and tls_private_key' };
  }
}

/** Of a section that may say more than general does. */
function* serverTls(section: Section, general: Section): Iterable<Contradiction> {
  yield* halves(section, 'server_tls_certificate', 'server_tls_private_key');
  const { server_tls_mode, server_tls_ca_cert = general.server_tls_ca_cert, server_tls } = section;
  if (server_tls_mode === 'verify-ca' && server_tls_ca_cert === undefined) {
    yield { path: ['server_tls_mode'], what: 'needs server_tls_ca_cert' };
  }
  if (server_tls_mode !== undefined && server_tls === true) {
    yield { path: ['server_tls'], what: 'and server_tls_mode exclude each other: keep server_tls_mode' };
  }
}

function* halves(section: Section, certificate: string, privateKey: string): Iterable<Contradiction> {
  if (section[certificate] === undefined && section[privateKey] !== undefined) {
    yield { path: [certificate], what: `is missing beside ${privateKey}` };
  }
  if (section[privateKey] === undefined && section[certificate] !== undefined) {
    yield { path: [privateKey], what: `is missing beside ${certificate}` };
  }
}
