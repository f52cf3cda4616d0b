/** A session of the model with what stands around it: its frontend, a clock that is moved by hand, its complaints. */
import { int32, type Message, startup, takeMessages } from '../support/messages.js';
import { ModelSession } from './model-session.js';

export class Stage {
  readonly session: ModelSession;
  readonly sends: Buffer[] = [];
  readonly violations: string[] = [];
  isClosed = false;
  private timers: { at: number; action: () => void }[] = [];
  private now = 0;

  constructor(parameters: Record<string, string> = {}) {
    this.session = new ModelSession(
      {
        send: (bytes) => this.sends.push(bytes),
        after: (ms, action) => this.timers.push({ at: this.now + ms, action }),
        close: () => {
          this.isClosed = true;
        },
        violation: (what) => this.violations.push(what),
      },
      4711,
      int32(815),
    );
    this.session.receive(startup({ user: 'postgres', ...parameters }));
  }

  static ready(): Stage {
    const stage = new Stage();
    stage.sends.length = 0;
    return stage;
  }

  /** Returns what comes back at once. */
  hear(...bytes: Buffer[]): Message[] {
    this.sends.length = 0;
    this.session.receive(Buffer.concat(bytes));
    return this.heard;
  }

  get heard(): Message[] {
    return takeMessages(Buffer.concat(this.sends)).messages;
  }

  /** Lets time go by until nothing waits for it. */
  rest(): void {
    for (;;) {
      const timer = this.timers.sort((one, other) => one.at - other.at).shift();
      if (timer === undefined) return;
      this.now = timer.at;
      timer.action();
    }
  }
}
