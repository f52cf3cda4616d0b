/** Somebody in between who takes part in TLS: has a certificate of its own (or the server's, stolen), reads all that
 *  passes, and may change it. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Identity } from './certificates.js';
import { endWithFile } from './leftovers.js';
import { askedForTls, secureTls } from './tls-client.js';

export type Edit = (bytes: Buffer) => Buffer;

const asItIs: Edit = (bytes) => bytes;

export class TlsProxy {
  readonly port: number;
  /** All that clients have said within TLS. */
  readonly said: Buffer[];
  private readonly close: () => void;

  private constructor(port: number, said: Buffer[], close: () => void) {
    this.port = port;
    this.said = said;
    this.close = close;
  }

  /** Listens in place of what listens on `target`. `edit` changes what that one answers. */
  static async start(target: number, identity: Identity, edit: Edit = asItIs): Promise<TlsProxy> {
    const said: Buffer[] = [];
    const sockets = new Set<Socket>();
    const server = createServer(async (near) => {
      near.on('error', () => {}); // the other side is ended by 'close'
      sockets.add(near);
      await once(near, 'data'); // SSLRequest
      near.write('S');
      const secure = new TLSSocket(near, {
        isServer: true,
        cert: identity.certificate,
        key: identity.privateKey,
        ciphers: 'DEFAULT@SECLEVEL=0', // certificates of any age
      });
      const far = await secureTls({ socket: await askedForTls(target), rejectUnauthorized: false });
      for (const socket of [secure, far]) socket.on('error', () => {});
      sockets.add(far);
      secure.on('data', (bytes: Buffer) => {
        said.push(bytes);
        far.write(bytes);
      });
      far.on('data', (bytes: Buffer) => secure.write(edit(bytes)));
      secure.on('close', () => far.destroy());
      far.on('close', () => secure.destroySoon());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const close = (): void => {
      for (const each of sockets) each.destroy();
      server.close();
    };
    server.once('close', endWithFile(close));
    return new TlsProxy(address.port, said, close);
  }

  stop(): void {
    this.close();
  }
}
