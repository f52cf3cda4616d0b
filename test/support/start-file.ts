/** pg_doorman with a file that something else has written. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { COMMAND, Output } from './doorman.js';
import { endWithFile } from './leftovers.js';

export interface Started {
  readonly port: number;
  /** All that it has logged until now. */
  readonly log: string;
  /** Returns its exit status. */
  stop(): Promise<number | null>;
}

/** Returns when it listens. Throws with its log when it does not start. */
export async function startFile(file: string): Promise<Started> {
  const child = spawn(process.execPath, [COMMAND, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.once(
    'exit',
    endWithFile(() => child.kill('SIGKILL')),
  );
  const output = new Output(child);
  const [, port] = await output.find(/listening on .*:(\d+), pg_doorman/);
  return {
    port: Number(port),
    get log() {
      return output.text;
    },
    stop: () => stop(child),
  };
}

async function stop(child: ChildProcess): Promise<number | null> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
  return child.exitCode;
}
