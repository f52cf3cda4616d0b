/** From a file's name to settings that are right, or to everything that is wrong with them. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { type Complaint, ConfigurationError, type Path } from '../config/complaints.js';
import { complaintAt, complaintsOf } from '../config/explain.js';
import { readSource, type Source } from '../config/source.js';
import type { ListenAddress } from './listen-address.js';
import { type PortRole, type ProxyFile, proxyFileSchema } from './settings.js';

export interface ProxySettings {
  readonly updateIntervalMs: number;
  /** Of the HTTP API. */
  readonly apiAddress: ListenAddress;
  readonly connectTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
  readonly ioBackend: 'auto' | 'io_uring' | 'epoll';
  readonly clusters: readonly ClusterSettings[];
}

export interface ClusterSettings {
  readonly name: string;
  /** Addresses of the Patroni APIs, without a slash at the end. */
  readonly hosts: readonly string[];
  readonly tls: ApiTls | null;
  readonly ports: readonly PortSettings[];
}

/** As https.request takes it. */
interface ApiTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
}

export interface PortSettings {
  readonly name: string;
  readonly listen: ListenAddress;
  readonly roles: readonly PortRole[];
  readonly hostPort: number;
  /** Bytes; null: no limit. */
  readonly maxLag: number | null;
}

/** Reads a configuration file. Throws ConfigurationError with all complaints. */
export function loadProxySettings(file: string): ProxySettings {
  const source = readSource(file);
  const parsed = proxyFileSchema.safeParse(source.data);
  const complaints = (parsed.error?.issues ?? []).flatMap((issue) =>
    complaintsOf(issue, [source], source.data, proxyFileSchema),
  );
  if (!parsed.success) throw new ConfigurationError(complaints.toSorted((a, b) => a.line - b.line));
  const settings = toSettings(parsed.data, source, complaints);
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  return settings;
}

/** What is wrong with the files that it names joins the complaints. */
function toSettings(file: ProxyFile, source: Source, complaints: Complaint[]): ProxySettings {
  return {
    updateIntervalMs: file.cluster_update_interval,
    apiAddress: file.listen_address,
    connectTimeoutMs: file.connect_timeout,
    shutdownTimeoutMs: file.shutdown_timeout,
    ioBackend: file.io_backend,
    clusters: Object.entries(file.clusters).map(([name, { hosts, tls, ports }]) => ({
      name,
      hosts: hosts.map((host) => host.replace(/\/+$/, '')),
      tls: tls === undefined ? null : readTls(tls, ['clusters', name, 'tls'], source, complaints),
      ports: Object.entries(ports).map(([portName, { listen, roles, host_port, max_lag_in_bytes }]) => ({
        name: portName,
        listen,
        roles,
        hostPort: host_port,
        maxLag: max_lag_in_bytes ?? null,
      })),
    })),
  };
}

type TlsSection = NonNullable<ProxyFile['clusters'][string]['tls']>;

function readTls(section: TlsSection, path: Path, source: Source, complaints: Complaint[]): ApiTls {
  const before = complaints.length;
  const complain = (field: string, what: string): void => {
    complaints.push(complaintAt([...path, field], what, [source]));
  };
  const read = (field: 'ca_cert' | 'client_cert' | 'client_key'): Buffer | undefined => {
    const name = section[field];
    if (name === undefined) return undefined;
    const file = resolve(dirname(source.file), name);
    try {
      return readFileSync(file);
    } catch (error) {
      complain(field, `${file} cannot be read (${codeOf(error)})`);
      return undefined;
    }
  };
  const [ca, cert, key] = [read('ca_cert'), read('client_cert'), read('client_key')];
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  if (complaints.length === before) {
    const unusable = whyUnusable(files);
    if (unusable !== null) complain(...unusable);
  }
  return { ...files, rejectUnauthorized: !section.skip_verify };
}

/** The field and what OpenSSL says of it; null when all can be used. */
function whyUnusable({ ca, cert, key }: Omit<ApiTls, 'rejectUnauthorized'>): [string, string] | null {
  const [asCa, asPair] = [refusal({ ...(ca && { ca }) }), refusal({ ...(cert && key && { cert, key }) })];
  if (asCa !== null || (ca !== undefined && !ca.includes('BEGIN CERTIFICATE'))) {
    return ['ca_cert', `holds no certificate in PEM form${asCa === null ? '' : ` (${asCa})`}`];
  }
  return asPair === null ? null : ['client_cert', `and client_key cannot be used together (${asPair})`];
}

function refusal(files: Omit<ApiTls, 'rejectUnauthorized'>): string | null {
  try {
    createSecureContext(files);
    return null;
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
