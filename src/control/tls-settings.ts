/** From the TLS settings and files of the configuration to what the workers are handed. */
import { createHash, randomBytes } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import type { LoadedConfiguration } from '../config/load.js';
import type { PoolSection } from '../config/settings/pool.js';
import type { TlsFiles } from '../config/tls-files.js';
import type { ClientTlsSettings, ServerTlsSettings, TlsIdentity } from '../pooler/settings.js';

const TICKET_KEYS_BYTES = 80;

/** With keys of its own for session tickets: what was verified under older settings is not resumed under new ones. */
export function clientTls({ configuration, tlsFiles }: LoadedConfiguration): ClientTlsSettings {
  const { tls_mode, tls_rate_limit_per_second } = configuration.general;
  return {
    identity: tls_mode === 'disable' ? null : identity(tlsFiles, 'general.tls'),
    clientAuthorities: tls_mode === 'verify-full' ? (tlsFiles.get('general.tls_ca_cert') ?? '') : '',
    ticketKeys: randomBytes(TICKET_KEYS_BYTES),
    isRequired: tls_mode === 'require' || tls_mode === 'verify-full',
    handshakesPerSecond: tls_rate_limit_per_second,
  };
}

/** What one of so many workers gets: each may begin its share of the handshakes. */
export function workerShare(settings: ClientTlsSettings, workers: number): ClientTlsSettings {
  return { ...settings, handshakesPerSecond: Math.ceil(settings.handshakesPerSecond / workers) };
}

/** What each pool says, or general in its place. */
export class ServerTlsOfPools {
  private readonly loaded: LoadedConfiguration;
  private readonly made = new Map<string, ServerTlsSettings>();

  constructor(loaded: LoadedConfiguration) {
    this.loaded = loaded;
  }

  of(database: string, pool: PoolSection): ServerTlsSettings {
    const { configuration, tlsFiles } = this.loaded;
    const { general } = configuration;
    const inPool = `pools.${database}.server_tls`;
    const mode = pool.server_tls_mode ?? general.server_tls_mode ?? olderMode(general);
    const authorities = tlsFiles.has(`${inPool}_ca_cert`) ? inPool : 'general.server_tls';
    const certificate = tlsFiles.has(`${inPool}_certificate`) ? inPool : 'general.server_tls';
    const key = `${mode} ${authorities} ${certificate}`;
    const settings =
      this.made.get(key) ??
      withId({
        mode: mode === 'verify-ca' || mode === 'verify-full' ? 'require' : mode,
        authorities: authoritiesFor(mode, tlsFiles.get(`${authorities}_ca_cert`)),
        checksHost: mode === 'verify-full',
        identity: identity(tlsFiles, certificate),
      });
    this.made.set(key, settings);
    return settings;
  }
}

function withId(settings: Omit<ServerTlsSettings, 'id'>): ServerTlsSettings {
  return { ...settings, id: createHash('sha256').update(JSON.stringify(settings)).digest('base64') };
}

/** As libpq does it, `require` looks at the certificate, too, when there is a CA to look for. */
function authoritiesFor(mode: string, ofFile: string | undefined): string {
  if (mode === 'verify-full') return ofFile ?? rootCertificates.join('\n');
  return mode === 'verify-ca' || mode === 'require' ? (ofFile ?? '') : '';
}

/** The two switches of 3.3.1. */
function olderMode(general: {
  readonly server_tls: boolean;
  readonly verify_server_certificate: boolean;
}): 'disable' | 'prefer' | 'verify-full' {
  if (!general.server_tls) return 'disable';
  return general.verify_server_certificate ? 'verify-full' : 'prefer';
}

function identity(files: TlsFiles, prefix: string): TlsIdentity | null {
  const certificate = files.get(`${prefix}_certificate`);
  const privateKey = files.get(`${prefix}_private_key`);
  return certificate === undefined || privateKey === undefined ? null : { certificate, privateKey };
}
