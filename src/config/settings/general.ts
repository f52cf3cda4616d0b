/** Section `general`: the process as a whole. 3.3.1 documentation, "General Settings". */
import { isIP } from 'node:net';
import { z } from 'zod';
import { parsePgHba, ruleOfNetwork } from '../hba.js';
import { docs, duration, integer, serverTlsMode, size, word, YEAR_MS } from './fields.js';

const INT32_MAX = 0x7fffffff;
const SECONDS_MAX = 32_767;

const pgHba = z
  .union([z.string(), z.strictObject({ path: word.optional(), content: z.string().optional() })])
  .superRefine((value, context) => {
    if (typeof value !== 'string' && (value.path === undefined) === (value.content === undefined)) {
      context.addIssue('wants either path or content');
    }
    // A file is read, and complained of, when the configuration is loaded.
    const rules = typeof value === 'string' ? value : (value.content ?? '');
    for (const { line, what } of parsePgHba(rules).complaints)
      context.addIssue(`line ${line} of the rules: ${what}`);
  });

/** An address, or a directory for a unix socket. */
const listenHost = word
  .overwrite((text) => (text === 'localhost' ? '127.0.0.1' : text))
  .refine((text) => text === '' || isIP(text) !== 0 || text.startsWith('/'), {
    error:
      'is no address to listen on: an IPv4 or IPv6 address, localhost, or a directory that begins with /',
  });

const network = word.superRefine((text, context) => {
  const rule = ruleOfNetwork(text);
  if (typeof rule === 'string') context.addIssue(rule);
});

