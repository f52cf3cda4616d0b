/** A batch does what as many single calls would do, with AIO and without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../../src/reactor/epoll/batch.js';
import { Gather } from '../../../src/reactor/gather.js';
import { SOCK_NONBLOCK, SOCK_STREAM } from '../../../src/reactor/kernel-structs.js';
import {
  aioDestroy,
  aioSetup,
  close,
  Errno,
  type Fd,
  mapMemory,
  socketPair,
} from '../../../src/reactor/libc.js';

const REQUESTS = 64;
const { address, buffer } = mapMemory(1 << 20);
const memory = new Uint8Array(buffer);
const SENT_AT = 0;
const RECEIVED_AT = 1 << 19;
const context = aioSetup(REQUESTS);
process.on('exit', () => aioDestroy(context));

function pairs(count: number): [Fd, Fd][] {
  return Array.from({ length: count }, () => socketPair(SOCK_STREAM | SOCK_NONBLOCK));
}

function closeAll(connections: readonly [Fd, Fd][]): void {
  for (const ends of connections) for (const fd of ends) close(fd);
}

function resultsOf(batch: Batch, count: number): number[] {
  batch.submit();
  return Array.from({ length: count }, (_, place) => batch.resultOf(place));
}

for (const [kind, batch] of [
  ['with AIO', new Batch(context)],
  ['without AIO', new Batch(-Errno.ENOSYS)],
] as const) {
  test(`what was sent in a batch is received in another (${kind})`, () => {
    assert.equal(batch.missing, kind === 'with AIO' ? '' : 'ENOSYS');
    // More often than its ring has places.
    for (let round = 0; round < 20; round++) {
      const connections = pairs(REQUESTS);
      connections.forEach(([fd], i) => {
        memory.fill(i + round, SENT_AT + i * 100, SENT_AT + i * 100 + i + 1);
        batch.send(fd, address + SENT_AT + i * 100, i + 1);
      });
      assert.ok(batch.isFull);
      assert.deepEqual(
        resultsOf(batch, REQUESTS),
        connections.map((_, i) => i + 1),
      );
      for (const [i, [, fd]] of connections.entries())
        batch.receive(fd, address + RECEIVED_AT + i * 100, 100);
      assert.deepEqual(
        resultsOf(batch, REQUESTS),
        connections.map((_, i) => i + 1),
      );
      connections.forEach((_, i) => {
        const bytes = memory.subarray(RECEIVED_AT + i * 100, RECEIVED_AT + i * 100 + i + 1);
        assert.ok(bytes.every((byte) => byte === i + round));
      });
      closeAll(connections);
    }
  });

  test(`each request of a batch has its own outcome (${kind})`, () => {
    const [nothing] = socketPair(SOCK_STREAM | SOCK_NONBLOCK);
    const [broken, gone] = socketPair(SOCK_STREAM | SOCK_NONBLOCK);
    const [healthy] = socketPair(SOCK_STREAM | SOCK_NONBLOCK);
    const [ended, peer] = socketPair(SOCK_STREAM | SOCK_NONBLOCK);
    close(gone);
    close(peer);
    batch.receive(nothing, address + RECEIVED_AT, 100);
    batch.send(broken, address + SENT_AT, 10);
    batch.send(-1 as Fd, address + SENT_AT, 10);
    batch.send(healthy, address + SENT_AT, 10);
    batch.receive(ended, address + RECEIVED_AT, 100);
    assert.deepEqual(resultsOf(batch, 5), [-Errno.EAGAIN, -Errno.EPIPE, -Errno.EBADF, 10, 0]);
    for (const fd of [nothing, broken, healthy, ended]) close(fd);
  });

  test(`segments are gathered (${kind})`, () => {
    const connections = pairs(2);
    const gather = new Gather();
    for (const [fd] of connections) {
      gather.begin();
      for (const [at, byte] of [
        [300, 1],
        [100, 2],
        [200, 3],
      ] as const) {
        memory.fill(byte, at, at + byte);
        gather.add(address + at, byte);
      }
      batch.sendGathered(fd, gather.end(), gather.vectors);
    }
    assert.deepEqual(resultsOf(batch, 2), [6, 6]);
    for (const [i, [, fd]] of connections.entries()) batch.receive(fd, address + RECEIVED_AT + i * 100, 100);
    assert.deepEqual(resultsOf(batch, 2), [6, 6]);
    for (const i of [0, 1]) {
      assert.deepEqual(
        [...memory.subarray(RECEIVED_AT + i * 100, RECEIVED_AT + i * 100 + 6)],
        [1, 2, 2, 3, 3, 3],
      );
    }
    closeAll(connections);
  });
}
