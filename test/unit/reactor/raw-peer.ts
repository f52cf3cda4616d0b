/** A peer that is not of the reactor: a plain descriptor with memory of its own, read and closed by hand. */
import assert from 'node:assert/strict';
import { SHUT_WR, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../../../src/reactor/kernel-structs.js';
import {
  close,
  connect,
  Errno,
  type Fd,
  mapMemory,
  recv,
  setLinger,
  shutdown,
  socket,
  write,
} from '../../../src/reactor/libc.js';
import type { SocketAddress } from '../../../src/reactor/reactor.js';
import { encodeSocketAddress, familyOf } from '../../../src/reactor/socket-address.js';

const READ_BYTES = 1024 * 1024;
const memory = mapMemory(READ_BYTES);

export class RawPeer {
  private readonly fd: Fd;
  isClosed = false;

  /** Connects at once: the listener's kernel queue takes it, accepted or not. */
  constructor(address: SocketAddress) {
    // Blocking while it connects; reading asks first whether there is something.
    const isUnix = address.kind === 'unix';
    const fd = socket(familyOf(address), SOCK_STREAM | SOCK_CLOEXEC | (isUnix ? SOCK_NONBLOCK : 0));
    assert.ok(fd >= 0);
    this.fd = fd as Fd;
    assert.equal(connect(this.fd, encodeSocketAddress(address)), 0);
  }

  /** What has arrived, at most a megabyte of it; null for nothing yet. Unix sockets only, others would wait. */
  read(): Uint8Array | null {
    const result = recv(this.fd, memory.address, READ_BYTES);
    if (result === -Errno.EAGAIN) return null;
    assert.ok(result >= 0, `recv: ${result}`);
    return new Uint8Array(memory.buffer, 0, result);
  }

  write(bytes: Uint8Array): void {
    assert.equal(write(this.fd, bytes), bytes.length);
  }

  /** Ends its own side; it may still read. */
  shut(): void {
    assert.equal(shutdown(this.fd, SHUT_WR), 0);
  }

  /** RST instead of a proper end. */
  reset(): void {
    setLinger(this.fd, 0);
    this.close();
  }

  close(): void {
    if (!this.isClosed) close(this.fd);
    this.isClosed = true;
  }
}
