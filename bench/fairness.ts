/** What "fair" means in figures. */

import type { Histogram } from './histogram.js';

/** How many times as much as the worst served client the best served one got: 1 is perfect; Infinity, somebody got
 *  nothing. */
export function bestOverWorst(answers: Iterable<number>): number {
  const counts = [...answers];
  const worst = Math.min(...counts);
  return worst === 0 ? Number.POSITIVE_INFINITY : Math.max(...counts) / worst;
}

/** The longest wait over the median one. `serviceUs` of each time is the server's work, not waiting. */
export function longestOverMedian(times: Histogram, serviceUs: number): number {
  return waitOf(times.highest, serviceUs) / waitOf(times.quantile(0.5), serviceUs);
}

/** Not below a tenth of a millisecond: waits that nobody notices are all alike. */
function waitOf(timeUs: number, serviceUs: number): number {
  return Math.max(100, timeUs - serviceUs);
}