export const general = z.strictObject({
  host: listenHost.default('0.0.0.0').register(docs, {
    en: 'Address to listen on: IPv4 or IPv6, or a directory for a unix socket named .s.PGSQL.PORT in it.',
    reload: 'restart',
  }),
  port: integer(0, 65_535).default(5432).register(docs, { en: 'Port to listen on.', reload: 'restart' }),
  backlog: integer(0, INT32_MAX).default(0).register(docs, {
    en: 'Connections that may wait to be accepted. 0: as many as max_connections.',
    reload: 'restart',
  }),
  io_backend: z.enum(['auto', 'io_uring', 'epoll']).default('auto').register(docs, {
    en: 'How the kernel is asked for I/O. auto: io_uring where it is allowed, else epoll.',
    reload: 'restart',
  }),
  max_connections: integer(1, 1_000_000).default(8192).register(docs, {
    en: 'Clients at the same time; one more gets 53300. The admin console takes one more all the same.',
    reload: 'new connections',
  }),
  max_concurrent_creates: integer(1, 10_000).default(4).register(docs, {
    en: 'Server connections that one pool opens at the same time.',
    reload: 'at once',
  }),
  tls_mode: z.enum(['allow', 'disable', 'require', 'verify-full']).default('allow').register(docs, {
    en: 'Whether clients may, may not or must use TLS, and whether they must show a certificate.',
    reload: 'new connections',
  }),
  tls_ca_cert: word.optional().register(docs, {
    en: 'File with the CA that client certificates are checked with; needed for verify-full.',
    reload: 'new connections',
  }),
  tls_private_key: word.optional().register(docs, {
    en: 'File with the private key for TLS with clients.',
    reload: 'new connections',
  }),
  tls_certificate: word.optional().register(docs, {
    en: 'File with the certificate for TLS with clients, which logins by SCRAM-SHA-256-PLUS are bound to.',
    reload: 'new connections',
  }),
  tls_rate_limit_per_second: integer(0, INT32_MAX).default(0).register(docs, {
    en: 'TLS handshakes with clients begun per second; the others wait. 0: no limit.',
    reload: 'new connections',
  }),
  daemon_pid_file: word.default('/tmp/pg_doorman.pid').register(docs, {
    en: 'File that holds the process id in daemon mode (-d). It is locked, so that one of a process that has died is free.',
    reload: 'restart',
  }),
  syslog_prog_name: word.optional().register(docs, {
    en: 'Log to syslog under this name instead of to standard output. Daemon mode (-d) needs it.',
    reload: 'restart',
  }),
  log_client_connections: z
    .boolean()
    .default(true)
    .register(docs, { en: 'Log clients that connect, at level INFO.', reload: 'at once' }),
  log_client_disconnections: z.boolean().default(true).register(docs, {
    en: 'Log clients that disconnect, at level INFO: why, after how long, and what they did.',
    reload: 'at once',
  }),
  worker_threads: integer(1, 1024).default(4).register(docs, {
    en: 'Threads that serve clients.',
    reload: 'restart',
  }),
  worker_fill_percent: integer(0, 100).default(50).register(docs, {
    en: 'A worker thread gets all new clients until it is so busy, percent of a processor; then another does. Later, clients gather in one that has it easy with all of them. 0: they are spread evenly, and stay so.',
    reload: 'restart',
  }),
  worker_cpu_affinity_pinning: z.boolean().default(false).register(docs, {
    en: 'Bind each worker to a processor.',
    reload: 'restart',
  }),
  tokio_global_queue_interval: integer(1, INT32_MAX).optional().register(docs, {
    en: 'Accepted for the sake of old files; it has a meaning only in the Rust runtime.',
    reload: 'restart',
  }),
  tokio_event_interval: integer(1, INT32_MAX).optional().register(docs, {
    en: 'Accepted for the sake of old files; it has a meaning only in the Rust runtime.',
    reload: 'restart',
  }),
  worker_stack_size: size().optional().register(docs, {
    en: 'Accepted for the sake of old files; it has a meaning only in the Rust runtime.',
    reload: 'restart',
  }),
  max_blocking_threads: integer(1, INT32_MAX).optional().register(docs, {
    en: 'Accepted for the sake of old files; it has a meaning only in the Rust runtime.',
    reload: 'restart',
  }),
  connect_timeout: duration({ min: 1 }).default(3000).register(docs, {
    en: 'How long a server connection may take to be opened and logged in, and to answer a liveness check.',
    reload: 'new connections',
  }),
  query_wait_timeout: duration().default(5000).register(docs, {
    en: 'How long a client waits for a server connection. 0: not for one that another client has; one that may be opened is.',
    reload: 'at once',
  }),
  idle_timeout: duration().default(600_000).register(docs, {
    en: 'A server connection that idles longer than this is closed. 0: never.',
    reload: 'at once',
  }),
  server_lifetime: duration().default(1_200_000).register(docs, {
    en: 'A server connection older than this, give or take a fifth, is closed when it is idle. 0: never.',
    reload: 'new connections',
  }),
  retain_connections_time: duration({ min: 1 }).default(30_000).register(docs, {
    en: 'How often server connections past their time are looked for.',
    reload: 'at once',
  }),
  retain_connections_max: integer(0, INT32_MAX).default(3).register(docs, {
    en: 'How many of them are closed at a time, over all pools, the oldest first. 0: all.',
    reload: 'at once',
  }),
  server_idle_check_timeout: duration().default(60_000).register(docs, {
    en: 'A server connection that idled longer than this is asked whether it is alive before a client gets it. 0: never.',
    reload: 'at once',
  }),
  server_round_robin: z.boolean().default(false).register(docs, {
    en: 'Use idle server connections in turn instead of the one that was used last.',
    reload: 'at once',
  }),
  sync_server_parameters: z.boolean().default(false).register(docs, {
    en: "Set a client's parameters on each server connection that it gets.",
    reload: 'at once',
  }),
  tcp_so_linger: integer(0, SECONDS_MAX).default(0).register(docs, {
    en: 'Seconds that closing waits for unsent bytes. 0: a reset at once.',
    reload: 'restart',
  }),
  tcp_no_delay: z
    .boolean()
    .default(true)
    .register(docs, { en: "Switch Nagle's algorithm off.", reload: 'restart' }),
  tcp_keepalives_count: integer(0, 127).default(5).register(docs, {
    en: "Keepalive probes that may be lost. 0: the system's value.",
    reload: 'restart',
  }),
  tcp_keepalives_idle: integer(0, SECONDS_MAX).default(5).register(docs, {
    en: "Seconds of silence before the first keepalive probe. 0: the system's value.",
    reload: 'restart',
  }),
  tcp_keepalives_interval: integer(0, SECONDS_MAX).default(5).register(docs, {
    en: "Seconds between keepalive probes. 0: the system's value.",
    reload: 'restart',
  }),
  tcp_user_timeout: integer(0, SECONDS_MAX).default(60).register(docs, {
    en: "Seconds that sent bytes may stay unacknowledged. 0: the system's value.",
    reload: 'restart',
  }),
  unix_socket_buffer_size: size({ max: 1024 ** 3 })
    .default(1_048_576)
    .register(docs, {
      en: 'Buffers of unix sockets, bytes.',
      reload: 'new connections',
    }),
  admin_username: word.default('admin').register(docs, {
    en: 'The one user of the admin console. Logins that fail there are slowed down, by address.',
    reload: 'new connections',
  }),
  admin_password: z.string().default('admin').register(docs, {
    en: "That user's password.",
    reload: 'new connections',
    isSecret: true,
  }),
  prepared_statements: z.boolean().default(true).register(docs, {
    en: 'Make prepared statements work in transaction mode.',
    reload: 'restart',
  }),
  prepared_statements_cache_size: integer(1, 10_000_000).default(8192).register(docs, {
    en: 'Prepared statements that a pool remembers.',
    reload: 'restart',
  }),
  client_prepared_statements_cache_size: integer(0, 10_000_000).default(0).register(docs, {
    en: 'Prepared statements that one client may have; the oldest is forgotten. 0: no limit.',
    reload: 'new connections',
  }),
  message_size_to_be_stream: size().default(1_048_576).register(docs, {
    en: 'A message longer than this, but for COPY data, is watched by proxy_copy_data_timeout, bytes. 0: none is.',
    reload: 'at once',
  }),
  scaling_warm_pool_ratio: integer(0, 100).default(20).register(docs, {
    en: 'Percent of pool_size up to which server connections are opened without hesitation.',
    reload: 'at once',
  }),
  scaling_fast_retries: integer(0, 10_000).default(10).register(docs, {
    en: 'Looks for a returned server connection before a new one is opened.',
    reload: 'at once',
  }),
  scaling_cooldown_sleep: duration({ max: 60_000 }).default(10).register(docs, {
    en: 'Beyond the warm part of a pool a new server connection is opened when for so long none has been free. 0: at once.',
    reload: 'at once',
  }),
  max_memory_usage: size({ min: 1 }).default(268_435_456).register(docs, {
    en: 'Memory for unfinished messages of all clients, bytes; beyond it a client gets 53200.',
    reload: 'at once',
  }),
  shutdown_timeout: duration().default(10_000).register(docs, {
    en: 'How long a graceful shutdown, and the old process of a binary upgrade, wait for transactions.',
    reload: 'at once',
  }),
  proxy_copy_data_timeout: duration().default(15_000).register(docs, {
    en: 'How long a large message may stop on its way, because its client does not read or send on.',
    reload: 'at once',
  }),
  server_tls: z.boolean().default(false).register(docs, {
    en: 'Use TLS with PostgreSQL where it offers it, as server_tls_mode prefer.',
    reload: 'new connections',
  }),
  verify_server_certificate: z.boolean().default(false).register(docs, {
    en: 'With server_tls: never without TLS, and only with a certificate of that host, as server_tls_mode verify-full.',
    reload: 'new connections',
  }),
  server_tls_mode: serverTlsMode.optional().register(docs, {
    en: 'TLS with PostgreSQL, as sslmode of libpq. Not on unix sockets. In place of server_tls.',
    reload: 'new connections',
  }),
  server_tls_ca_cert: word.optional().register(docs, {
    en: "File with the CA of PostgreSQL's certificate. Mode require, too, checks the certificate then. Without it verify-full believes the authorities that Node.js believes.",
    reload: 'new connections',
  }),
  server_tls_certificate: word.optional().register(docs, {
    en: "File with the pooler's certificate for PostgreSQL.",
    reload: 'new connections',
  }),
  server_tls_private_key: word.optional().register(docs, {
    en: 'File with the key of server_tls_certificate.',
    reload: 'new connections',
  }),
  hba: z.array(network).default([]).register(docs, {
    en: 'Networks that clients may come from, as CIDR. The older form of pg_hba.',
    reload: 'new connections',
  }),
  pg_hba: pgHba.optional().register(docs, {
    en: 'Who may connect, in the format of pg_hba.conf: its text, { path } of a file, or { content }. First match decides, and is named in the log.',
    reload: 'new connections',
  }),
  pooler_check_query: z.string().default(';').register(docs, {
    en: 'A simple query that is answered without a server.',
    reload: 'at once',
  }),
  clock_resolution_statistics: duration({ max: YEAR_MS }).default(0.1).register(docs, {
    en: 'By how much times in statistics may be off, about. The clock is read for each round of work, and in a long round again after this.',
    reload: 'restart',
  }),
  talos: z
    .strictObject({ keys: z.array(word).default([]), databases: z.array(word).default([]) })
    .optional()
    .register(docs, {
      en: 'Tokens of Talos, which the user talos shows: files of public keys, whose names without ending are what tokens call kid, and the databases that a token may give a role in.',
      reload: 'new connections',
    }),
});

export const prometheus = z.strictObject({
  enabled: z.boolean().default(false).register(docs, {
    en: 'Serve /metrics for Prometheus, and /health and /ready for orchestrators. When the address cannot be listened on, clients are served all the same, and it is tried again every 5 seconds.',
    reload: 'restart',
  }),
  host: word.default('0.0.0.0').register(docs, {
    en: 'Address of the metrics: a name, or an IPv4 or IPv6 address.',
    reload: 'restart',
  }),
  port: integer(0, 65_535)
    .default(9127)
    .register(docs, { en: 'Port of the metrics; 0 is any that is free.', reload: 'restart' }),
});

export type GeneralSettings = z.output<typeof general>;
