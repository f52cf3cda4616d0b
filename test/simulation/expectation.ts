/** What a client that is alone with PostgreSQL would hear: the same messages go to a session of the model, and what comes
 *  back through the pooler must be the same, message by message. */
import { errorFields, type Message, takeMessages } from '../support/messages.js';
import { ModelSession } from './model-session.js';

/** Messages that come when they like, and say nothing of the order of answers. */
const UNASKED = 'S';

export class Expectation {
  private readonly session: ModelSession;
  private readonly lines: string[] = [];
  /** What the session waits for: virtual time does not pass for it, it goes on when the answer is there. */
  private readonly pending: (() => void)[] = [];
  private isHidden = false;

  constructor(startup: Buffer) {
    this.session = new ModelSession(
      {
        send: (bytes) => this.heard(bytes),
        after: (_ms, action) => this.pending.push(action),
        close: () => undefined,
        violation: () => undefined,
      },
      1,
      Buffer.alloc(4),
    );
    this.hidden(startup);
  }

  /** The client says this. */
  said(bytes: Buffer): void {
    this.session.receive(bytes);
  }

  /** It happens to the session unseen: what pooling does between transactions. */
  hidden(bytes: Buffer): void {
    this.isHidden = true;
    this.session.receive(bytes);
    this.isHidden = false;
  }

  /** A message came: what should have come instead, null when it is right. */
  differs(message: Message): string | null {
    const got = lineOf(message);
    if (message.tag === UNASKED) return null;
    while (this.lines.length === 0 && this.pending.length > 0) {
      if (got === 'E ERROR 57014') {
        this.pending.length = 0;
        this.session.cancel();
      } else this.pending.shift()?.();
    }
    const expected = this.lines.shift() ?? 'silence';
    // In a failed transaction a server that does not have a statement cannot say what is wrong with a Bind.
    const isSame = expected === got || (expected === 'E ERROR 08P01' && got === 'E ERROR 25P02');
    return isSame ? null : expected;
  }

  /** Whether all has been answered. */
  get isMet(): boolean {
    return this.lines.length === 0 && this.pending.length === 0;
  }

  get status(): string {
    return this.session.status;
  }

  /** What is expected next, for the story. */
  get next(): string {
    return this.lines[0] ?? (this.pending.length > 0 ? 'what takes its time' : 'nothing');
  }

  private heard(bytes: Buffer): void {
    if (this.isHidden) return;
    for (const each of takeMessages(bytes).messages) if (each.tag !== UNASKED) this.lines.push(lineOf(each));
  }
}

/** A message without what may differ. */
export function lineOf(message: Message): string {
  const { tag, body } = message;
  if (tag === 'E') {
    const { S, C } = errorFields(message);
    return `E ${S} ${C}`;
  }
  if (tag === 'T') return `T ${body.readInt16BE(0)}`;
  return tag === 'N' ? 'N' : `${tag} ${body.toString('latin1')}`;
}
