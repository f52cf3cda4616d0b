/** A listener that lets go of its socket: another goes on with it, and nobody who connects meanwhile is refused. */
import assert from 'node:assert/strict';
import { openListening } from '../../../src/reactor/listening.js';
import type { Acceptor, Socket } from '../../../src/reactor/reactor.js';
import { type Bench, End, LOCALHOST, onEachReactor, PLAIN } from './bench.js';

/** Accepts, and tells whom. */
function acceptor(bench: Bench, took: (socket: Socket) => void): Acceptor {
  return {
    onAccept: (socket) => {
      bench.atEnd(() => socket.close());
      bench.after(0, () => took(socket));
      return new End();
    },
    onAcceptFailed: (errno) => assert.fail(`accept failed: ${errno}`),
  };
}

onEachReactor('who connects after the release is taken by the next listener', (bench) => {
  const listening = openListening(LOCALHOST, 16, PLAIN);
  const first = bench.reactor.acceptFrom(
    listening,
    acceptor(bench, () => assert.fail('taken by the one that let go')),
  );
  bench.after(5, () => {
    first.release();
    bench.after(5, () => {
      const client = new End();
      client.onConnected = () => {
        // Connected by the kernel alone, so far.
        const next = bench.reactor.acceptFrom(
          listening,
          acceptor(bench, () => bench.done()),
        );
        bench.atEnd(() => next.close());
      };
      client.socket = bench.connect({ ...LOCALHOST, port: listening.port }, client);
    });
  });
  bench.run();
});

onEachReactor('one that has let go does not close the socket any more', (bench) => {
  const listening = openListening(LOCALHOST, 16, PLAIN);
  const first = bench.reactor.acceptFrom(
    listening,
    acceptor(bench, () => undefined),
  );
  first.release();
  first.close();
  bench.after(5, () => {
    const client = new End();
    client.onConnected = () => bench.done();
    client.onClosed = () => assert.fail('refused');
    client.socket = bench.connect({ ...LOCALHOST, port: listening.port }, client);
    const next = bench.reactor.acceptFrom(
      listening,
      acceptor(bench, () => undefined),
    );
    bench.atEnd(() => next.close());
  });
  bench.run();
});
