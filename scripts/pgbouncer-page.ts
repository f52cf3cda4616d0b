/** docs/reference/pgbouncer.md: what becomes of each setting of PgBouncer, as the converter has it. */
import { RULES, type Rule } from '../src/cli/pgbouncer/settings.js';

export function pgbouncerPage(): string {
  const rows = Object.entries(RULES)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, rule]) => `| \`${name}\` | ${meaningOf(name, rule)} |`);
  return `# Settings of PgBouncer

What \`pg_doorman generate --from-pgbouncer\` makes of each setting in the section \`[pgbouncer]\`. The settings here are explained in [Settings](configuration.md); all else that differs is in [Migrating from PgBouncer](../migrating-from-pgbouncer.md).

| PgBouncer | here |
| --- | --- |
${rows.join('\n')}
`;
}

function meaningOf(name: string, rule: Rule): string {
  if (rule.kind === 'none') return `– ${rule.advice}`;
  if (rule.kind === 'elsewhere') return elsewhere(name);
  const { as, preset } = rule;
  return `\`${as}\`${preset === undefined ? '' : `; written also when it is not set, since PgBouncer has ${preset} by default`}`;
}

/** Of settings that several things of ours come from. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  listen_addr: '`host`: one address, or `0.0.0.0` for `*`; several are told of',
  unix_socket_dir: '`host`, when there is no `listen_addr`',
  syslog: '`syslog_prog_name`, with `syslog_ident` as its value',
  syslog_ident: '`syslog_prog_name`',
  pool_mode:
    '`pool_mode` of each pool; PgBouncer has `session` by default; `statement` becomes `transaction`',
  default_pool_size: '`pool_size` of each user; PgBouncer has 20 by default',
  min_pool_size: '`min_pool_size` of each user',
  max_prepared_statements: '`prepared_statements_cache_size`; 0 is `prepared_statements: false`',
  auth_type: '`pg_hba`, and what of `auth_file` is taken as password',
  auth_hba_file: '`pg_hba`, without the lines that have no equal, which are told of',
  auth_file: 'the users of each pool, with their hashes',
  auth_user: '`auth_query.user`',
  auth_query: '`auth_query.query`, wrapped so that the names of columns do not matter',
  auth_dbname: '`auth_query.database`',
  admin_users: '`admin_username`: the first of them, with its password of `auth_file`',
  server_check_delay: '`server_idle_check_timeout`',
  server_check_query:
    '`server_idle_check_timeout`: 0 when it is empty. An empty query is what servers are asked',
  server_lifetime: '`server_lifetime`; PgBouncer has an hour by default',
  query_wait_timeout:
    '`query_wait_timeout`; PgBouncer has 120 seconds by default, and 0 for no end, which becomes a long time',
  client_tls_sslmode: '`tls_mode`',
  client_tls_key_file: '`tls_private_key`',
  client_tls_cert_file: '`tls_certificate`',
  client_tls_ca_file: '`tls_ca_cert`',
};

function elsewhere(name: string): string {
  const meaning = ELSEWHERE[name];
  if (meaning === undefined) throw new Error(`say in scripts/pgbouncer-page.ts what becomes of ${name}`);
  return meaning;
}
