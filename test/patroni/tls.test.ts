/** TLS to the Patroni API: the CA, the client's certificate, and neither. The certificates are made by openssl(1). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Section } from '../support/doorman.js';
import { ProxyProcess } from './proxy-process.js';
import { allRoles } from './scene.js';
import { StandInApi, threeMembers } from './stand-in.js';

const folder = mkdtempSync(join(tmpdir(), 'patroni-proxy-tls-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore', cwd: folder });
}

/** A CA, and certificates of 127.0.0.1 and of a client that it has signed. */
function makeCertificates(): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=CA', '-days', '30');
  writeFileSync(path('san'), 'subjectAltName=IP:127.0.0.1');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', 'san'];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signed);
  }
}
makeCertificates();
const read = (name: string): Buffer => readFileSync(path(name));

/** What `GET /update_clusters` says with this section before an API that may demand a certificate. */
async function outcome(tls: Section | null, demandsCertificate: boolean): Promise<string> {
  const { port, members, facts } = await threeMembers();
  const api = await StandInApi.start(facts(), {
    key: read('server.key'),
    cert: read('server.crt'),
    ca: read('ca.crt'),
    requestCert: demandsCertificate,
    rejectUnauthorized: demandsCertificate,
  });
  const cluster = { hosts: [api.url], ports: allRoles(port), ...(tls !== null && { tls }) };
  const proxy = await ProxyProcess.start({ clusters: { c: cluster } });
  const { body } = await proxy.get('/update_clusters');
  await proxy.stop();
  api.close();
  for (const member of members) member.stop();
  return body;
}

const CA = { ca_cert: path('ca.crt') };
const CLIENT = { client_cert: path('client.crt'), client_key: path('client.key') };

test('an API whose certificate the CA has signed is believed', async () => {
  assert.equal(await outcome(CA, false), 'OK');
});

test('an API whose certificate nobody knows is not believed, and the log says why', async () => {
  assert.match(await outcome(null, false), /c: https:\/\/127\.0\.0\.1:\d+: (UNABLE_TO_VERIFY|SELF_SIGNED)/);
});

test('skip_verify believes everybody', async () => {
  assert.equal(await outcome({ skip_verify: true }, false), 'OK');
});

test('an API that demands a certificate is shown the client’s', async () => {
  assert.equal(await outcome({ ...CA, ...CLIENT }, true), 'OK');
});

test('without that it refuses', async () => {
  assert.match(await outcome(CA, true), /c: https:\/\/127\.0\.0\.1:\d+: \S+/);
});
