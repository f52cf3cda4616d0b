/** HAProxy before the same cluster, with the checks of Patroni's documentation, "HAProxy". */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.js';
import { NODES } from '../patroni-cluster.js';

const PROGRAM = '/usr/sbin/haproxy';

export class Haproxy {
  private constructor(
    readonly leaderPort: number,
    readonly replicasPort: number,
    private readonly directory: string,
    private readonly child: ChildProcess,
  ) {}

  /** `memberPort`: of every node; `apiPort`: of every node's Patroni. */
  static async start(intervalS: number, memberPort: number, apiPort: number): Promise<Haproxy> {
    const directory = mkdtempSync(join(tmpdir(), 'chain-haproxy-'));
    const [leaderPort, replicasPort] = [await freePort(), await freePort()];
    const servers = NODES.map((name, at) => {
      return `  server ${name} 127.0.0.${at + 1}:${memberPort} maxconn 100 check port ${apiPort}`;
    });
    const section = (name: string, port: number, path: string): string[] => [
      `listen ${name}`,
      `  bind 127.0.0.1:${port}`,
      `  option httpchk OPTIONS ${path}`,
      '  http-check expect status 200',
      `  default-server inter ${intervalS}s fall 3 rise 2 on-marked-down shutdown-sessions`,
      ...servers,
    ];
    const file = join(directory, 'haproxy.cfg');
    const text = [
      'global',
      '  maxconn 100',
      '  nbthread 1',
      'defaults',
      '  mode tcp',
      '  retries 2',
      '  timeout client 30m',
      '  timeout connect 4s',
      '  timeout server 30m',
      '  timeout check 5s',
      ...section('leader', leaderPort, '/primary'),
      ...section('replicas', replicasPort, '/replica'),
      '',
    ];
    writeFileSync(file, text.join('\n'));
    const child = spawn(PROGRAM, ['-f', file], { stdio: 'ignore' });
    await once(child, 'spawn');
    return new Haproxy(leaderPort, replicasPort, directory, child);
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await gone;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
