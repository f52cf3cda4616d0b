/** Everything that the benchmark says to its load processes, and what they answer: one answer to each command. */

import type { HistogramData } from './histogram.js';
import type { Address } from './messages.js';

export type ToLoad =
  | {
      /** New clients connect and log in; answered by `opened` when each is there or has failed. */
      readonly type: 'open';
      readonly address: Address;
      readonly password: string;
      /** Their numbers, which no other client has had. */
      readonly clients: readonly number[];
      /** Logins at a time. */
      readonly atOnce: number;
      readonly sql: string;
      /** Whether each sends its query once, as soon as it is logged in, before it counts as there. */
      readonly asksOnce: boolean;
      readonly thenLeaves: boolean;
      readonly timeoutMs: number;
    }
  /** Every client that is there sends its query, and the next as soon as it is answered. */
  | { readonly type: 'start' }
  | {
      /** Answers are counted in windows of time; answered by `recorded` when the last is over. */
      readonly type: 'record';
      /** As monotonicMs() says it. */
      readonly beginsAtMs: number;
      readonly windowMs: number;
      readonly windows: number;
    }
  /** Clients leave as soon as they have their answer; answered by `closed` when all have gone. */
  | { readonly type: 'close'; readonly clients: readonly number[] };

export interface Failures {
  readonly count: number;
  /** What was said the first time; empty: there was none. */
  readonly first: string;
}

export interface Window {
  /** Queries answered, by the client's place in `clients`. */
  readonly answers: Uint32Array;
  /** From the query to the end of its answer. */
  readonly times: HistogramData;
}

export type FromLoad =
  | {
      readonly type: 'opened';
      /** The local ports of those that are there, by client. */
      readonly ports: ReadonlyMap<number, number>;
      readonly failures: Failures;
    }
  | { readonly type: 'started' }
  | {
      readonly type: 'recorded';
      readonly clients: readonly number[];
      readonly windows: readonly Window[];
      /** Since the last `recorded`. */
      readonly failures: Failures;
      /** CPU time of this process in that time: 1 is all that one thread can have. */
      readonly busy: number;
    }
  | { readonly type: 'closed' };

/** Milliseconds on a clock that all processes of this machine share. clock_gettime(2), CLOCK_MONOTONIC. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
