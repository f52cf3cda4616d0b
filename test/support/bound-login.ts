/** SCRAM over TLS in the hands of a test: which mechanism, which header, bound to what. Without the code that is
 *  tested. RFC 5802, RFC 5929. */
import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type ScramSecret, saslInitialResponse } from '../fuzz/scram.js';
import { type Message, startup } from './messages.js';
import { openTls } from './tls-client.js';
import { WireClient } from './wire-client.js';

export const PLUS = 'SCRAM-SHA-256-PLUS';
export const PLAIN = 'SCRAM-SHA-256';
export const BOUND = 'p=tls-server-end-point,,';

/** How a client goes about it; by default as a good one with channel binding. */
export interface Manner {
  readonly mechanism?: string;
  readonly header?: string;
  /** What stands behind the header in the last message; undefined: what is right for the certificate. */
  readonly data?: Buffer;
}

/** tls-server-end-point of the certificate that this side sees, when that is signed with SHA-256 or less. */
function endPointOf(socket: TLSSocket): Buffer {
  return createHash('sha256').update(socket.getPeerCertificate().raw).digest();
}

/** The mechanisms in AuthenticationSASL. */
function mechanismsIn(message: Message | undefined): string[] {
  if (message?.tag !== 'R' || message.body.readInt32BE(0) !== 10) return [];
  return message.body
    .toString('latin1', 4)
    .split('\0')
    .filter((name) => name !== '');
}

/** Logs in over TLS. Returns what was offered, and what was said after the client's last word. */
export async function boundLogin(
  port: number,
  user: string,
  secret: ScramSecret,
  { mechanism = PLUS, header = mechanism === PLUS ? BOUND : 'n,,', data }: Manner = {},
): Promise<{ offered: string[]; answer: Message[]; client: WireClient }> {
  const socket = await openTls(port, { rejectUnauthorized: false });
  const binding = data ?? (header === BOUND ? endPointOf(socket) : Buffer.alloc(0));
  const client = WireClient.over(socket);
  client.send(startup({ user, database: 'app' }));
  const [asked] = await client.until('R', 'E');
  const offered = mechanismsIn(asked);
  client.send(saslInitialResponse(secret.clientFirst(header), mechanism));
  const first = await client.until('R', 'E');
  if (first.at(-1)?.tag !== 'R') return { offered, answer: first, client };
  const serverFirst = first.at(-1)?.body.toString('latin1', 4) ?? '';
  client.send(secret.clientFinal(serverFirst, Buffer.concat([Buffer.from(header), binding])));
  return { offered, answer: await client.until('Z', 'E'), client };
}
