/** Counts of one pool in one worker, in memory that the control plane reads without asking. The worker alone writes the
 *  row; numbers are doubles, exact up to 2^53. A row is 2.8 KB, of which a pool without clients touches nothing. */
import { COUNTED_SQLSTATES, placeOfSqlstate } from './counted-sqlstates.js';
import { BUCKETS, bucketOf } from './histogram.js';
import { usOf } from './ticks.js';

/** What only grows, also when another worker takes the place of one that has died. */
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
  /** Attempts to open a server that failed. */
  OpenFailures,
  Size,
}

/** What there is now. */
export const enum Gauge {
  Clients,
  ClientsWaiting,
  /** Servers in each ServerState, in its order; Closed is not counted. */
  ServersLogin,
  ServersIdle,
  ServersActive,
  ServersCleaning,
  ServersChecking,
  ServersLeaving,
  Size,
}

export const enum Histogram {
  Query,
  Transaction,
  /** For a server; 0 for a client that got one at once. */
  Wait,
  Size,
}

const GAUGES_AT = Counter.Size;
const ERRORS_AT = GAUGES_AT + Gauge.Size;
const HISTOGRAMS_AT = ERRORS_AT + COUNTED_SQLSTATES.length;
const LENGTH = HISTOGRAMS_AT + Histogram.Size * BUCKETS;
/** Whole cache lines, so that workers do not slow each other down. */
const ROW = Math.ceil(LENGTH / 8) * 8;

/** Bytes of shared memory for so many rows. */
export function countersBytes(rows: number): number {
  return rows * ROW * Float64Array.BYTES_PER_ELEMENT;
}

/** One pool's row. */
export class Counters {
  private readonly values: Float64Array;

  constructor(memory: ArrayBufferLike, row: number) {
    this.values = new Float64Array(memory, countersBytes(row), ROW);
  }

  /** A row of zeros in memory of its own. */
  static none(): Counters {
    return new Counters(new ArrayBuffer(countersBytes(1)), 0);
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

  // ── what there is now ──────────────────────────────────────────────────────────────────────────────────────────

  change(gauge: Gauge, by: 1 | -1): void {
    const at = GAUGES_AT + gauge;
    this.values[at] = (this.values[at] as number) + by;
  }

  now(gauge: Gauge): number {
    return this.values[GAUGES_AT + gauge] as number;
  }

  /** The worker has died: what it had is not there any more. */
  forget(): void {
    this.values.fill(0, GAUGES_AT, ERRORS_AT);
  }

  // ── durations ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something has taken so many ticks. */
  took(histogram: Histogram, sum: Counter, ticks: number): void {
    this.values[sum] = (this.values[sum] as number) + usOf(ticks);
    const at = HISTOGRAMS_AT + histogram * BUCKETS + bucketOf(ticks);
    this.values[at] = (this.values[at] as number) + 1;
  }

  /** Something has taken no time at all. */
  tookNone(histogram: Histogram): void {
    const at = HISTOGRAMS_AT + histogram * BUCKETS;
    this.values[at] = (this.values[at] as number) + 1;
  }

  /** How often each bucket was met: a view. */
  buckets(histogram: Histogram): Float64Array {
    const from = HISTOGRAMS_AT + histogram * BUCKETS;
    return this.values.subarray(from, from + BUCKETS);
  }

  // ── errors ─────────────────────────────────────────────────────────────────────────────────────────────────────

  countError(sqlstate: string): void {
    this.add(Counter.Errors, 1);
    const at = ERRORS_AT + placeOfSqlstate(sqlstate);
    this.values[at] = (this.values[at] as number) + 1;
  }

  /** For each of COUNTED_SQLSTATES: a view. */
  get errors(): Float64Array {
    return this.values.subarray(ERRORS_AT, HISTOGRAMS_AT);
  }

  // ── for who reads them ─────────────────────────────────────────────────────────────────────────────────────────

  /** Adds another row to this one. */
  addRow({ values }: Counters): void {
    for (let i = 0; i < LENGTH; i++) this.values[i] = (this.values[i] as number) + (values[i] as number);
  }

  /** Everything is zero again. */
  clear(): void {
    this.values.fill(0);
  }
}
