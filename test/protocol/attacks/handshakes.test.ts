/** TLS handshakes that stop half-way, by the thousand: afterwards the process is as it was before. docs/security.md has
 *  the list. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { after, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Authority, secretFile } from '../../support/certificates.js';
import { Doorman } from '../../support/doorman.js';
import { pool } from '../../support/shared-postgres.js';
import { askedForTls, logInOverTls } from '../../support/tls-client.js';

const HANDSHAKES = 10_000;
/** At a time. */
const TOGETHER = 250;
const GROWTH_MAX_KB = 24 * 1024;

const authority = new Authority('CA of the tests');
const { certificate, privateKey } = authority.signLocal();
const hello = await clientHello();

/** How far a client comes before it stops. */
const HALVES: readonly (readonly [string, (port: number) => Promise<Socket>])[] = [
  ['says nothing after the S', (port) => askedForTls(port)],
  ['stops in the middle of its ClientHello', (port) => asked(port, hello.subarray(0, hello.length >> 1))],
  ['does not answer the ServerHello', (port) => answered(port)],
  ['breaks off with nonsense', (port) => asked(port, Buffer.concat([hello, Buffer.alloc(64, 0x55)]))],
  ['begins without SSLRequest', (port) => direct(port)],
];

/** The first flight of a handshake, as Node.js makes it. */
async function clientHello(): Promise<Buffer> {
  let sent: (bytes: Buffer) => void = () => {};
  const first = new Promise<Buffer>((resolve) => {
    sent = resolve;
  });
  const socket = new Duplex({
    read: () => {},
    write: (bytes: Buffer, _encoding, done) => {
      sent(bytes);
      done();
    },
  });
  const tls = connectTls({ socket, servername: 'localhost', ALPNProtocols: ['postgresql'] });
  tls.on('error', () => {});
  const bytes = await first;
  tls.destroy();
  return bytes;
}

async function asked(port: number, bytes: Buffer): Promise<Socket> {
  const socket = await askedForTls(port);
  socket.write(bytes);
  return socket;
}

async function answered(port: number): Promise<Socket> {
  const socket = await asked(port, hello);
  await once(socket, 'data');
  return socket;
}

async function direct(port: number): Promise<Socket> {
  const socket = connectPlain({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(hello);
  await once(socket, 'data');
  return socket;
}

/** Descriptors that the process has open. */
const descriptorsOf = ({ pid }: Doorman): number => readdirSync(`/proc/${pid}/fd`).length;
const residentKb = ({ pid }: Doorman): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

describe(`${HANDSHAKES} handshakes that stop half-way`, async () => {
  const doorman = await Doorman.start({
    general: {
      tls_certificate: secretFile(certificate),
      tls_private_key: secretFile(privateKey),
      worker_threads: 2,
    },
    pools: { postgres: pool() },
  });
  after(() => doorman.stop());
  const { port } = doorman;

  /** So many, some at a time, in all ways. */
  async function stopHalfWay(count: number): Promise<void> {
    for (let begun = 0; begun < count; begun += TOGETHER) {
      const sockets = await Promise.all(
        Array.from({ length: TOGETHER }, (_, i) => (HALVES[i % HALVES.length]?.[1] ?? askedForTls)(port)),
      );
      for (const each of sockets) each.destroy(); // a reset where something is unread
    }
  }

  test('leave neither descriptors nor memory behind, and clients that are there do not notice', async () => {
    const client = await logInOverTls(port, { ca: authority.pem });
    await stopHalfWay(1000); // what is made once, and kept
    const descriptors = descriptorsOf(doorman);
    const kb = residentKb(doorman);
    let isOver = false;
    const attack = stopHalfWay(HANDSHAKES).finally(() => {
      isOver = true;
    });
    let answers = 0;
    while (!isOver) {
      assert.equal(await client.value(`select ${answers}`), String(answers));
      answers++;
    }
    await attack;
    assert.ok(answers > 100, `only ${answers} queries were answered meanwhile`);
    // What is closed is told by the next one that is served.
    while (
      Number((await doorman.admin('show lists')).find(({ list }) => list === 'login_clients')?.items) > 0
    );
    const grown = residentKb(doorman) - kb;
    assert.ok(grown < GROWTH_MAX_KB, `grew by ${grown} KB`);
    while (descriptorsOf(doorman) > descriptors);
    client.close();
    const after = await logInOverTls(port, { ca: authority.pem });
    assert.equal(await after.value('select 1'), '1');
    after.close();
  });
});
