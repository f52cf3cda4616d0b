/** The HTTP API: what 3.3.1 documents (`GET /`, `GET /update_clusters`), and `/ready`, `/clusters`, `/metrics`. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenAddress } from './listen-address.js';

export interface Answer {
  readonly status: number;
  readonly contentType: 'text/plain' | 'application/json' | 'text/plain; version=0.0.4';
  readonly body: string;
}

/** Answers by path; each may take a while. */
export type Pages = Readonly<Record<string, () => Promise<Answer> | Answer>>;

const CONNECTIONS_MAX = 200;

/** Text with a line end, as people with curl want it. */
export function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain', body };
}

export class HttpApi {
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  /** Listens. Throws the system's error when the address cannot be listened on. */
  static async open({ host, port }: ListenAddress, pages: Pages): Promise<HttpApi> {
    const server = createServer((request, response) => void answer(pages, request, response));
    server.maxConnections = CONNECTIONS_MAX;
    server.listen(port, host);
    await once(server, 'listening');
    return new HttpApi(server);
  }

  get port(): number {
    const address: AddressInfo | string | null = this.server.address();
    return address === null || typeof address === 'string' ? 0 : address.port;
  }

  /** Answers what it has been asked, and nothing more. */
  close(): void {
    this.server.close();
    this.server.closeIdleConnections();
  }
}

async function answer(pages: Pages, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, contentType, body } = await pageOf(pages, request);
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    ...(status === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? '' : body);
}

async function pageOf(pages: Pages, { method, url = '/' }: IncomingMessage): Promise<Answer> {
  const path = url.split('?')[0] ?? '/';
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) return text(404, `there is ${Object.keys(pages).join(', ')}\n`);
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'GET is what there is\n');
  try {
    return await page();
  } catch (error) {
    return text(500, `${error instanceof Error ? error.message : String(error)}\n`);
  }
}
