/** What the data plane needs to know of the configuration: plain data, posted to the workers by the control plane.
 *  Everything is resolved here: units, overrides of pool and user, host names, passwords turned into verifiers. */

export const enum PoolMode {
  Transaction,
  Session,
}

/** Where PostgreSQL listens: an IP address and port, or the path of a unix socket. */
export type ServerAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** How a client proves who it is, once the access rules have let it come so far. */
export type ClientSecret =
  | { readonly kind: 'md5'; readonly hash: string } // 'md5' and 32 hex digits
  | {
      readonly kind: 'scram';
      readonly salt: Uint8Array;
      readonly iterations: number;
      readonly storedKey: Uint8Array;
      readonly serverKey: Uint8Array;
    }
  | { readonly kind: 'jwt' } // a token, which the control plane checks
  | { readonly kind: 'pam' } // a password, about which the control plane asks PAM
  | { readonly kind: 'none' } // an empty password: only trust lets such a user in
  | { readonly kind: 'unusable'; readonly why: string }; // a form that is not supported

/** How the pooler proves who it is to PostgreSQL. */
export type ServerSecret =
  | { readonly kind: 'plain'; readonly password: string }
  | { readonly kind: 'md5'; readonly hash: string }
  | { readonly kind: 'scram-passthrough' } // signs with the ClientKey of the first client that logged in
  | { readonly kind: 'passthrough' } // with whatever its clients have logged in lately: auth_query
  | { readonly kind: 'none' };

/** A certificate and its key: PEM. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly privateKey: string;
}

/** TLS with clients. */
export interface ClientTlsSettings {
  /** null: it is not offered. */
  readonly identity: TlsIdentity | null;
  /** Clients must show a certificate that leads to one of these, PEM; '': none is asked for. */
  readonly clientAuthorities: string;
  /** 80 random bytes, the same in every worker: what one worker's session tickets are sealed with, all can open. */
  readonly ticketKeys: Uint8Array;
  /** Nobody may do without, but for a cancel. */
  readonly isRequired: boolean;
  /** Of one worker; 0: as many as come. */
  readonly handshakesPerSecond: number;
}

/** TLS with PostgreSQL. */
export interface ServerTlsSettings {
  /** The same for the same settings, and different for others. */
  readonly id: string;
  readonly mode: 'disable' | 'allow' | 'prefer' | 'require';
  /** The certificate must lead to one of these, PEM; '': it is not looked at. */
  readonly authorities: string;
  /** The certificate must be of serverHost. */
  readonly checksHost: boolean;
  readonly identity: TlsIdentity | null;
}

/** One pool: a database and a user as clients name them. */
export interface PoolSettings {
  readonly database: string;
  readonly user: string;
  /** Clients come to it through auth_query, and none by these names. */
  readonly isDynamic: boolean;
  readonly address: ServerAddress;
  /** Its name as it was configured: what a certificate has. */
  readonly serverHost: string;
  readonly serverTls: ServerTlsSettings;
  readonly serverDatabase: string;
  readonly serverUser: string;
  readonly clientSecret: ClientSecret;
  readonly serverSecret: ServerSecret;
  readonly mode: PoolMode;
  readonly poolSize: number;
  readonly minPoolSize: number;
  /** Servers that may be being opened at a time. */
  readonly maxConcurrentCreates: number;
  /** Percent of poolSize up to which servers are opened as soon as somebody waits. */
  readonly scalingWarmPoolRatio: number;
  readonly scalingFastRetries: number;
  /** Beyond that somebody who waits hopes for so long that one comes back. */
  readonly scalingCooldownSleepMs: number;
  /** application_name of the server connections. */
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  /** 0: never. */
  readonly idleTimeoutMs: number;
  /** 0: for ever. */
  readonly serverLifetimeMs: number;
  readonly cleanupServerConnections: boolean;
  readonly logClientParameterStatusChanges: boolean;
}

/** Options of TCP sockets, see tcp(7). Seconds; 0 leaves the system's value. */
interface TcpSettings {
  readonly noDelay: boolean;
  readonly keepalivesCount: number;
  readonly keepalivesIdleS: number;
  readonly keepalivesIntervalS: number;
  /** 0: close sends RST and forgets unsent bytes. */
  readonly lingerS: number;
  readonly userTimeoutS: number;
}

/** One row of pg_hba, or of the older list of networks. */
export interface AccessRule {
  readonly type: 'local' | 'host' | 'hostssl' | 'hostnossl';
  /** Empty: all. */
  readonly databases: readonly string[];
  /** Empty: all. */
  readonly users: readonly string[];
  /** 'local' has none. */
  readonly network: { readonly address: string; readonly prefixLength: number } | null;
  readonly method: 'trust' | 'md5' | 'scram-sha-256' | 'reject' | 'unknown';
  /** The line it stands in, 0 when it has none. */
  readonly line: number;
}

/** What all pools have in common. */
export interface DataPlaneSettings {
  readonly host: string;
  readonly port: number;
  readonly backlog: number;
  readonly ioBackend: 'auto' | 'io_uring' | 'epoll';
  readonly workerThreads: number;
  /** A worker gets all new clients until it is so busy, percent of a processor; 0: they are spread evenly. */
  readonly workerFillPercent: number;
  /** Each worker on a processor of its own. */
  readonly workerCpuAffinityPinning: boolean;
  readonly maxConnections: number;
  readonly queryWaitTimeoutMs: number;
  readonly serverIdleCheckTimeoutMs: number;
  readonly serverRoundRobin: boolean;
  /** How often servers past their time are looked for. */
  readonly retainConnectionsTimeMs: number;
  /** How many of them are closed at a time, over all pools; 0: all. */
  readonly retainConnectionsMax: number;
  readonly preparedStatements: boolean;
  readonly preparedStatementsCacheSize: number;
  /** 0: without limit. */
  readonly clientPreparedStatementsCacheSize: number;
  readonly syncServerParameters: boolean;
  /** Bytes of clients' messages that are being gathered, all together. */
  readonly maxMemoryUsage: number;
  /** A longer message must not come to a stop on its way for longer than proxyCopyDataTimeoutMs. Bytes; 0: any may. */
  readonly messageSizeToBeStream: number;
  readonly proxyCopyDataTimeoutMs: number;
  /** The text of the Query that is answered without a server. */
  readonly poolerCheckQuery: string;
  readonly logClientConnections: boolean;
  readonly logClientDisconnections: boolean;
  readonly shutdownTimeoutMs: number;
  /** See Reactor.setClockResolution. */
  readonly clockResolutionMs: number;
  readonly unixSocketBufferSize: number;
  readonly tcp: TcpSettings;
  readonly clientTls: ClientTlsSettings;
  readonly admin: { readonly username: string; readonly secret: ClientSecret };
  /** There are keys of Talos: the user TALOS_USER shows a token that says whose pool it may use. */
  readonly hasTalosKeys: boolean;
  /** null: no rule was written, everybody may try. */
  readonly accessRules: readonly AccessRule[] | null;
}
