/** LISTEN and UNLISTEN, which take effect when the transaction commits. */

/** null: all channels. */
type Action = { readonly type: 'listen' | 'unlisten'; readonly channel: string | null };

/** What a rollback goes back to. */
export type ListensSnapshot = readonly Action[];

export class Listens {
  private readonly listening = new Set<string>();
  private pending: readonly Action[] = [];

  listen(channel: string): void {
    this.pending = [...this.pending, { type: 'listen', channel }];
  }

  unlisten(channel: string | null): void {
    this.pending = [...this.pending, { type: 'unlisten', channel }];
  }

  get snapshot(): ListensSnapshot {
    return this.pending;
  }

  restore(snapshot: ListensSnapshot): void {
    this.pending = snapshot;
  }

  commit(): void {
    for (const { type, channel } of this.pending) {
      if (channel === null) this.listening.clear();
      else if (type === 'listen') this.listening.add(channel);
      else this.listening.delete(channel);
    }
    this.pending = [];
  }

  get isEmpty(): boolean {
    return this.listening.size === 0;
  }

  get channels(): string[] {
    return [...this.listening];
  }
}
