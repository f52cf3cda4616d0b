/** A backend of PostgreSQL 18 for the simulator: one connection, from its StartupMessage on. */

/** What stands around a session: its frontend, the clock, and who is told of the frontend's faults. */
export interface SessionHost {
  /** Whole messages to the frontend. */
  send(bytes: Buffer): void;
  /** In virtual time. */
  after(ms: number, action: () => void): void;
  /** The backend ends the connection. */
  close(): void;
  /** The frontend has done what it must never do. */
  violation(what: string): void;
}

export class ModelSession {
  readonly status: 'I' | 'T' | 'E' = 'I';
  readonly isBusy: boolean = false;
  constructor(_host: SessionHost, _processId: number, _secret: Buffer) {}
  receive(_bytes: Buffer): void {}
  cancel(): void {}
  terminate(): void {}
  leftovers(): string[] {
    return [];
  }
}
