/** The pooler under soak: the compiled command with a file whose limits make things change often. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { stringify } from 'yaml';

const COMMAND = fileURLToPath(new URL('../../dist/cli/pg_doorman.js', import.meta.url));
const ADMIN_PASSWORD = 'admin of the soak';
export const POOL_SIZE = 10;

export class Pooler {
  readonly port: number;
  readonly pid: number;
  private readonly child: ChildProcess;
  private readonly directory: string;
  /** What it has logged as a warning or an error. */
  readonly complaints: string[];

  private constructor(port: number, child: ChildProcess, directory: string, complaints: string[]) {
    this.port = port;
    this.pid = child.pid ?? 0;
    this.child = child;
    this.directory = directory;
    this.complaints = complaints;
  }

  /** Returns when it listens. Throws when it does not come up. */
  static async start(postgresPort: number): Promise<Pooler> {
    const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-soak-'));
    const file = join(directory, 'pg_doorman.yaml');
    writeFileSync(file, stringify(settings(postgresPort)), { mode: 0o600 });
    const child = spawn(process.execPath, [COMMAND, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout === null) throw new Error('pg_doorman has no stdout');
    const complaints: string[] = [];
    const lines = createInterface(child.stdout);
    return new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        if (/ (WARN|ERROR) /.test(line)) complaints.push(line);
        const port = /listening on .*:(\d+), pg_doorman/.exec(line)?.[1];
        if (port !== undefined) resolve(new Pooler(Number(port), child, directory, complaints));
      });
      lines.on('close', () => reject(new Error(`pg_doorman does not start:\n${complaints.join('\n')}`)));
    });
  }

  /** The rows that the admin console answers with. */
  async admin(command: string): Promise<Record<string, string>[]> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.port,
      user: 'admin',
      database: 'pgdoorman',
      password: ADMIN_PASSWORD,
    });
    await client.connect();
    try {
      return (await client.query<Record<string, string>>(command)).rows;
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill();
      await once(this.child, 'exit');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Servers grow old within a minute and statements are forgotten soon: what leaks then leaks often. */
function settings(postgresPort: number): unknown {
  return {
    general: {
      host: '127.0.0.1',
      port: 0,
      admin_password: ADMIN_PASSWORD,
      pg_hba: 'host all all 127.0.0.1/32 trust',
      worker_threads: 1,
      log_client_connections: false,
      log_client_disconnections: false,
      server_lifetime: '60s',
      retain_connections_time: '5s',
      prepared_statements_cache_size: 500,
    },
    pools: {
      postgres: {
        server_host: '127.0.0.1',
        server_port: postgresPort,
        users: [{ username: 'postgres', pool_size: POOL_SIZE }],
      },
    },
  };
}
