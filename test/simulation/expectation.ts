/** What a client that is alone with PostgreSQL would hear: the same messages go to a session of the model, and what comes
 *  back through the pooler must be the same, message by message. */
import { errorFields, type Message } from '../support/messages.js';
import { ModelSession } from './model-session.js';

/** ParameterStatus: it comes when it likes, and says nothing of the order of answers. */
const UNASKED = 0x53;
const HEADER_LENGTH = 5;
const NOTHING = Buffer.alloc(0);

export class Expectation {
  private readonly session: ModelSession;
  /** Whole messages, of which those from `at` on are still to come. */
  private messages: Buffer = NOTHING;
  private at = 0;
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

  /** The message in bytes[begin, end) came: what should have come instead, null when it is right. */
  differs(bytes: Buffer, begin: number, end: number): string | null {
    if (bytes[begin] === UNASKED) return null;
    while (this.isSilent && this.pending.length > 0) {
      if (bytes[begin] === 0x45 && lineAt(bytes, begin, end) === 'E ERROR 57014') {
        this.pending.length = 0;
        this.session.cancel();
      } else this.pending.shift()?.();
    }
    if (this.isSilent) return 'silence';
    const from = this.at;
    const to = endAt(this.messages, from);
    this.at = to;
    if (to - from === end - begin && bytes.compare(this.messages, from, to, begin, end) === 0) return null;
    const [got, expected] = [lineAt(bytes, begin, end), lineAt(this.messages, from, to)];
    // In a failed transaction a server that does not have a statement cannot say what is wrong with a Bind.
    const isSame = expected === got || (expected === 'E ERROR 08P01' && got === 'E ERROR 25P02');
    return isSame ? null : expected;
  }

  /** Whether all has been answered. */
  get isMet(): boolean {
    return this.pending.length === 0 && this.isSilent;
  }

  get status(): string {
    return this.session.status;
  }

  /** Whether the session is not as it was at first. */
  get isChanged(): boolean {
    return this.session.leftovers().length > 0;
  }

  /** What is expected next, for the story. */
  get next(): string {
    if (this.isSilent) return this.pending.length > 0 ? 'what takes its time' : 'nothing';
    return lineAt(this.messages, this.at, endAt(this.messages, this.at));
  }

  /** Whether nothing is to come for now. */
  private get isSilent(): boolean {
    while (this.messages[this.at] === UNASKED) this.at = endAt(this.messages, this.at);
    return this.at === this.messages.length;
  }

  private heard(bytes: Buffer): void {
    if (this.isHidden) return;
    this.messages = this.isSilent ? bytes : Buffer.concat([this.messages.subarray(this.at), bytes]);
    this.at = 0;
  }
}

function endAt(bytes: Buffer, begin: number): number {
  return begin + 1 + bytes.readInt32BE(begin + 1);
}

/** The message in bytes[begin, end). */
export function messageAt(bytes: Buffer, begin: number, end: number): Message {
  return {
    tag: String.fromCharCode(bytes.readUInt8(begin)),
    body: bytes.subarray(begin + HEADER_LENGTH, end),
  };
}

/** … without what may differ. */
function lineAt(bytes: Buffer, begin: number, end: number): string {
  return lineOf(messageAt(bytes, begin, end));
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
