/** Log lines to syslog: a datagram each, in the format of RFC 3164 as local programs write it, without a host name.
 *  syslog(3) does the same, but waits for a syslogd that is slow. */

import type { LogLevel } from '../pooler/thread-messages.js';
import { Errno, SystemError } from '../reactor/libc.js';
import { UnixDatagram } from '../reactor/unix-datagram.js';
import { type LogTarget, Taken } from './log-output.js';

/** Where syslogd listens: on Linux, and where 3.3.1 looked next. */
const PATHS = ['/dev/log', '/var/run/syslog'];
const FACILITY_DAEMON = 3 << 3;
const SEVERITIES: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** What every syslogd takes; a longer line is cut off. Bytes. */
const LINE_MAX = 8192;

export class Syslog implements LogTarget {
  private readonly name: string;
  private readonly paths: readonly string[];
  private socket: UnixDatagram | null = null;

  /** name: of the program, as syslogd sorts by it. path: of its socket, '' for the usual ones. */
  constructor(name: string, path = '') {
    this.name = name;
    this.paths = path === '' ? PATHS : [path];
  }

  /** Why there is no syslog, in words; '' when there is one. */
  connect(): string {
    const failures: string[] = [];
    for (const path of this.paths) {
      try {
        this.socket = new UnixDatagram(path);
        return '';
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        failures.push(error.message);
      }
    }
    return failures.join(', ');
  }

  take(line: string, level: LogLevel): Taken {
    const datagram = this.datagram(line, level);
    for (let attempt = 0; attempt < 2; attempt++) {
      if (this.socket === null && this.connect() !== '') return Taken.Never;
      const result = this.socket?.send(datagram) ?? 0;
      if (result === 0) return Taken.Yes;
      if (result === -Errno.EAGAIN || result === -Errno.ENOBUFS) return Taken.NotNow;
      // syslogd has been started anew: another socket of the same name.
      this.socket?.close();
      this.socket = null;
    }
    return Taken.Never;
  }

  goOn(): boolean {
    return true;
  }

  awaitRoom(timeoutMs: number): void {
    this.socket?.awaitRoom(timeoutMs);
  }

  private datagram(line: string, level: LogLevel): Uint8Array {
    const priority = FACILITY_DAEMON | SEVERITIES[level];
    const head = `<${priority}>${timestamp(new Date())} ${this.name}[${process.pid}]: `;
    return Buffer.from(head + line).subarray(0, LINE_MAX);
  }
}

/** `Nov  2 03:04:05`, local time. RFC 3164, 4.1.2. */
function timestamp(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = String(time.getDate()).padStart(2);
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
  return `${MONTHS[time.getMonth()]} ${day} ${clock}`;
}
