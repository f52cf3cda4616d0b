/** What monitoring and orchestrators ask over HTTP: `/metrics`, `/health`, `/ready`. An address that cannot be listened
 *  on is told in the log and tried again and again: databases are not to go without a pooler for it, and after a binary
 *  upgrade the process before may still have it for a while. */
import { isIPv6 } from 'node:net';
import { type Answer, HttpServer, type Pages, text } from '../../http/http-server.js';
import type { Log } from '../logs.js';
import { MetricsPage } from './metrics-page.js';
import type { MetricsSource } from './source.js';

const TRY_AGAIN_MS = 5_000;

/** How far the process is in its life. */
export interface LifeSigns {
  /** Clients can connect. */
  readonly isReady: boolean;
  /** It is shutting down. */
  readonly isEnding: boolean;
}

export class MonitoringServer {
  private readonly host: string;
  private readonly port: number;
  private readonly log: Log;
  private readonly pages: Pages;
  private server: HttpServer | null = null;
  private isClosed = false;
  private failure = '';

  /** host: a name or an address, IPv6 with or without brackets. */
  constructor(
    { host, port }: { readonly host: string; readonly port: number },
    source: MetricsSource,
    life: () => LifeSigns,
    log: Log,
  ) {
    this.host = host.replace(/^\[(.*)\]$/, '$1');
    this.port = port;
    this.log = log;
    this.pages = pagesOf(source, life);
  }

  /** Listens, now or as soon as it is possible. */
  async open(): Promise<void> {
    const where = `${isIPv6(this.host) ? `[${this.host}]` : this.host}:`;
    try {
      const server = await HttpServer.open({ host: this.host, port: this.port }, this.pages);
      if (this.isClosed) return server.close();
      this.server = server;
      this.log.info(`metrics on http://${where}${server.port}/metrics, also /health and /ready`);
    } catch (error) {
      this.complain(`${where}${this.port}`, error);
      if (!this.isClosed) setTimeout(() => void this.open(), TRY_AGAIN_MS).unref();
    }
  }

  /** Another process may have the address. */
  close(): void {
    this.isClosed = true;
    this.server?.close();
  }

  /** Once for the same reason. */
  private complain(where: string, error: unknown): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (code === this.failure) return;
    this.failure = code;
    this.log.error(
      `metrics cannot be served on ${where}: ${code}${code === 'EADDRINUSE' ? ' (another process has it)' : ''}; clients are served, and it is tried again every ${TRY_AGAIN_MS / 1000} s`,
    );
  }
}

function pagesOf(source: MetricsSource, life: () => LifeSigns): Pages {
  const page = new MetricsPage(source);
  return {
    '/': () => text(200, 'pg_doorman: /metrics, /health, /ready\n'),
    '/metrics': () => ({
      status: 200,
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: page.bytes,
    }),
    '/health': () => health(source, life()),
    '/ready': () => readiness(source, life()),
  };
}

/** Whether the process is to be left alone: only when all of its workers are gone it would be better started anew. */
function health(source: MetricsSource, { isReady, isEnding }: LifeSigns): Answer {
  const isAlive = !isReady || isEnding || source.workers().some((worker) => worker.isAlive);
  return isAlive ? text(200, 'OK\n') : text(503, 'no worker is alive\n');
}

/** Whether clients are to be sent here. That databases can be reached is no part of it: one that cannot would keep
 *  clients away from all others. */
function readiness(source: MetricsSource, { isReady, isEnding }: LifeSigns): Answer {
  if (isEnding) return text(503, 'shutting down\n');
  if (!isReady) return text(503, 'starting\n');
  const first = source.workers()[0]; // it accepts the clients of all
  return first?.isAlive === true ? text(200, 'OK\n') : text(503, 'nobody accepts clients for a moment\n');
}
