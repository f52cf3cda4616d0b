/** Daemon mode, -d. Node.js cannot fork, so the command starts itself anew in a session of its own, waits until that
 *  process serves or has said on the terminal why it does not, and ends with its status. daemon(7). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { commandArguments, invocation } from '../program/invocation.js';
import { dup2 } from '../reactor/libc.js';

/** Tells the started process what it is. */
const VARIABLE = 'PG_DOORMAN_IS_DAEMON';
const UMASK = 0o027;
const STANDARD_STREAMS = [0, 1, 2];

/** Starts this command again, as a daemon. The file's name is made absolute: a daemon is elsewhere, and so is the process
 *  that takes its place some day. Returns the exit status: 0 once it serves. */
export async function startDaemon(configFile: string): Promise<number> {
  const [program, ...before] = invocation;
  const others = commandArguments.filter((each) => each !== configFile);
  const child = spawn(program, [...before, ...others, resolve(configFile)], {
    detached: true, // setsid(2)
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [VARIABLE]: '1' },
  });
  const serves = once(child, 'message').then(() => 0);
  const ends = once(child, 'exit').then(([status]) => (typeof status === 'number' ? status : 1));
  return Promise.race([serves, ends]);
}

/** This process, when it was started by startDaemon. */
export class Daemon {
  private readonly giveUp = (): never => process.exit(1);

  /** null in the foreground. */
  static thisProcess(): Daemon | null {
    if (process.env[VARIABLE] === undefined || process.send === undefined) return null;
    delete process.env[VARIABLE]; // programs that it starts are none
    return new Daemon();
  }

  private constructor() {
    process.umask(UMASK);
    process.chdir('/'); // so that it keeps nobody from unmounting anything
    process.once('disconnect', this.giveUp); // interrupted before it serves
  }

  /** It serves: whoever has started it is told, and it lets go of the terminal. */
  serves(): void {
    process.off('disconnect', this.giveUp);
    const nothing = openSync('/dev/null', 'r+');
    for (const stream of STANDARD_STREAMS) dup2(nothing, stream);
    closeSync(nothing);
    process.send?.('serves', () => {
      if (process.connected) process.disconnect();
    });
  }
}
