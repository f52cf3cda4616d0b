/** Connections that end in one direction at a time: what a receiver with `onEnd` sees, and what its peer gets. */
import assert from 'node:assert/strict';
import { Errno } from '../../../src/reactor/libc.js';
import type { Receiver } from '../../../src/reactor/reactor.js';
import { type Bench, End, LOCALHOST, onEachReactor, PLAIN } from './bench.js';

const MEGABYTE = Buffer.alloc(1024 * 1024, 'x');
const REQUEST = Buffer.from('the whole request');
const ANSWER = Buffer.from('the answer');

/** An end that outlives its peer's end. */
class HalfOpen extends End {
  ended = 0;
  onEnd: NonNullable<Receiver['onEnd']> = () => {
    this.ended++;
  };
}

/** Two of them, connected with each other. */
function pairOfHalfOpen(
  bench: Bench,
  begin: (client: HalfOpen, server: HalfOpen) => void,
  options = PLAIN,
): void {
  const client = new HalfOpen();
  const server = new HalfOpen();
  let missing = 2;
  const ready = (): void => {
    if (--missing === 0) begin(client, server);
  };
  const listener = bench.listen(
    LOCALHOST,
    {
      onAccept: (socket) => {
        server.socket = socket;
        bench.atEnd(() => socket.close());
        bench.after(0, ready);
        return server;
      },
      onAcceptFailed: (errno) => assert.fail(`accept failed: ${errno}`),
    },
    options,
  );
  client.onConnected = ready;
  client.socket = bench.connect({ ...LOCALHOST, port: listener.port }, client, options);
}

onEachReactor('a peer that has ended its side still gets its answer; then both are closed', (bench) => {
  const closed: string[] = [];
  let answer: Buffer[] = [];
  let request: Buffer[] = [];
  pairOfHalfOpen(bench, (client, server) => {
    answer = client.collect();
    request = server.collect();
    server.onEnd = () => {
      assert.equal(Buffer.concat(request).toString(), REQUEST.toString());
      bench.after(20, () => {
        server.send(ANSWER);
        server.socket.endSending();
      });
    };
    const close =
      (who: string): Receiver['onClosed'] =>
      (errno) => {
        closed.push(`${who} ${errno}`);
        if (closed.length === 2) bench.done();
      };
    client.onClosed = close('client');
    server.onClosed = close('server');
    client.send(REQUEST);
    client.socket.endSending();
  });
  bench.run();
  assert.equal(Buffer.concat(answer).toString(), ANSWER.toString());
  assert.deepEqual(closed.sort(), ['client 0', 'server 0']);
});

onEachReactor('the end comes behind all that was sent before it, however slow the peer reads', (bench) => {
  const COUNT = 8;
  let receivedAtEnd = 0;
  pairOfHalfOpen(bench, (client, server) => {
    server.onEnd = () => {
      receivedAtEnd = server.received;
      bench.done();
    };
    server.socket.pause(false);
    for (let i = 0; i < COUNT; i++) client.send(MEGABYTE);
    client.socket.endSending();
    bench.whenStill(
      () => client.socket.unsent,
      () => server.socket.resume(),
    );
  });
  bench.run();
  assert.equal(receivedAtEnd, COUNT * MEGABYTE.length);
});

onEachReactor('an end that comes while paused with bytes kept is told behind them, and once', (bench) => {
  const told: string[] = [];
  pairOfHalfOpen(bench, (client, server) => {
    server.onBytes = (_bytes, begin, end) => {
      if (end > begin) told.push('bytes');
      return end;
    };
    server.onEnd = () => {
      told.push('end');
      server.socket.pause(false);
      server.socket.resume();
      bench.after(20, () => bench.done());
    };
    server.socket.pause(false);
    client.send(REQUEST);
    client.socket.endSending();
    bench.after(20, () => {
      assert.deepEqual(told, []);
      server.socket.resume();
    });
  });
  bench.run();
  assert.deepEqual(told, ['bytes', 'end']);
});

onEachReactor('an end that comes while paused with nothing kept is told at once', (bench) => {
  pairOfHalfOpen(bench, (client, server) => {
    server.onEnd = () => bench.done();
    server.socket.pause(false);
    client.socket.endSending();
  });
  bench.run();
});

onEachReactor('a peer that resets after its end is noticed though nothing is sent', (bench) => {
  let closedWith = -1;
  pairOfHalfOpen(
    bench,
    (client, server) => {
      server.onEnd = () => client.socket.close(); // lingerS 0: a reset
      server.onClosed = (errno) => {
        closedWith = errno;
        bench.done();
      };
      client.socket.endSending();
    },
    { ...PLAIN, lingerS: 0 },
  );
  bench.run();
  assert.equal(closedWith, Errno.EPIPE); // what Linux makes of a reset behind an end
});

onEachReactor('a peer that vanishes after its end is noticed when something is sent', (bench) => {
  let closedWith = 0;
  pairOfHalfOpen(bench, (client, server) => {
    server.onEnd = () => {
      bench.after(10, () => {
        server.send(ANSWER); // answered with a reset
        bench.after(10, () => server.send(ANSWER));
      });
    };
    server.onClosed = (errno) => {
      closedWith = errno;
      bench.done();
    };
    client.socket.close();
  });
  bench.run();
  assert.ok(closedWith === Errno.ECONNRESET || closedWith === Errno.EPIPE, `closed with ${closedWith}`);
});

onEachReactor('what is queued for a peer that has ended its side is sent before closing', (bench) => {
  let received = 0;
  pairOfHalfOpen(bench, (client, server) => {
    client.onBytes = (_bytes, begin, end) => {
      received += end - begin;
      return end;
    };
    client.onEnd = () => bench.done();
    server.onEnd = () => {
      client.socket.pause(false);
      for (let i = 0; i < 8; i++) server.send(MEGABYTE);
      server.socket.closeAfterSend();
      bench.after(50, () => client.socket.resume());
    };
    client.socket.endSending();
  });
  bench.run();
  assert.equal(received, 8 * MEGABYTE.length);
});

onEachReactor('a connection that is half open and at rest costs nothing', (bench) => {
  const REST_MS = 200;
  let rounds = 0;
  pairOfHalfOpen(bench, (client, server) => {
    server.onEnd = () => {
      bench.after(20, () => {
        const wait: (timeoutMs: number) => void = Reflect.get(bench.reactor, 'waitAndDispatch');
        Reflect.set(bench.reactor, 'waitAndDispatch', (timeoutMs: number) => {
          rounds++;
          wait.call(bench.reactor, timeoutMs);
        });
        bench.after(REST_MS, () => bench.done());
      });
    };
    client.socket.endSending();
  });
  bench.run();
  assert.ok(rounds < 50, `${rounds} rounds in ${REST_MS} ms of rest`); // closing takes some
});

onEachReactor('ending twice is ending once, and a receiver without onEnd closes as ever', (bench) => {
  let closedWith = -1;
  bench.pair((client, server) => {
    server.onClosed = (errno) => {
      closedWith = errno;
      bench.done();
    };
    client.socket.endSending();
    client.socket.endSending();
  });
  bench.run();
  assert.equal(closedWith, 0);
});
