/** How the code of a backend waits: it is a generator that yields what it waits for. So it reads like PostgreSQL's own,
 *  which blocks, and it needs neither promises nor timers. */
import type { Message } from '../support/messages.js';

/** What a backend waits for: the next message of the frontend, or that time goes by. */
export type Wait = { readonly type: 'message' } | { readonly type: 'sleep'; readonly ms: number };

/** Code that may wait. It is resumed with a message, or with null after a sleep. */
export type Waiting<T> = Generator<Wait, T, Message | null>;

export const MESSAGE: Wait = { type: 'message' };

export function* nextMessage(): Waiting<Message> {
  for (;;) {
    const message = yield MESSAGE;
    if (message !== null) return message;
  }
}
