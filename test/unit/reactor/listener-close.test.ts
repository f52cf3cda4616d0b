/** A listener that closes: who has connected by then is taken, who comes afterwards is refused, and nobody is reset. */
import assert from 'node:assert/strict';
import { Errno } from '../../../src/reactor/libc.js';
import { End, LOCALHOST, onEachReactor } from './bench.js';
import { RawPeer } from './raw-peer.js';

const QUEUED = 100;

onEachReactor('who waits in the kernel’s queue is accepted, then nobody can connect any more', (bench) => {
  let accepted = 0;
  const listener = bench.listen(LOCALHOST, {
    onAccept: (socket) => {
      accepted++;
      bench.atEnd(() => socket.close());
      return new End();
    },
    onAcceptFailed: (errno) => assert.fail(`accept failed: ${errno}`),
    onListenerClosed: () => {
      assert.equal(accepted, QUEUED);
      const late = new End();
      late.onConnected = () => assert.fail('taken by nobody');
      late.onClosed = (errno) => {
        assert.equal(errno, Errno.ECONNREFUSED);
        bench.done();
      };
      late.socket = bench.connect({ ...LOCALHOST, port: listener.port }, late);
    },
  });
  bench.after(5, () => {
    // Connected by the kernel within this call, so that the reactor has seen none of them.
    for (let i = 0; i < QUEUED; i++) {
      const peer = new RawPeer({ ...LOCALHOST, port: listener.port });
      bench.atEnd(() => peer.close());
    }
    listener.close();
    assert.equal(accepted, 0);
  });
  bench.run();
});
