/** A machine to install packages on: this one's files under a layer that takes what is written there, and goes away with
 *  all processes. Its network is ours. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithFile } from '../support/leftovers.js';

/** Its argument is a directory that is the same there as here; the layer is in it. */
const SETUP = `
mkdir "$1/layer"; mount -t tmpfs tmpfs "$1/layer"; cd "$1/layer"; mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
mount --rbind /dev root/dev; mount -t proc proc root/proc
mkdir -p "root$1"; mount --bind "$1" "root$1"
rm -rf root/run/systemd root/usr/sbin/policy-rc.d`;
/** Says when it is in there: until then whoever entered would be on this machine. */
const STAY = `exec chroot root sh -c "echo ready; exec sleep infinity"`;
const UNSHARE = ['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec'];

export class Machine {
  private readonly first: ChildProcess;
  private readonly enter: readonly string[];

  private constructor(first: ChildProcess, enter: readonly string[]) {
    this.first = first;
    this.enter = enter;
  }

  /** Why there can be none here; false when there can. */
  static missing(): string | false {
    if (process.getuid?.() !== 0) return 'NOT TRIED: only root installs packages';
    if (!existsSync('/usr/bin/dpkg-deb')) return 'NOT TRIED: there is no dpkg here';
    const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-machine-'));
    const [program = '', ...args] = [...UNSHARE, SETUP, 'sh', directory];
    const { status } = spawnSync(program, args);
    rmSync(directory, { recursive: true });
    return status === 0 ? false : 'NOT TRIED: nobody may mount an overlay here';
  }

  static async start(shared: string): Promise<Machine> {
    const [program = '', ...args] = [...UNSHARE, `${SETUP}\n${STAY}`, 'sh', shared];
    const first = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    endWithFile(() => first.kill('SIGKILL'));
    await once(first.stdout, 'data');
    const child = readFileSync(`/proc/${first.pid}/task/${first.pid}/children`, 'utf8').trim();
    const options = ['--target', child, '--mount', '--pid', '--root', '--wd'];
    return new Machine(first, ['nsenter', ...options]);
  }

  /** Runs a script of the shell there; returns all that it says. Throws when it fails. */
  run(script: string): string {
    const [program = '', ...args] = [...this.enter, 'sh', '-ec', `exec 2>&1; ${script}`];
    const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${script}\nended with ${status}:\n${stdout}`);
    return stdout;
  }

  /** Starts a program there. */
  spawn(...command: string[]): ChildProcess {
    const [program = '', ...args] = [...this.enter, ...command];
    return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async end(): Promise<void> {
    const ended = once(this.first, 'exit');
    this.first.kill('SIGKILL');
    await ended;
  }
}
