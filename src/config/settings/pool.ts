/** Section `pools.NAME`: a database as clients name it, and its users. 3.3.1 documentation, "Pool Settings". */
import { z } from 'zod';
import { parseStoredPassword } from '../../wire/password-form.js';
import { ALTHOUGH_WRONG, aWord, docs, duration, integer, port, serverTlsMode, word } from './fields.js';

const POOL_SIZE_MAX = 100_000;
/** What would lead out of the directory is none. */
const PAM_SERVICE = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const poolMode = z.enum(['transaction', 'session']);

/** A hash of which dots stand for a part, as in the documentation's examples: the file is in order, and nobody can log
 *  in by it. */
export function isElidedHash(text: string): boolean {
  return /\.\.\.|…/.test(text) && parseStoredPassword(text).kind === 'unusable';
}

const password = z.string().superRefine((text, context) => {
  const form = parseStoredPassword(text);
  if (form.kind === 'unusable' && !isElidedHash(text)) context.addIssue(form.why);
});

export const user = z
  .strictObject({
    username: aWord().register(docs, { en: 'The name that clients use.', reload: 'at once' }),
    password: password.default('').register(docs, {
      en: 'The hash of PostgreSQL (md5… or SCRAM-SHA-256$…), a plain password, or jwt-pkey-fpath:FILE, the public key (PEM: RSA, EC P-256 or Ed25519; several while keys change) that checks the token which the client sends as its password.',
      reload: 'new connections',
      isSecret: true,
    }),
    auth_pam_service: word
      .regex(PAM_SERVICE, 'is no name of a file in /etc/pam.d')
      .optional()
      .register(docs, {
        en: 'Ask this PAM service, a file in /etc/pam.d, instead of comparing passwords. The client sends its password in the clear: use TLS.',
        reload: 'new connections',
      }),
    server_username: word.optional().register(docs, {
      en: "The user at PostgreSQL, when it is another than the client's.",
      reload: 'new connections',
    }),
    server_password: z.string().optional().register(docs, {
      en: "That user's password, in plain text.",
      reload: 'new connections',
      isSecret: true,
    }),
    pool_size: integer(1, POOL_SIZE_MAX).default(40).register(docs, {
      en: 'Server connections that this user and database have at most.',
      reload: 'at once',
    }),
    min_pool_size: integer(0, POOL_SIZE_MAX).optional().register(docs, {
      en: 'Server connections that are kept open.',
      reload: 'at once',
    }),
    pool_mode: poolMode
      .optional()
      .register(docs, { en: "The pool's mode for this user.", reload: 'new connections' }),
    server_lifetime: duration().optional().register(docs, {
      en: "The pool's server_lifetime for this user.",
      reload: 'new connections',
    }),
  })
  .superRefine((value, context) => {
    const complain = (field: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [field], message });
    };
    const { min_pool_size, pool_size, server_username, server_password } = value;
    if (min_pool_size !== undefined && min_pool_size > pool_size) {
      complain('min_pool_size', `must not be more than pool_size (${pool_size})`);
    }
    if (server_password !== undefined && server_username === undefined) {
      complain('server_password', 'needs server_username beside it');
    }
  }, ALTHOUGH_WRONG);

/** A list, or the legacy TOML form [pools.x.users.0]: a table by number. */
const users = z
  .union([z.array(user), z.record(z.string().regex(/^\d+$/, 'users are numbered from 0'), user)])
  .superRefine((value, context) => {
    const seen = new Set<unknown>();
    for (const [key, each] of Object.entries(value)) {
      const { username }: { readonly username?: unknown } = Object(each);
      if (username !== undefined && seen.has(username)) {
        const path = [Array.isArray(value) ? Number(key) : key, 'username'];
        context.addIssue({ code: 'custom', path, message: 'is there twice' });
      }
      seen.add(username);
    }
  }, ALTHOUGH_WRONG)
  .transform((value) => (Array.isArray(value) ? value : Object.values(value)));

