/** A listener on a unix socket for datagrams, as syslogd and systemd have; Node.js has none of its own. */
import assert from 'node:assert/strict';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../../src/reactor/kernel-structs.js';
import { bind, close, Errno, type Fd, read, socket } from '../../src/reactor/libc.js';
import { endWithFile } from './leftovers.js';

const POLL_MS = 5;
const DATAGRAM_MAX = 65_536;

export class DatagramListener {
  readonly received: string[] = [];
  private readonly fd: Fd;
  private readonly looking: NodeJS.Timeout;
  private readonly waiting = new Set<() => void>();

  /** path: of the socket, or an abstract name that begins with @. `isDeaf`: it reads nothing. */
  constructor(path: string, isDeaf = false) {
    this.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK) as Fd;
    assert.equal(bind(this.fd, addressOf(path)), 0, `${path} cannot be listened on`);
    this.looking = setInterval(() => this.look(), POLL_MS);
    if (isDeaf) clearInterval(this.looking);
    endWithFile(() => clearInterval(this.looking));
  }

  /** Returns when a datagram matches, one that came before counts. */
  got(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.received.map((each) => pattern.exec(each)).find((match) => match !== null);
        if (found === undefined) return;
        this.waiting.delete(look);
        resolve(found);
      };
      this.waiting.add(look);
      look();
    });
  }

  /** Reads what there is now. */
  look(): void {
    const bytes = new Uint8Array(DATAGRAM_MAX);
    for (;;) {
      const length = read(this.fd, bytes);
      if (length < 0) {
        assert.equal(length, -Errno.EAGAIN);
        break;
      }
      this.received.push(Buffer.from(bytes.subarray(0, length)).toString());
    }
    for (const each of this.waiting) each();
  }

  close(): void {
    clearInterval(this.looking);
    close(this.fd);
  }
}

/** struct sockaddr_un, unix(7). */
function addressOf(path: string): Uint8Array {
  const isAbstract = path.startsWith('@');
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
  return Buffer.concat([Buffer.from([AF_UNIX, 0]), name]);
}
