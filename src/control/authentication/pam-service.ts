/** One PAM service: so many questions at a time, each in a process of its own, the others in a queue, and nobody for
 *  longer than the limits. A module that hangs costs only its process; other services are asked by others. */
import { setTimeout as delay } from 'node:timers/promises';
import type { PamAnswer, PamQuestion } from '../../pam/libpam.js';
import { processProgram } from '../../program/parts.js';
import { PamProcess, PamUnavailable } from './pam-process.js';

export interface PamLimits {
  readonly processes: number;
  /** Questions that may wait; one more is refused at once. */
  readonly queued: number;
  /** How long a question may wait for its turn. */
  readonly waitMs: number;
  /** How long an answer may take. */
  readonly answerMs: number;
  /** How long a process stays that nobody needs. */
  readonly idleMs: number;
}

/** The waits together are less than LOGIN_TIMEOUT_MS. A process has about 20 MB of its own. */
const LIMITS: PamLimits = {
  processes: 4,
  queued: 200,
  waitMs: 20_000,
  answerMs: 30_000,
  idleMs: 60_000,
};
/** A module may ask for a refusal to be held back; for no longer than this. */
const DELAY_MAX_MS = 5000;
const PROGRAM = processProgram('pam/checker-main');

interface Waiting {
  readonly begin: () => void;
}

export class PamService {
  private readonly name: string;
  private readonly limits: PamLimits;
  private readonly program: string;
  private asking = 0;
  private readonly queue = new Set<Waiting>();
  private readonly idle: PamProcess[] = [];

  constructor(name: string, limits = LIMITS, program = PROGRAM) {
    this.name = name;
    this.limits = limits;
    this.program = program;
  }

  /** PAM's answer. `signal`: nobody wants it any more. Throws PamUnavailable. */
  async check(question: Omit<PamQuestion, 'service'>, signal: AbortSignal): Promise<PamAnswer> {
    await this.turn(signal);
    let answer: PamAnswer;
    try {
      answer = await this.ask({ service: this.name, ...question });
    } finally {
      this.turnEnds();
    }
    // PAM itself would have slept: this way a guesser holds up nobody but himself.
    if (answer.delayMs > 0) await delay(Math.min(answer.delayMs, DELAY_MAX_MS));
    return answer;
  }

  private async ask(question: PamQuestion): Promise<PamAnswer> {
    const { answerMs, idleMs } = this.limits;
    let asker = this.idle.pop();
    while (asker?.hasEnded === true) asker = this.idle.pop();
    asker ??= new PamProcess(this.program);
    const answer = await asker.ask(question, answerMs);
    this.idle.push(asker);
    asker.endAfter(idleMs);
    return answer;
  }

  /** Returns when it is this question's turn; turnEnds gives it to the next. */
  private turn(signal: AbortSignal): Promise<void> {
    const { processes, queued, waitMs } = this.limits;
    if (this.asking < processes) {
      this.asking++;
      return Promise.resolve();
    }
    if (this.queue.size >= queued) throw new PamUnavailable(`${queued} others are waiting for PAM`);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.queue.delete(waiting);
        clearTimeout(timer);
        signal.removeEventListener('abort', abandon);
      };
      const giveUp = (why: string): void => {
        leave();
        reject(new PamUnavailable(why));
      };
      const abandon = (): void => giveUp('the client has gone');
      const timer = setTimeout(() => giveUp(`PAM was busy with others for ${waitMs} ms`), waitMs);
      const waiting: Waiting = {
        begin: () => {
          leave();
          resolve();
        },
      };
      this.queue.add(waiting);
      signal.addEventListener('abort', abandon);
    });
  }

  private turnEnds(): void {
    const [next] = this.queue;
    if (next === undefined) this.asking--;
    else next.begin();
  }
}
