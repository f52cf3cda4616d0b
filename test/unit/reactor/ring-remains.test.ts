/** A thread ends in the middle of a round: whoever had just connected, or was to be closed, is found in the memory of its
 *  ring, and hears of the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWakeFd } from '../../../src/reactor/base-reactor.js';
import { DESCRIPTORS_BYTES, Descriptors } from '../../../src/reactor/descriptors.js';
import { AF_INET, SOCK_STREAM } from '../../../src/reactor/kernel-structs.js';
import { close, connect, type Fd, read, setNonBlocking, socket } from '../../../src/reactor/libc.js';
import { openListening } from '../../../src/reactor/listening.js';
import { openReactor } from '../../../src/reactor/open-reactor.js';
import type { Acceptor, Reactor } from '../../../src/reactor/reactor.js';
import { encodeSocketAddress } from '../../../src/reactor/socket-address.js';
import { Timer } from '../../../src/reactor/timers.js';
import { ringMemories } from '../../../src/reactor/uring/ring.js';
import { leftIn } from '../../../src/reactor/uring/ring-remains.js';
import { End, LOCALHOST, PLAIN, uringForbidden } from './bench.js';

const CLIENTS = 3;
const options = { skip: uringForbidden === '' ? false : `io_uring is forbidden here: ${uringForbidden}` };

/** Three clients connect at once, and the thread dies of what is thrown. Returns how many were found in the ring,
 *  and how many connections had to be closed. All clients must hear of it. */
function dies(accepting: (reactor: Reactor) => Acceptor['onAccept']): { found: number; closed: number } {
  const descriptors = new Descriptors(new SharedArrayBuffer(DESCRIPTORS_BYTES), 0);
  const listening = openListening(LOCALHOST, 16, PLAIN);
  const clients = Array.from({ length: CLIENTS }, () => {
    const fd = socket(AF_INET, SOCK_STREAM) as Fd;
    assert.equal(connect(fd, encodeSocketAddress({ ...LOCALHOST, port: listening.port })), 0);
    setNonBlocking(fd, true);
    return fd;
  });
  const { reactor } = openReactor('io_uring', openWakeFd(), descriptors);
  reactor.onBug = (error) => {
    throw error;
  };
  reactor.acceptFrom(listening, { onAccept: accepting(reactor), onAcceptFailed: () => undefined });
  assert.throws(() => reactor.run(), /the thread dies/);
  close(listening.fd as Fd);
  const memory = ringMemories.at(-1);
  assert.ok(memory);
  const found = leftIn(memory);
  for (const fd of found) descriptors.take(fd);
  const closed = descriptors.closeAll() - 1; // the ring itself
  for (const fd of clients) {
    assert.equal(read(fd, new Uint8Array(1)), 0, 'the client has not heard of the end');
    close(fd);
  }
  return { found: found.length, closed };
}

function die(): never {
  throw new Error('the thread dies');
}

test('who had been accepted and not looked at is found', options, () => {
  const { found, closed } = dies(() => die);
  assert.deepEqual({ found, closed }, { found: CLIENTS - 1, closed: CLIENTS });
});

test('who was to be closed is found', options, () => {
  const { found, closed } = dies(() => (socket) => {
    socket.close();
    return die();
  });
  assert.deepEqual({ found, closed }, { found: CLIENTS, closed: CLIENTS });
});

test('who has been closed is not: his descriptor may be another connection by now', options, () => {
  const { found, closed } = dies((reactor) => (socket) => {
    socket.close();
    reactor.setTimer(new Timer({ onTimer: die }), 1);
    return new End();
  });
  assert.deepEqual({ found, closed }, { found: 0, closed: 0 });
});
