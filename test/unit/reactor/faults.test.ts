/** What goes wrong stays with whom it concerns: errors in receivers, peers that vanish, descriptors that run out. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Errno } from '../../../src/reactor/libc.js';
import { End, LOCALHOST, onEachReactor, PLAIN } from './bench.js';
import { RawPeer } from './raw-peer.js';

const folder = mkdtempSync(join(tmpdir(), 'reactor-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let socketFiles = 0;

class Mistake extends Error {}
const hello = Buffer.from('hello');

onEachReactor('a receiver that throws loses its connection and is told; others live on', (bench) => {
  bench.reactor.onBug = (error) => bench.bugs.push(error);
  let closedWith = -1;
  let answer = '';
  bench.pair((client, server) => {
    bench.pair((other, otherServer) => {
      server.onBytes = () => {
        throw new Mistake();
      };
      server.onClosed = (errno) => {
        closedWith = errno;
      };
      client.onClosed = () => other.send(hello);
      otherServer.onBytes = (bytes, begin, end) => {
        answer += Buffer.from(bytes.slice(begin, end)).toString();
        bench.done();
        return end;
      };
      client.send(hello);
    });
  });
  bench.run(true);
  assert.deepEqual(
    bench.bugs.map((bug) => bug instanceof Mistake),
    [true],
  );
  assert.ok(closedWith > 0);
  assert.equal(answer, 'hello');
});

onEachReactor('a receiver that throws at every call does not stop the reactor', (bench) => {
  bench.reactor.onBug = (error) => bench.bugs.push(error);
  const fails = (): never => {
    throw new Mistake();
  };
  bench.pair((client, server) => {
    server.onBytes = fails;
    server.onClosed = fails;
    client.onClosed = () => bench.done();
    client.send(hello);
  });
  bench.run(true);
  assert.equal(bench.bugs.length, 2);
});

onEachReactor('a timer’s target that throws does not keep other timers from firing', (bench) => {
  bench.reactor.onBug = (error) => bench.bugs.push(error);
  let fired = 0;
  bench.after(1, () => {
    throw new Mistake();
  });
  bench.after(1, () => {
    fired++;
  });
  bench.after(20, () => bench.done());
  bench.run(true);
  assert.equal(bench.bugs.length, 1);
  assert.equal(fired, 1);
});

onEachReactor('an acceptor that throws is a bug that is told; the next connection is accepted', (bench) => {
  bench.reactor.onBug = (error) => bench.bugs.push(error);
  let accepted = 0;
  const { port } = bench.listen(LOCALHOST, {
    onAccept: (socket) => {
      if (++accepted === 1) throw new Mistake();
      socket.close();
      bench.after(0, () => bench.done());
      return new End();
    },
    onAcceptFailed: () => undefined,
  });
  bench.connect({ ...LOCALHOST, port }, new End());
  bench.after(10, () => {
    bench.connect({ ...LOCALHOST, port }, new End());
  });
  bench.run(true);
  assert.equal(bench.bugs.length, 1);
  assert.equal(accepted, 2);
});

onEachReactor('a TCP peer that has reset its connection is never taken for one on a unix socket', (bench) => {
  const { port } = bench.listen(LOCALHOST, {
    onAccept: (socket) => {
      const server = new End();
      const check = (): void => {
        checks++;
        assert.equal(socket.peerAddress().isUnix, false);
      };
      server.onBytes = (_bytes, _begin, end) => {
        check();
        return end;
      };
      server.onClosed = () => bench.done();
      check();
      return server;
    },
    onAcceptFailed: () => undefined,
  });
  let checks = 0;
  const peer = new RawPeer({ ...LOCALHOST, port });
  peer.write(hello);
  peer.reset();
  bench.run();
  assert.ok(checks > 0);
});

onEachReactor(
  'sends to a peer that has reset its connection end it with an error, not with a signal',
  (bench) => {
    let closedWith = -1;
    bench.pair(
      (client, server) => {
        client.onClosed = (errno) => {
          closedWith = errno;
          bench.done();
        };
        server.socket.close();
        const sendOn = (): void => {
          if (closedWith >= 0) return;
          client.send(Buffer.alloc(2000));
          client.send(Buffer.alloc(100_000));
          bench.after(0, sendOn);
        };
        sendOn();
      },
      { ...PLAIN, lingerS: 0 },
    );
    bench.run();
    assert.ok(closedWith === Errno.ECONNRESET || closedWith === Errno.EPIPE, `${closedWith}`);
  },
);

onEachReactor('a closed socket takes every call and does nothing', (bench) => {
  bench.pair((client, server) => {
    const { socket } = client;
    server.onClosed = () => {
      socket.send(hello, 0, hello.length);
      socket.pause(true);
      socket.resume();
      socket.closeAfterSend();
      socket.close();
      assert.equal(socket.unsent, 0);
      bench.after(10, () => bench.done());
    };
    client.onBytes = () => assert.fail('bytes after close');
    socket.close();
  });
  bench.run();
});

onEachReactor('what is sent before the connection is there is delivered when it is', (bench) => {
  const client = new End();
  let answer = '';
  const { port } = bench.listen(LOCALHOST, {
    onAccept: () => {
      const server = new End();
      server.onBytes = (bytes, begin, end) => {
        answer += Buffer.from(bytes.slice(begin, end)).toString();
        bench.done();
        return end;
      };
      return server;
    },
    onAcceptFailed: () => undefined,
  });
  bench.after(0, () => {
    client.socket = bench.connect({ ...LOCALHOST, port }, client);
    client.send(hello);
  });
  bench.run();
  assert.equal(answer, 'hello');
});

onEachReactor('closeAfterSend loses nothing in the very round in which the kernel finds no room', (bench) => {
  // A unix socket takes the same amount each time. The first connection finds out which send is the first that does
  // not fit; on the second, the event that closes it comes in the round of exactly that send.
  const piece = Buffer.alloc(30_000, 'x');
  let received = -1;
  let piecesThatFit = 0;
  const address = () => ({ kind: 'unix', path: join(folder, `socket-${socketFiles++}`) }) as const;
  const measure = (then: () => void): void => {
    bench.pair(
      (client, server) => {
        server.socket.pause(false);
        const again = (): void => {
          if (client.socket.unsent > 0) return then();
          piecesThatFit++;
          client.send(piece);
          bench.after(1, again);
        };
        again();
      },
      PLAIN,
      address(),
    );
  };
  const closeInThatRound = (): void => {
    bench.pair(
      (client, server) => {
        bench.pair((bell, rung) => {
          server.socket.pause(false);
          let sent = 0;
          rung.onBytes = (_bytes, begin, end) => {
            if (end > begin && sent === piecesThatFit) client.socket.closeAfterSend();
            return end;
          };
          server.onClosed = () => {
            received = server.received;
            bench.done();
          };
          const again = (): void => {
            if (sent === piecesThatFit) return bench.after(10, () => server.socket.resume());
            sent++;
            client.send(piece);
            bell.send(hello);
            bench.after(1, again);
          };
          again();
        });
      },
      PLAIN,
      address(),
    );
  };
  measure(closeInThatRound);
  bench.run();
  assert.equal(received, piecesThatFit * piece.length);
});

onEachReactor('when descriptors run out the acceptor is told, and the client is accepted later', (bench) => {
  const program = fileURLToPath(new URL('./out-of-descriptors.ts', import.meta.url));
  const command = [process.execPath, '--import', 'tsx', program, bench.reactor.name];
  const run = spawnSync('sh', ['-c', 'ulimit -n 60 && exec "$@"', 'sh', ...command], {
    encoding: 'utf8',
    timeout: 15_000,
  });
  assert.equal(run.stdout, '["EMFILE","accepted"]', run.stderr);
});
