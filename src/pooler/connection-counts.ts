/** Connections of clients since the start, counted by each worker in memory that the control plane reads without
 *  asking. They only grow, also when another worker takes the place of one that has died. */

export const enum Connection {
  /** Accepted. */
  Total,
  /** Logins that were refused, and TLS handshakes that failed. */
  Errors,
  /** What it turned out to be, with its first packet; one that never sends any is none of them. */
  Tls,
  Plain,
  Cancel,
  Size,
}

/** Doubles of a row: a cache line. */
const ROW = 8;

/** Bytes of shared memory for so many workers. */
export function connectionCountsBytes(workers: number): number {
  return workers * ROW * Float64Array.BYTES_PER_ELEMENT;
}

export class ConnectionCounts {
  private readonly counts: Float64Array;

  /** Those of one worker. */
  constructor(memory: SharedArrayBuffer, worker: number) {
    this.counts = new Float64Array(memory, connectionCountsBytes(worker), ROW);
  }

  add(what: Connection): void {
    this.counts[what] = (this.counts[what] as number) + 1;
  }

  get(what: Connection): number {
    return this.counts[what] as number;
  }
}