export const authQuery = z.strictObject({
  query: aWord().register(docs, {
    en: "The query for a user's password; $1 is the name, of 256 bytes at most. It returns one row, or none for a user who does not exist, with the MD5 hash or SCRAM verifier in its column passwd, else password, else its only one. With a column valuntil or rolvaliduntil a password of the past is refused.",
    reload: 'at once',
  }),
  user: aWord().register(docs, {
    en: 'Who asks it, straight at server_host and with the TLS of the pool, as application pg_doorman auth_query.',
    reload: 'at once',
  }),
  password: z
    .string()
    .default('')
    .register(docs, { en: 'Their password, in plain text.', reload: 'at once', isSecret: true }),
  database: word.optional().register(docs, {
    en: "The database that it is asked in; by default the pool's name.",
    reload: 'at once',
  }),
  pool_size: integer(1, 1000).default(2).register(docs, {
    en: 'Connections that ask, at most. They are opened when they are needed, and kept.',
    reload: 'at once',
  }),
  server_user: word.optional().register(docs, {
    en: 'Dedicated mode: all whom the query finds share one pool, which logs in as this user. Without it, passthrough mode: everybody has a pool, which logs in with what they have logged in with.',
    reload: 'at once',
  }),
  server_password: z.string().optional().register(docs, {
    en: "That user's password.",
    reload: 'at once',
    isSecret: true,
  }),
  default_pool_size: integer(1, POOL_SIZE_MAX).default(40).register(docs, {
    en: 'pool_size of the shared pool, or of the pool of each user.',
    reload: 'at once',
  }),
  cache_ttl: duration().default(3_600_000).register(docs, {
    en: 'How long a password is believed, and at least min_interval: after a change the old one is taken for so long, unless somebody comes with the new one.',
    reload: 'at once',
  }),
  cache_failure_ttl: duration().default(30_000).register(docs, {
    en: 'How long a user who was not found stays unknown, and at least min_interval.',
    reload: 'at once',
  }),
  min_interval: duration().default(1000).register(docs, {
    en: 'After a wrong password the query is asked again, since it may have been changed; for the same user not more often than this.',
    reload: 'at once',
  }),
});

export const pool = z.strictObject({
  server_host: word.default('127.0.0.1').register(docs, {
    en: 'Host of PostgreSQL, or the directory of its unix socket.',
    reload: 'new connections',
  }),
  server_port: port.default(5432).register(docs, { en: 'Port of PostgreSQL.', reload: 'new connections' }),
  server_database: word.optional().register(docs, {
    en: "The database at PostgreSQL, when it is another than the pool's name.",
    reload: 'new connections',
  }),
  application_name: z.string().default('pg_doorman').register(docs, {
    en: 'application_name of the server connections.',
    reload: 'new connections',
  }),
  connect_timeout: duration({ min: 1 }).optional().register(docs, {
    en: 'connect_timeout of this pool.',
    reload: 'new connections',
  }),
  idle_timeout: duration().optional().register(docs, { en: 'idle_timeout of this pool.', reload: 'at once' }),
  server_lifetime: duration().optional().register(docs, {
    en: 'server_lifetime of this pool.',
    reload: 'new connections',
  }),
  pool_mode: poolMode.default('transaction').register(docs, {
    en: 'When a client gives its server back: after each transaction, or when it disconnects.',
    reload: 'new connections',
  }),
  server_tls_mode: serverTlsMode.optional().register(docs, {
    en: 'server_tls_mode of this pool.',
    reload: 'new connections',
  }),
  server_tls_ca_cert: word.optional().register(docs, {
    en: 'server_tls_ca_cert of this pool.',
    reload: 'new connections',
  }),
  server_tls_certificate: word.optional().register(docs, {
    en: 'server_tls_certificate of this pool.',
    reload: 'new connections',
  }),
  server_tls_private_key: word.optional().register(docs, {
    en: 'server_tls_private_key of this pool.',
    reload: 'new connections',
  }),
  log_client_parameter_status_changes: z.boolean().default(false).register(docs, {
    en: 'Log changes by clients of the parameters that PostgreSQL reports, such as TimeZone.',
    reload: 'at once',
  }),
  cleanup_server_connections: z.boolean().default(true).register(docs, {
    en: 'Reset what a client has changed in its session before another gets the server.',
    reload: 'at once',
  }),
  max_concurrent_creates: integer(1, 10_000).optional().register(docs, {
    en: 'max_concurrent_creates of this pool.',
    reload: 'at once',
  }),
  scaling_warm_pool_ratio: integer(0, 100).optional().register(docs, {
    en: 'scaling_warm_pool_ratio of this pool.',
    reload: 'at once',
  }),
  scaling_fast_retries: integer(0, 10_000).optional().register(docs, {
    en: 'scaling_fast_retries of this pool.',
    reload: 'at once',
  }),
  scaling_cooldown_sleep: duration({ max: 60_000 }).optional().register(docs, {
    en: 'scaling_cooldown_sleep of this pool.',
    reload: 'at once',
  }),
  auth_query: authQuery.optional().register(docs, {
    en: 'Look users up in PostgreSQL that are not listed.',
    reload: 'at once',
  }),
  users: users.default([]).register(docs, { en: 'Who may use this pool.', reload: 'at once' }),
});

export type PoolSection = z.output<typeof pool>;
export type UserSection = PoolSection['users'][number];
export type AuthQuerySection = NonNullable<PoolSection['auth_query']>;
