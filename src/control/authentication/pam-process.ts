/** A process that asks PAM, one question at a time, as the process that started it sees it. It ends with its parent. */
import { type ChildProcess, fork } from 'node:child_process';
import type { PamAnswer, PamQuestion } from '../../pam/libpam.js';

/** PAM could not be asked, or has not answered: neither yes nor no. */
export class PamUnavailable extends Error {
  override readonly name = 'PamUnavailable';
}

export class PamProcess {
  hasEnded = false;
  private readonly child: ChildProcess;
  private idleTimer: NodeJS.Timeout | null = null;

  /** `program`: checker-main.js. */
  constructor(program: string) {
    this.child = fork(program, [String(process.pid)], {
      serialization: 'advanced', // passwords are bytes
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      detached: true, // what a terminal sends to all is not meant for it
    });
    this.child.once('exit', () => {
      this.hasEnded = true;
      if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    });
    this.child.on('error', () => {
      this.hasEnded = true; // it could not be started, or not be reached: ask() says so
    });
  }

  /** Throws PamUnavailable when it ends, or when it takes too long and is ended. */
  ask(question: PamQuestion, limitMs: number): Promise<PamAnswer> {
    const { child } = this;
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        stop();
        this.kill();
        reject(new PamUnavailable(why));
      };
      const answered = (answer: PamAnswer): void => {
        stop();
        resolve(answer);
      };
      const ended = (status: number | null, signal: string | null): void => {
        fail(`the process that asks PAM ended with ${signal ?? `status ${status}`}`);
      };
      const failed = (error: Error): void => fail(`the process that asks PAM failed: ${error.message}`);
      const timer = setTimeout(() => fail(`PAM has not answered for ${limitMs} ms`), limitMs);
      const stop = (): void => {
        clearTimeout(timer);
        child.off('message', answered).off('exit', ended).off('error', failed);
      };
      child.once('message', answered).once('exit', ended).once('error', failed);
      child.send(question);
    });
  }

  /** Ends it when nobody asks it anything for so long. */
  endAfter(idleMs: number): void {
    this.idleTimer = setTimeout(() => this.kill(), idleMs);
  }

  private kill(): void {
    this.hasEnded = true;
    this.child.kill('SIGKILL');
  }
}
