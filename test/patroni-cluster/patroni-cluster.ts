/** A real cluster: etcd, and Patroni with PostgreSQL on 127.0.0.1, .2 and .3, all of it in a directory of its own. As
 *  quick as Patroni may be set: it looks every second, and a leader that is dead is replaced after 20. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { stringify } from 'yaml';
import { freePort } from '../support/free-port.js';
import { endWithFile } from '../support/leftovers.js';
import { giveTo, unprivilegedUser } from '../support/unprivileged-user.js';

const POSTGRES = '/usr/lib/postgresql';
const LOOK_MS = 100;
const WAIT_MAX_MS = 60_000;

export interface ClusterMember {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly host: string;
  readonly lag?: number | string;
}

type NodeName = 'node1' | 'node2' | 'node3';
export const NODES: readonly NodeName[] = ['node1', 'node2', 'node3'];

export class PatroniCluster {
  /** PostgreSQL's port on every node. */
  readonly port: number;
  private readonly apiPort: number;
  private readonly etcdPort: number;
  private readonly etcdPeerPort: number;
  private readonly directory: string;
  private readonly patroni: string;
  private readonly runAs = unprivilegedUser();
  private readonly running = new Map<string, ChildProcess>();

  private constructor(patroni: string, ports: readonly number[]) {
    [this.port = 0, this.apiPort = 0, this.etcdPort = 0, this.etcdPeerPort = 0] = ports;
    this.patroni = patroni;
    this.directory = mkdtempSync(join(tmpdir(), 'patroni-cluster-'));
    chmodSync(this.directory, 0o755);
    giveTo(this.runAs, this.directory);
    endWithFile(() => this.killAll());
  }

  /** `patroni`: its program. Returns when there are a leader and two streaming replicas. */
  static async start(patroni: string): Promise<PatroniCluster> {
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
    const cluster = new PatroniCluster(patroni, ports);
    cluster.startEtcd();
    cluster.startNode('node1');
    await cluster.untilLeads('node1');
    cluster.startNode('node2');
    cluster.startNode('node3');
    await cluster.untilWhole();
    return cluster;
  }

  /** Addresses of the Patroni APIs. */
  get apis(): string[] {
    return NODES.map((name) => this.apiOf(name));
  }

  startEtcd(): void {
    const client = `http://127.0.0.1:${this.etcdPort}`;
    const peer = `http://127.0.0.1:${this.etcdPeerPort}`;
    this.spawn('etcd', 'etcd', [
      ...['--data-dir', join(this.directory, 'etcd'), '--name', 'etcd'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `etcd=${peer}`],
    ]);
  }

  stopEtcd(): Promise<void> {
    return this.end('etcd', 'SIGKILL');
  }

  startNode(name: NodeName, tags: Record<string, unknown> = {}): void {
    const file = join(this.directory, `${name}.yml`);
    writeFileSync(file, stringify(this.configurationOf(name, tags)), { mode: 0o644 });
    mkdirSync(this.dataOf(name), { recursive: true, mode: 0o700 });
    giveTo(this.runAs, this.dataOf(name));
    this.spawn(name, this.patroni, [file]);
  }

  /** In good order: PostgreSQL stops, and the node leaves the cluster. */
  async stopNode(name: NodeName): Promise<void> {
    await this.end(name, 'SIGTERM');
  }

  /** Patroni and PostgreSQL are gone at once, as when the machine has lost its power. */
  async killNode(name: NodeName): Promise<void> {
    await this.end(name, 'SIGKILL');
    this.killPostgres(name);
  }

  async switchover(from: string, to: string): Promise<void> {
    const body = JSON.stringify({ leader: from, candidate: to });
    const answer = await fetch(`${this.apiOf(from)}/switchover`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`switchover: ${answer.status} ${await answer.text()}`);
  }

  /** Changes the cluster's dynamic configuration. */
  async configure(changes: Record<string, unknown>): Promise<void> {
    const body = JSON.stringify(changes);
    const answer = await fetch(`${this.apiOf(await this.leader())}/config`, { method: 'PATCH', body });
    if (!answer.ok) throw new Error(`config: ${answer.status} ${await answer.text()}`);
  }

  /** One statement on a node, past the proxy. */
  async query(name: NodeName, sql: string): Promise<pg.QueryResult> {
    const client = new pg.Client({
      host: hostOf(name),
      port: this.port,
      user: 'postgres',
      database: 'postgres',
    });
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  }

  /** As the first API says that answers; empty when none does. */
  async members(): Promise<readonly ClusterMember[]> {
    for (const api of this.apis) {
      try {
        const answer = await fetch(`${api}/cluster`, { signal: AbortSignal.timeout(2000) });
        const { members = [] }: { members?: ClusterMember[] } = JSON.parse(await answer.text());
        if (answer.ok) return members;
      } catch {
        // The next one may know.
      }
    }
    return [];
  }

  async leader(): Promise<NodeName> {
    const members = await this.members();
    const found = NODES.find((name) => isLeader(members, name));
    if (found === undefined) throw new Error('there is no leader');
    return found;
  }

  /** Asks until the members are so. */
  async until(what: string, isSo: (members: readonly ClusterMember[]) => boolean): Promise<void> {
    const endMs = performance.now() + WAIT_MAX_MS;
    let members: readonly ClusterMember[] = [];
    while (performance.now() < endMs) {
      members = await this.members();
      if (isSo(members)) return;
      await sleep(LOOK_MS);
    }
    throw new Error(`it does not come about that ${what}: ${JSON.stringify(members)}\n${this.logs()}`);
  }

  untilLeads(name: NodeName): Promise<void> {
    return this.until(`${name} leads`, (members) => isLeader(members, name));
  }

  /** Returns who leads in place of a dead node. */
  async untilLedByAnother(dead: NodeName): Promise<NodeName> {
    await this.until('there is a new leader', (members) =>
      NODES.some((name) => name !== dead && isLeader(members, name)),
    );
    return this.leader();
  }

  /** A leader, and two replicas that stream. */
  untilWhole(): Promise<void> {
    return this.until('the cluster is whole', (members) => {
      const replicas = members.filter(({ role, state }) => role !== 'leader' && state === 'streaming');
      return (
        replicas.length === 2 && members.some(({ role, state }) => role === 'leader' && state === 'running')
      );
    });
  }

  async remove(): Promise<void> {
    await Promise.all(NODES.map((name) => this.end(name, 'SIGTERM')));
    await this.stopEtcd();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private apiOf(name: string): string {
    return `http://${hostOf(name)}:${this.apiPort}`;
  }

  private dataOf(name: NodeName): string {
    return join(this.directory, name);
  }

  private spawn(name: string, program: string, args: string[]): void {
    const log = join(this.directory, `${name}.log`);
    const child = spawn('sh', ['-c', 'exec "$@" >>"$0" 2>&1', log, program, ...args], {
      ...this.runAs,
      cwd: this.directory,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: this.directory },
      stdio: 'ignore',
    });
    this.running.set(name, child);
  }

  private async end(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.running.get(name);
    this.running.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  private killAll(): void {
    for (const child of this.running.values()) child.kill('SIGKILL');
    for (const name of NODES) this.killPostgres(name);
  }

  private killPostgres(name: NodeName): void {
    const file = join(this.dataOf(name), 'postmaster.pid');
    if (!existsSync(file)) return;
    const postmaster = Number(readFileSync(file, 'utf8').split('\n')[0]);
    // The backends too: they would finish what they are doing.
    const backends = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8')
      .trim()
      .split(' ');
    for (const pid of [postmaster, ...backends.map(Number)]) killIfThere(pid);
    rmSync(file);
  }

  private logs(): string {
    const last = (name: string): string =>
      readFileSync(join(this.directory, `${name}.log`), 'utf8')
        .split('\n')
        .slice(-15)
        .join('\n');
    return [...this.running.keys()].map((name) => `── ${name}\n${last(name)}`).join('\n');
  }

  private configurationOf(name: NodeName, tags: Record<string, unknown>): object {
    const host = hostOf(name);
    return {
      scope: 'test',
      name,
      restapi: { listen: `${host}:${this.apiPort}`, connect_address: `${host}:${this.apiPort}` },
      etcd3: { host: `127.0.0.1:${this.etcdPort}` },
      bootstrap: {
        dcs: {
          ttl: 20, // the least that Patroni allows, as are the next two
          loop_wait: 1,
          retry_timeout: 3,
          maximum_lag_on_failover: 1024 ** 3,
          postgresql: { use_pg_rewind: true, parameters: { wal_keep_size: '512MB', max_connections: 150 } },
        },
        initdb: ['no-sync', 'data-checksums', { encoding: 'UTF8' }, { locale: 'C' }],
      },
      postgresql: {
        listen: `${host}:${this.port}`,
        connect_address: `${host}:${this.port}`,
        bin_dir: postgresPrograms(),
        data_dir: this.dataOf(name),
        pgpass: join(this.directory, `${name}.pgpass`),
        authentication: {
          superuser: { username: 'postgres', password: 'unused' },
          replication: { username: 'replicator', password: 'unused' },
        },
        parameters: { unix_socket_directories: '', fsync: 'off', logging_collector: 'off' },
        pg_hba: [
          'host all all 127.0.0.0/8 trust',
          'host replication all 127.0.0.0/8 trust',
          'local all all trust',
        ],
      },
      tags,
    };
  }
}

function isLeader(members: readonly ClusterMember[], name: string): boolean {
  return members.some((each) => each.name === name && each.role === 'leader' && each.state === 'running');
}

function hostOf(name: string): string {
  return `127.0.0.${name.slice('node'.length)}`;
}

/** Of the newest version that is installed. */
function postgresPrograms(): string {
  const [newest] = readdirSync(POSTGRES).sort((a, b) => Number(b) - Number(a));
  return join(POSTGRES, newest ?? '', 'bin');
}

/** A backend ends whenever its client does. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
