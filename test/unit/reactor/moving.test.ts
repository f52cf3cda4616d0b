/** Connections that leave their reactor and are attached to one again: nothing that is sent meanwhile is lost. */
import assert from 'node:assert/strict';
import type { DetachedSocket } from '../../../src/reactor/reactor.js';
import { type Bench, type End, onEachReactor } from './bench.js';

/** Has the end's connection leave; `then` goes on when it has been attached anew. */
function move(bench: Bench, end: End, then: () => void): void {
  end.socket.detach({
    onDetached: (detached: DetachedSocket) => {
      end.socket = bench.reactor.attach(detached, end);
      bench.atEnd(() => end.socket.close());
      end.socket.resume();
      bench.after(0, then);
    },
  });
}

onEachReactor('a connection that moves again and again loses no byte and no order', (bench) => {
  const MOVES = 200;
  bench.pair((client, server) => {
    let sent = 0;
    let expected = 0;
    let moves = 0;
    let isBetweenMoves = true;
    const hasAll = (): boolean => moves === MOVES && expected === sent;
    server.onBytes = (bytes, begin, end) => {
      for (let at = begin; at < end; at++) assert.equal(bytes[at], expected++ & 0xff);
      if (hasAll()) bench.done();
      return end;
    };
    const sendSome = (): void => {
      if (moves === MOVES) return hasAll() ? bench.done() : undefined;
      client.send(Uint8Array.from({ length: 50 }, () => sent++ & 0xff));
      bench.after(0, sendSome);
    };
    const moveOn = (): void => {
      isBetweenMoves = true;
      if (++moves < MOVES) begin();
    };
    const begin = (): void => {
      assert.ok(isBetweenMoves);
      isBetweenMoves = false;
      move(bench, server, moveOn);
    };
    sendSome();
    begin();
  });
  bench.run();
});

onEachReactor('one that has moved can send, and its peer reads it', (bench) => {
  bench.pair((client, server) => {
    const came = client.collect();
    client.onBytes = (bytes, begin, end) => {
      came.push(Buffer.from(bytes.slice(begin, end)));
      assert.equal(Buffer.concat(came).toString(), 'moved');
      bench.done();
      return end;
    };
    move(bench, server, () => server.send(Buffer.from('moved')));
  });
  bench.run();
});

onEachReactor('one that stays after all goes on as before', (bench) => {
  bench.pair((client, server) => {
    server.onBytes = (_bytes, begin, end) => {
      server.received += end - begin;
      if (server.received === 2) bench.done();
      return end;
    };
    server.socket.detach({ onDetached: () => assert.fail('it has left') });
    server.socket.stay();
    client.send(Buffer.from('1'));
    bench.after(5, () => client.send(Buffer.from('2')));
  });
  bench.run();
});

onEachReactor('bytes that come while it leaves are delivered before it has left', (bench) => {
  bench.pair((client, server) => {
    let hasLeft = false;
    let received = '';
    server.onBytes = (bytes, begin, end) => {
      received += Buffer.from(bytes.slice(begin, end)).toString();
      if (received === 'hello') bench.done();
      return end;
    };
    client.send(Buffer.from('hello'));
    server.socket.detach({
      onDetached: (detached) => {
        hasLeft = true;
        server.socket = bench.reactor.attach(detached, server);
        bench.atEnd(() => server.socket.close());
        server.socket.resume();
      },
    });
    assert.equal(hasLeft, false);
  });
  bench.run();
});

onEachReactor('one that has watched for its peer’s end while it was paused can leave', (bench) => {
  bench.pair((client, server) => {
    let phase = 0;
    server.socket.pause(true);
    const filler = Buffer.alloc(64 * 1024);
    client.send(filler); // more than a paused socket keeps: it stops reading and watches for the end
    bench.whenStill(
      () => client.socket.unsent,
      () => {
        server.onBytes = (_bytes, begin, end) => {
          server.received += end - begin;
          if (server.received === filler.length && phase === 0) {
            phase = 1;
            bench.after(1, () => move(bench, server, () => bench.done()));
          }
          return end;
        };
        server.socket.resume();
      },
    );
  });
  bench.run();
});

onEachReactor('the peer’s end while it leaves is told, or shows when it is attached', (bench) => {
  bench.pair((client, server) => {
    let ends = 0;
    server.onClosed = (errno) => {
      assert.equal(errno, 0);
      ends++;
      bench.done();
    };
    client.socket.close();
    server.socket.detach({
      onDetached: (detached) => {
        server.socket = bench.reactor.attach(detached, server);
        server.socket.resume();
      },
    });
    bench.atEnd(() => assert.equal(ends, 1));
  });
  bench.run();
});
