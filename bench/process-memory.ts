/** Resident memory of a process, now and at its highest, and its limit of descriptors. proc_pid_status(5). */

import { readFileSync, writeFileSync } from 'node:fs';

export interface ProcessMemory {
  /** Bytes resident now. */
  readonly rss: number;
  /** The most since the process began or resetPeak was called. Bytes. */
  readonly peak: number;
}

/** Throws when there is no such process. */
export function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return { rss: kilobytes(status, 'VmRSS') * 1024, peak: kilobytes(status, 'VmHWM') * 1024 };
}

/** Lets the peak begin anew. Where the kernel refuses, the peak is the one since the process began. */
export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // proc_pid_clear_refs(5): needs the same user, or root.
  }
}

/** How many descriptors a process may open. */
export function descriptorLimitOf(pid: number): number {
  const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN);
}
