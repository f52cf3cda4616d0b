/** How much memory the messages that clients are still sending may take together: max_memory_usage. Bytes. */
export class MemoryBudget {
  private readonly limit: number;
  taken = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Takes so much; false when there is not so much left. */
  take(bytes: number): boolean {
    if (this.taken + bytes > this.limit) return false;
    this.taken += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.taken -= bytes;
  }
}
