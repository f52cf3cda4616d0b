/** The new process, as the old one sees it: the program that is on disk now, with the arguments that this one has. It
 *  gets the listening socket, a pipe for descriptors, and a channel for messages; nothing else is open in it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { commandArguments, invocation } from '../../program/invocation.js';
import { DescriptorPipe, openDescriptorPipe } from '../../reactor/descriptor-pipe.js';
import { close } from '../../reactor/libc.js';
import { UpgradeFailed } from './failure.js';
import { ToPredecessor, ToSuccessor } from './process-messages.js';

/** Set for the program that is to take this one's place. */
export const SUCCESSOR_VARIABLE = 'PG_DOORMAN_SUCCESSOR';
const CHECK_TIMEOUT_MS = 30_000;
const START_TIMEOUT_MS = 60_000;
/** Of what it says about a bad configuration. */
const OUTPUT_SHOWN_MAX = 4000;

export interface SuccessorEvents {
  onMessage(message: ToPredecessor): void;
  /** It is not there any more. `wasTold`: somebody has told it to end. */
  onEnded(how: string, wasTold: boolean): void;
}

interface Awaited {
  readonly type: ToPredecessor['type'];
  readonly said: () => void;
  readonly failed: (why: string) => void;
}

export class Successor {
  readonly pipe: DescriptorPipe;
  private readonly child: ChildProcess;
  private readonly events: SuccessorEvents;
  private hasEnded = false;
  /** Who waits for it to say something. */
  private awaited: Awaited | null = null;

  private constructor(child: ChildProcess, pipe: DescriptorPipe, events: SuccessorEvents) {
    this.child = child;
    this.pipe = pipe;
    this.events = events;
    child.on('message', (received) => this.received(received));
    child.on('error', (error) => this.ended(error.message, false));
    child.on('exit', (status, signal) => this.ended(signal ?? `exit status ${status}`, status === 0));
  }

  /** Has the program check its configuration. Throws UpgradeFailed with what it says. */
  static async check(): Promise<void> {
    const [program, ...before] = invocation;
    try {
      // It may be deaf to anything less.
      const options = { timeout: CHECK_TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
      await promisify(execFile)(program, [...before, ...commandArguments, '--test-config'], options);
    } catch (error) {
      if (error instanceof Error && 'killed' in error && error.killed === true) {
        const seconds = CHECK_TIMEOUT_MS / 1000;
        throw new UpgradeFailed(`the new program has not checked its configuration after ${seconds} s`);
      }
      throw new UpgradeFailed(`the new program does not accept its configuration: ${outputOf(error)}`);
    }
  }

  /** Starts the program. Throws SystemError. */
  static start(listeningFd: number, events: SuccessorEvents): Successor {
    const [own, theirs] = openDescriptorPipe();
    const [program, ...before] = invocation;
    const child = spawn(program, [...before, ...commandArguments], {
      stdio: ['inherit', 'inherit', 'inherit', listeningFd, theirs, 'ipc'],
      env: { ...process.env, [SUCCESSOR_VARIABLE]: '1' },
    });
    close(theirs);
    return new Successor(child, new DescriptorPipe(own), events);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resolves with the next message of this type; throws UpgradeFailed when it has not come in time, or never will. */
  answered(type: ToPredecessor['type']): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = (settle: () => void): void => {
        clearTimeout(timer);
        this.awaited = null;
        settle();
      };
      const failed = (why: string): void => over(() => reject(new UpgradeFailed(why)));
      const timer = setTimeout(() => {
        failed(`the new process did not serve after ${START_TIMEOUT_MS / 1000} s`);
      }, START_TIMEOUT_MS);
      this.awaited = { type, said: () => over(resolve), failed };
    });
  }

  tell(message: ToSuccessor): void {
    if (this.child.connected) this.child.send(ToSuccessor.encode(message), () => undefined);
  }

  /** Ends it; its end is no event any more. */
  abandon(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.child.kill('SIGKILL');
    this.pipe.close();
    this.awaited?.failed('the new process was given up');
  }

  private received(received: unknown): void {
    if (this.hasEnded) return;
    const message = ToPredecessor.decode(received);
    if (message === null) {
      // Of another kind than this one: whatever it does now, it does not take this one's place.
      this.child.kill('SIGKILL');
      return this.ended('it says what this process does not understand', false);
    }
    if (message.type === this.awaited?.type) this.awaited.said();
    this.events.onMessage(message);
  }

  private ended(how: string, wasTold: boolean): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.pipe.close();
    this.awaited?.failed(`the new process ended before it served: ${how}`);
    this.events.onEnded(how, wasTold);
  }
}

function outputOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const output = ['stderr', 'stdout'].map((name) => String(Reflect.get(error, name) ?? '').trim());
  return (output.find((text) => text !== '') ?? error.message).slice(0, OUTPUT_SHOWN_MAX);
}
