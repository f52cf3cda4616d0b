/** CPU time of a process with all its threads, split into user and system. proc_pid_stat(5).
 *
 *  /proc/PID/stat counts in ticks, commonly of 10 ms. Where the kernel keeps it, /proc/PID/task/TID/schedstat gives the
 *  same sum in nanoseconds; then the ticks only say how it divides into user and system. */

import { readdirSync, readFileSync } from 'node:fs';

/** What a process had used up to one moment. */
interface CpuSample {
  /** Ticks. */
  readonly user: number;
  /** Ticks. */
  readonly system: number;
  /** Nanoseconds by thread id; empty where the kernel does not keep them. */
  readonly threads: ReadonlyMap<string, number>;
}

/** CPU time between two moments. Microseconds. */
export interface CpuTime {
  readonly user: number;
  readonly system: number;
  readonly total: number;
}

/** What is used from now on, until `used` is called. */
export class CpuMeter {
  private readonly begin: CpuSample;

  /** Throws when there is no such process. */
  constructor(private readonly pid: number) {
    this.begin = sample(pid);
  }

  /** CPU time since the meter was made; may be asked more than once. Throws when the process has ended. */
  used(): CpuTime {
    const end = sample(this.pid);
    const userByTicks = (end.user - this.begin.user) * MICROSECONDS_PER_TICK;
    const totalByTicks = userByTicks + (end.system - this.begin.system) * MICROSECONDS_PER_TICK;
    let nanoseconds = 0;
    for (const [thread, ran] of end.threads) nanoseconds += ran - (this.begin.threads.get(thread) ?? 0);
    // A thread that ended in between is missing in the finer sum: then the ticks know better.
    const finer = nanoseconds / 1000;
    const total = finer + 4 * MICROSECONDS_PER_TICK < totalByTicks || finer === 0 ? totalByTicks : finer;
    const user = totalByTicks === 0 ? 0 : (total * userByTicks) / totalByTicks;
    return { user, system: total - user, total };
  }
}

/** USER_HZ, what sysconf(_SC_CLK_TCK) returns on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;
const MICROSECONDS_PER_TICK = 1_000_000 / TICKS_PER_SECOND;
/** Where utime stands behind the command's closing bracket; stime follows. */
const UTIME_FIELD = 11;

function sample(pid: number): CpuSample {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    user: Number(fields[UTIME_FIELD]),
    system: Number(fields[UTIME_FIELD + 1]),
    threads: runTimes(pid),
  };
}

function runTimes(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
      times.set(thread, Number.parseInt(text, 10));
    } catch {
      // The thread has just ended, or the kernel keeps no such file.
    }
  }
  return times;
}
