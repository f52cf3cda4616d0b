/** Counts of one pool in one worker, in memory that the control plane reads without asking. The worker alone writes the
 *  row; numbers are doubles, exact up to 2^53. */

export const enum Counter {
  Transactions,
  Queries,
  /** Bytes from clients and to clients. */
  Received,
  Sent,
  /** Microseconds. */
  TransactionTime,
  QueryTime,
  WaitTime,
  Errors,
  ServersOpened,
  ServersClosed,
  PreparedHits,
  PreparedMisses,
  Assignments,
  /** Servers that came from another worker. */
  HandOvers,
  Size,
}

/** Bytes of shared memory for so many rows. */
export function countersBytes(rows: number): number {
  return rows * Counter.Size * Float64Array.BYTES_PER_ELEMENT;
}

/** One pool's row. */
export class Counters {
  private readonly values: Float64Array;

  constructor(memory: SharedArrayBuffer, row: number) {
    this.values = new Float64Array(memory, countersBytes(row), Counter.Size);
  }

  add(counter: Counter, amount: number): void {
    this.values[counter] = (this.values[counter] as number) + amount;
  }

  /** All to 0: the row is another pool's from now on. */
  reset(): void {
    this.values.fill(0);
  }

  get(counter: Counter): number {
    return this.values[counter] as number;
  }
}
