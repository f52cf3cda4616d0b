/** Runs the blocks of one page, as a reader would who has a terminal, a PostgreSQL and an empty directory. Ports of the
 *  page are replaced by free ones, 5432 by that of PostgreSQL. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Output } from '../support/doorman.js';
import { freePort } from '../support/free-port.js';
import { endWithFile } from '../support/leftovers.js';
import { type Block } from './blocks.js';
import { amongOthers, wholly } from './comparison.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Ports that pages listen on, that of PostgreSQL apart. */
const PORTS = /\b(3000|6432|6433|6434|8008|8009|9127)\b/g;
const POSTGRES_PORT = /\b5432\b/g;
const SERVES = /listening on/;
/** What a command may take. */
const LIMIT_MS = 60_000;

interface Started {
  readonly child: ChildProcess;
  readonly output: Output;
}

export class Scene {
  private readonly directory = mkdtempSync(join(tmpdir(), 'pg-doorman-page-'));
  private readonly ports: ReadonlyMap<string, number>;
  private readonly started: Started[] = [];
  private printed = '';

  private constructor(
    private readonly postgresPort: number,
    ports: ReadonlyMap<string, number>,
  ) {
    this.ports = ports;
    mkdirSync(join(this.directory, 'bin'));
    for (const name of ['pg_doorman', 'patroni_proxy']) {
      const program = join(ROOT, `dist/cli/${name}.js`);
      this.write(`bin/${name}`, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, 0o755);
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.directory, 'node_modules'));
  }

  static async set(page: string, postgresPort: number): Promise<Scene> {
    const ports = new Map<string, number>();
    for (const port of new Set(page.match(PORTS))) {
      let free = await freePort();
      while ([...ports.values()].includes(free)) free = await freePort();
      ports.set(port, free);
    }
    return new Scene(postgresPort, ports);
  }

  /** Throws when it does not do what the page says. */
  async play({ task, text, language }: Block): Promise<void> {
    const content = this.translated(text);
    const file = /^file=(\S+)$/.exec(task)?.[1];
    if (file !== undefined) this.write(file, content, 0o600);
    else if (language === 'sh' && (task === 'run' || task === 'fails'))
      await this.runs(content, task === 'run');
    else if (language === 'sh' && task === 'start') await this.starts(content);
    else if (task === 'output') {
      if (!wholly(text).test(this.printed)) throw new Error(`it has printed:\n${this.printed}`);
    } else if (task === 'log') await this.logs(text);
  }

  /** Ends what was started, and removes all that was written. */
  async end(): Promise<void> {
    for (const { child, output } of this.started) {
      const [, successor] = [...output.text.matchAll(/process (\d+) serves in place of/g)].at(-1) ?? [];
      kill(-(child.pid ?? 0));
      if (successor !== undefined) kill(Number(successor));
      await output.closed();
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async runs(command: string, succeeds: boolean): Promise<void> {
    const child = this.shell(command);
    const output = new Output(child);
    const timer = setTimeout(() => kill(-(child.pid ?? 0), 'SIGKILL'), LIMIT_MS);
    const [status] = await once(child, 'close');
    clearTimeout(timer);
    this.printed = output.text;
    if ((status === 0) !== succeeds) throw new Error(`it has ended with ${status}:\n${this.printed}`);
  }

  private async starts(command: string): Promise<void> {
    const child = this.shell(command);
    const output = new Output(child);
    this.started.push({ child, output });
    child.once(
      'exit',
      endWithFile(() => kill(-(child.pid ?? 0), 'SIGKILL')),
    );
    await output.find(SERVES);
  }

  private async logs(expected: string): Promise<void> {
    const output = this.started.at(-1)?.output;
    if (output === undefined) throw new Error('nothing has been started');
    await output.find(amongOthers(expected));
  }

  /** In a process group of its own. */
  private shell(command: string): ChildProcess {
    return spawn('bash', ['-euo', 'pipefail', '-c', command], {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: `${join(this.directory, 'bin')}:${dirname(process.execPath)}:${process.env.PATH}`,
        HOME: this.directory,
        LANG: 'C.UTF-8',
        TZ: 'UTC',
      },
    });
  }

  private write(name: string, content: string, mode: number): void {
    const file = join(this.directory, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode });
  }

  private translated(text: string): string {
    return text
      .replace(PORTS, (port) => String(this.ports.get(port)))
      .replace(POSTGRES_PORT, String(this.postgresPort));
  }
}

/** It may have ended meanwhile. */
function kill(pid: number, signal: NodeJS.Signals = 'SIGTERM'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
