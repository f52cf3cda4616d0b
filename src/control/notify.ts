/** What the service manager is told, when there is one: sd_notify(3), a datagram to $NOTIFY_SOCKET. Without one nothing
 *  happens. */
import { SystemError } from '../reactor/libc.js';
import { UnixDatagram } from '../reactor/unix-datagram.js';

/** A manager that is this slow is not waited for. */
const ROOM_WAIT_MS = 1000;

export class Notifier {
  private readonly path: string;

  /** path: of the manager's socket, abstract with @ as its first character; '' when there is none. */
  constructor(path: string) {
    this.path = path;
  }

  /** It serves: for the first time, or again after `reloading`. */
  ready(): void {
    this.send('READY=1');
  }

  /** It reads its configuration again; `ready` follows. */
  reloading(): void {
    const microseconds = process.hrtime.bigint() / 1000n; // CLOCK_MONOTONIC
    this.send(`RELOADING=1\nMONOTONIC_USEC=${microseconds}`);
  }

  /** It is about to end, which may take so many milliseconds. */
  stopping(graceMs = 0): void {
    const time = graceMs === 0 ? '' : `\nEXTEND_TIMEOUT_USEC=${Math.ceil(graceMs) * 1000}`;
    this.send(`STOPPING=1${time}`);
  }

  /** Another process is the service from now on. */
  mainPid(pid: number): void {
    this.send(`MAINPID=${pid}`);
  }

  /** A line for `systemctl status`. */
  status(text: string): void {
    this.send(`STATUS=${text.replaceAll('\n', ' ')}`);
  }

  private send(text: string): void {
    if (this.path === '') return;
    try {
      const socket = new UnixDatagram(this.path);
      socket.awaitRoom(ROOM_WAIT_MS);
      socket.send(Buffer.from(text));
      socket.close();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error; // a manager that has gone needs no notice
    }
  }
}

/** The manager of this process. */
export const notify = new Notifier(process.env.NOTIFY_SOCKET ?? '');
