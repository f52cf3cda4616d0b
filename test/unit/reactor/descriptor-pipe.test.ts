/** Descriptors that go from process to process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DESCRIPTORS_UNDERWAY_MAX,
  DescriptorPipe,
  openDescriptorPipe,
} from '../../../src/reactor/descriptor-pipe.js';
import { SOCK_STREAM } from '../../../src/reactor/kernel-structs.js';
import { close, Errno, read, SystemError, socketPair, write } from '../../../src/reactor/libc.js';
import { countDescriptors } from './bench.js';

/** Works with both ends of a pipe, and checks that nothing stays open. */
function withPipe(work: (from: DescriptorPipe, to: DescriptorPipe) => void): void {
  const before = countDescriptors();
  const [from, to] = openDescriptorPipe().map((fd) => new DescriptorPipe(fd));
  assert.ok(from !== undefined && to !== undefined);
  work(from, to);
  from.close();
  to.close();
  assert.equal(countDescriptors(), before);
}

test('what arrives is the same open file, with the number that it was sent with', () => {
  withPipe((from, to) => {
    const [one, other] = socketPair(SOCK_STREAM);
    assert.equal(from.send(one, 70_000), 0);
    close(one);
    const { fd, number } = to.receive();
    assert.equal(number, 70_000);
    write(fd, Buffer.from('through'));
    const came = new Uint8Array(16);
    assert.equal(read(other, came), 7);
    close(fd);
    close(other);
  });
});

test('they arrive in order, and as many as may be underway fit', () => {
  withPipe((from, to) => {
    const [one, other] = socketPair(SOCK_STREAM);
    for (let number = 1; number <= DESCRIPTORS_UNDERWAY_MAX; number++)
      assert.equal(from.send(one, number), 0);
    for (let number = 1; number <= DESCRIPTORS_UNDERWAY_MAX; number++) {
      const brought = to.receive();
      assert.equal(brought.number, number);
      close(brought.fd);
    }
    close(one);
    close(other);
  });
});

test('when there is none it does not wait', () => {
  withPipe((_from, to) => {
    assert.throws(
      () => to.receive(),
      (error) => error instanceof SystemError && error.errno === Errno.EAGAIN,
    );
  });
});

test('to an end that is gone nothing is sent, and what it had not taken is closed', () => {
  const before = countDescriptors();
  const [from, to] = openDescriptorPipe().map((fd) => new DescriptorPipe(fd));
  assert.ok(from !== undefined && to !== undefined);
  const [one, other] = socketPair(SOCK_STREAM);
  assert.equal(from.send(one, 1), 0);
  to.close();
  assert.ok([-Errno.EPIPE, -Errno.ECONNRESET].includes(from.send(one, 2)));
  close(one);
  assert.equal(read(other, new Uint8Array(1)), 0, 'the copy that was underway is closed too');
  close(other);
  from.close();
  assert.equal(countDescriptors(), before);
});
