/** A small HTTP server for operators, scrapers and orchestrators: pages by path, GET and HEAD. Nobody can occupy it for
 *  long: connections, headers, the time for a request and the time for taking its answer are limited. Of both programs. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly contentType: 'text/plain' | 'application/json' | 'text/plain; version=0.0.4; charset=utf-8';
  readonly body: string | Uint8Array;
}

/** Answers by path; each may take a while. */
export type Pages = Readonly<Record<string, () => Promise<Answer> | Answer>>;

export const HTTP_LIMITS = {
  /** One more is closed at once. */
  connections: 200,
  /** Larger headers are answered with 431. */
  headerBytes: 8 * 1024,
  /** For a request to come, from the beginning of the connection. */
  requestTimeoutMs: 10_000,
  /** For an answer to be taken, from the moment that it is ready. */
  answerTimeoutMs: 30_000,
};

/** Longer than scrapers usually pause. */
const KEEP_ALIVE_MS = 75_000;
/** How often is looked who has taken too long for a request, at most. */
const CHECK_INTERVAL_MS = 5_000;

/** Text with a line end, as people with curl want it. */
export function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain', body };
}

export class HttpServer {
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  /** Listens. Throws the system's error when the address cannot be listened on. port 0: any that is free. */
  static async open(
    { host, port }: { readonly host: string; readonly port: number },
    pages: Pages,
    limits = HTTP_LIMITS,
  ): Promise<HttpServer> {
    const { connections, headerBytes, requestTimeoutMs, answerTimeoutMs } = limits;
    const server = createServer(
      {
        maxHeaderSize: headerBytes,
        headersTimeout: requestTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, requestTimeoutMs),
      },
      (request, response) => void answer(pages, request, response, answerTimeoutMs),
    );
    server.maxConnections = connections;
    server.listen(port, host);
    await once(server, 'listening');
    server.on('error', () => undefined); // one connection could not be accepted; the others go on
    return new HttpServer(server);
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

async function answer(
  pages: Pages,
  request: IncomingMessage,
  response: ServerResponse,
  timeoutMs: number,
): Promise<void> {
  const { status, contentType, body } = await pageOf(pages, request);
  // Also when the peer takes a byte now and then.
  const deadline = setTimeout(() => response.destroy(), timeoutMs).unref();
  response.once('close', () => clearTimeout(deadline));
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    ...(status === 405 && { allow: 'GET, HEAD' }),
    ...(hasBody(request) && { connection: 'close' }), // nobody reads it
  });
  response.end(request.method === 'HEAD' ? '' : body);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
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
