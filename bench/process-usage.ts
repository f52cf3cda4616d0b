/** What a process uses: CPU time with all its threads, resident memory, its limit of descriptors. All throw when there is
 *  no such process. proc_pid_stat(5), proc_pid_status(5), proc_pid_clear_refs(5), proc_pid_limits(5). */

import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Microseconds since the process began, in steps of 10,000. */
export interface CpuTime {
  readonly user: number;
  readonly system: number;
}

/** USER_HZ, what sysconf(_SC_CLK_TCK) returns on every architecture that Node.js runs on, is 100. */
const MICROSECONDS_PER_TICK = 10_000;
/** Where utime stands behind the command's closing bracket; stime follows. */
const UTIME_FIELD = 11;

export function cpuTimeOf(pid: number): CpuTime {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const microseconds = (field: number) => Number(fields[field]) * MICROSECONDS_PER_TICK;
  return { user: microseconds(UTIME_FIELD), system: microseconds(UTIME_FIELD + 1) };
}

/** What was used between two moments. */
export function difference(from: CpuTime, to: CpuTime): CpuTime {
  return { user: to.user - from.user, system: to.system - from.system };
}

/** Bytes resident now. */
function residentBytesOf(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/** The most bytes that were resident since the process began or forgetPeakOf was called. */
export function peakBytesOf(pid: number): number {
  return statusBytes(pid, 'VmHWM');
}

/** Lets the peak begin anew. Where the kernel refuses, it stays the one since the process began. */
export function forgetPeakOf(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Needs the same user, or root.
  }
}

const SETTLE_STEP_MS = 500;
const SETTLE_STEPS_MAX = 20;
/** What may still move without being called a change. Bytes. */
const SETTLED_CHANGE = 64 * 1024;

/** Resident bytes once they have not changed for two seconds, or after ten at most. */
export async function settledBytesOf(pid: number): Promise<number> {
  let bytes = residentBytesOf(pid);
  for (let step = 0, still = 0; step < SETTLE_STEPS_MAX && still < 4; step++) {
    await sleep(SETTLE_STEP_MS);
    const now = residentBytesOf(pid);
    still = Math.abs(now - bytes) <= SETTLED_CHANGE ? still + 1 : 0;
    bytes = now;
  }
  return bytes;
}

/** How many descriptors a process may open. */
export function descriptorLimitOf(pid: number): number {
  const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

function statusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
}
