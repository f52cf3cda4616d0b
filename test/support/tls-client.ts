/** Clients with TLS, made of Node's own: what they offer and believe is up to the test. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { packet, SSL_REQUEST } from './messages.js';
import { WireClient } from './wire-client.js';

/** Connects, asks for TLS, and returns the plain socket when the answer is S. Throws when it is another. */
export async function askedForTls(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => {}); // whoever waits sees it end
  await once(socket, 'connect');
  socket.write(packet(SSL_REQUEST));
  const [answer]: Buffer[] = await once(socket, 'data');
  if (String(answer) !== 'S') throw new Error(`the answer to SSLRequest is ${answer}`);
  return socket;
}

/** A handshake behind SSLRequest. Throws when it fails. */
export async function openTls(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return secureTls({ socket: await askedForTls(port), ...options });
}

/** A handshake without SSLRequest. Throws when it fails. */
export function openDirectTls(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return secureTls({ host: '127.0.0.1', port, ...options });
}

/** Logs in over TLS where no password is asked for. */
export async function logInOverTls(
  port: number,
  options: ConnectionOptions,
  user = 'postgres',
  database = 'postgres',
): Promise<WireClient> {
  const client = WireClient.over(await openTls(port, options));
  await client.logIn(user, database);
  return client;
}

/** The handshake itself. Throws when it fails. */
export async function secureTls(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ servername: 'localhost', ...options });
  const ticket = once(socket, 'session').then(([session]: Buffer[]) => session);
  ticket.catch(() => {}); // the handshake has failed: told below
  tickets.set(socket, ticket);
  await once(socket, 'secureConnect');
  return socket;
}

const tickets = new WeakMap<TLSSocket, Promise<Buffer | undefined>>();

/** What its session can be resumed with: it comes after the handshake. */
export async function ticketOf(socket: TLSSocket): Promise<Buffer> {
  const ticket = await tickets.get(socket);
  if (ticket === undefined) throw new Error('there is no ticket');
  return ticket;
}
