/** The clients of the console, in whatever workers they are connected to. */
import type { AdminConsole } from './console.js';
import { ConsoleSession } from './console-session.js';

export class Consoles {
  private readonly console: AdminConsole;
  private readonly onFailure: (error: unknown) => void;
  /** By client, with the worker that each is connected to. */
  private readonly sessions = new Map<
    number,
    { readonly worker: number; readonly session: ConsoleSession }
  >();

  constructor(console: AdminConsole, onFailure: (error: unknown) => void) {
    this.console = console;
    this.onFailure = onFailure;
  }

  /** What answers these messages of a client. */
  answer(worker: number, client: number, messages: Uint8Array): Promise<Uint8Array> {
    const known = this.sessions.get(client);
    const session = known?.session ?? new ConsoleSession(this.console, this.onFailure);
    if (known === undefined) this.sessions.set(client, { worker, session });
    return session.answer(messages);
  }

  cancel(client: number): void {
    this.sessions.get(client)?.session.cancel();
  }

  ended(client: number): void {
    this.sessions.delete(client);
  }

  /** The worker has died, and its clients have lost their connections. */
  forget(worker: number): void {
    for (const [client, each] of this.sessions) if (each.worker === worker) this.sessions.delete(client);
  }
}
