/** Bytes arrive unchanged and in order, in whatever pieces they are sent, and while sockets pause and go on. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { Bug } from '../../../src/reactor/words.js';
import { type End, onEachReactor, PLAIN } from './bench.js';

const MEGABYTE = 1024 * 1024;

/** Feeds an end with these bytes, in pieces of changing sizes, no faster than it wants them. */
function feed(end: End, bytes: Uint8Array, sizes: readonly number[]): void {
  let at = 0;
  let piece = 0;
  end.onWritable = () => {
    while (at < bytes.length && !end.socket.isCongested) {
      const to = Math.min(bytes.length, at + (sizes[piece++ % sizes.length] ?? 1));
      end.socket.send(bytes, at, to);
      at = to;
    }
  };
  end.onWritable();
}

/** Compares what arrives with what should, and calls back when all of it has come. */
function expect(end: End, bytes: Buffer, complete: () => void): void {
  end.onBytes = (memory, begin, to) => {
    const here = memory.subarray(begin, to);
    const same = bytes.compare(here, 0, here.length, end.received, end.received + here.length) === 0;
    assert.ok(same, `other bytes than were sent, somewhere behind byte ${end.received}`);
    end.received += here.length;
    assert.ok(end.received <= bytes.length, 'more bytes than were sent');
    if (end.received === bytes.length && here.length > 0) complete();
    return to;
  };
}

/** Sends back what arrives from where it lies, and reads no faster than the other side. */
function echo(end: End): void {
  end.onBytes = (memory, begin, to) => {
    end.received += to - begin;
    end.socket.send(memory, begin, to);
    if (end.socket.isCongested) end.socket.pause(false);
    return to;
  };
  end.onWritable = () => end.socket.resume();
}

const SIZES = [1, 100_000, 7, 1024, 1025, 8191, 64, 8193, 33_333, 3];

onEachReactor('50 MB of random bytes come back from an echo unchanged and in order', (bench) => {
  const bytes = randomBytes(50 * MEGABYTE);
  let echoed = 0;
  bench.pair((client, server) => {
    echo(server);
    expect(client, bytes, () => {
      echoed = server.received;
      bench.done();
    });
    feed(client, bytes, SIZES);
  });
  bench.run();
  assert.equal(echoed, bytes.length);
});

onEachReactor('random bytes in both directions at once do not disturb each other', (bench) => {
  const [there, back] = [randomBytes(10 * MEGABYTE), randomBytes(10 * MEGABYTE)];
  let complete = 0;
  const one = (): void => {
    if (++complete === 2) bench.done();
  };
  bench.pair((client, server) => {
    expect(server, there, one);
    expect(client, back, one);
    feed(client, there, SIZES);
    feed(server, back, [...SIZES].reverse());
  });
  bench.run();
  assert.equal(complete, 2);
});

onEachReactor('bytes of many small sends keep their order', (bench) => {
  const bytes = randomBytes(300_000);
  let isComplete = false;
  bench.pair((client, server) => {
    expect(server, bytes, () => {
      isComplete = true;
      bench.done();
    });
    feed(client, bytes, [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]);
  });
  bench.run();
  assert.ok(isComplete);
});

onEachReactor(
  'bytes of small sends in many rounds keep their order, though each round sends at once',
  (bench) => {
    const bytes = randomBytes(400_000);
    let isComplete = false;
    const small = { ...PLAIN, unixBufferBytes: 0 };
    bench.pair((client, server) => {
      let at = 0;
      const sendSome = (): void => {
        const to = Math.min(bytes.length, at + 4000);
        client.socket.send(bytes, at, to);
        at = to;
        if (at < bytes.length) bench.after(0, sendSome);
      };
      expect(server, bytes, () => {
        isComplete = true;
        bench.done();
      });
      sendSome();
    }, small);
    bench.run();
    assert.ok(isComplete);
  },
);

onEachReactor('small and large sends to several peers, all in one round, reach each in order', (bench) => {
  const PEERS = 100; // more segments than the kernel is told of at once
  const texts = Array.from({ length: PEERS }, (_, i) => Buffer.alloc(40_000, `peer ${i} `));
  const clients: End[] = [];
  let complete = 0;
  const begin = (client: End, server: End): void => {
    const bytes = texts[clients.length];
    assert.ok(bytes);
    expect(server, bytes, () => {
      if (++complete === PEERS) bench.done();
    });
    if (clients.push(client) < PEERS) return;
    for (let at = 0; at < bytes.length; at += 500) {
      clients.forEach((each, i) => {
        each.socket.send(texts[i] ?? bytes, at, at + 500);
      });
    }
  };
  for (let i = 0; i < PEERS; i++) bench.pair(begin);
  bench.run();
  assert.equal(complete, PEERS);
});

onEachReactor('a forwarded message is not overwritten by what is received after it', (bench) => {
  // Received bytes are forwarded from where they lie to a peer that reads late, while more is received.
  const bytes = randomBytes(3 * MEGABYTE);
  let isComplete = false;
  bench.pair((source, inbound) => {
    bench.pair((outbound, sink) => {
      sink.socket.pause(false);
      inbound.onBytes = (memory, begin, to) => {
        inbound.received += to - begin;
        outbound.socket.send(memory, begin, to);
        if (inbound.received === bytes.length && to > begin) sink.socket.resume();
        return to;
      };
      expect(sink, bytes, () => {
        isComplete = true;
        bench.done();
      });
      feed(source, bytes, SIZES);
    });
  });
  bench.run();
  assert.ok(isComplete);
});

onEachReactor('nothing is delivered while paused, and all of it afterwards', (bench) => {
  const bytes = randomBytes(200_000);
  let isPaused = true;
  let isComplete = false;
  bench.pair((client, server) => {
    expect(server, bytes, () => {
      isComplete = true;
      bench.done();
    });
    const compare = server.onBytes;
    server.onBytes = (memory, begin, to) => {
      assert.ok(!isPaused, 'delivered while paused');
      return compare(memory, begin, to);
    };
    server.socket.pause(false);
    feed(client, bytes, [10, 3000, 100_000]);
    bench.whenStill(
      () => client.socket.unsent,
      () => {
        assert.equal(server.received, 0);
        isPaused = false;
        server.socket.resume();
        assert.equal(server.received, 0, 'delivered inside the call of resume');
      },
    );
  });
  bench.run();
  assert.ok(isComplete);
});

onEachReactor('what was left unread when pausing comes again after resume, before anything else', (bench) => {
  const seen: string[] = [];
  bench.pair((client, server) => {
    server.onBytes = (bytes, begin, end) => {
      const text = Buffer.from(bytes.slice(begin, end)).toString();
      seen.push(text);
      if (text === '') return end;
      if (seen.length === 1) {
        server.socket.pause(false);
        client.send(Buffer.from(' and more'));
        bench.after(20, () => server.socket.resume());
        return begin + 5;
      }
      if (seen.join('').endsWith('more')) bench.done();
      return end;
    };
    client.send(Buffer.from('first second'));
  });
  bench.run();
  assert.deepEqual(seen.slice(0, 2), ['first second', ' second']);
  assert.equal(seen.slice(1).join(''), ' second and more');
});

onEachReactor('a receiver that reads a little and pauses, again and again, reads everything', (bench) => {
  const bytes = randomBytes(150_000);
  const [amounts = []] = fc.sample(fc.array(fc.nat(9000), { minLength: 50, maxLength: 50 }), {
    numRuns: 1,
    seed: 4,
  });
  let turn = 0;
  let isComplete = false;
  bench.pair((client, server) => {
    expect(server, bytes, () => {
      isComplete = true;
      bench.done();
    });
    const compare = server.onBytes;
    server.onBytes = (memory, begin, end) => {
      const length = Math.min(end - begin, amounts[turn++ % amounts.length] ?? 0);
      if (length === end - begin) return compare(memory, begin, end);
      server.socket.pause(turn % 2 === 0);
      if (turn % 3 === 0) bench.after(0, () => server.socket.resume());
      else bench.after(1, () => server.socket.resume());
      return length === 0 ? begin : compare(memory, begin, begin + length);
    };
    feed(client, bytes, SIZES);
  });
  bench.run();
  assert.ok(isComplete);
});

onEachReactor('resume with nothing kept gives an empty range, once', (bench) => {
  const lengths: number[] = [];
  bench.pair((client, server) => {
    server.onBytes = (_bytes, begin, end) => {
      lengths.push(end - begin);
      if (end > begin) bench.done();
      return end;
    };
    server.socket.pause(false);
    server.socket.resume();
    bench.after(10, () => client.send(Buffer.from('hello')));
  });
  bench.run();
  assert.deepEqual(lengths, [0, 5]);
});

onEachReactor('a socket that pauses again before its turn gets nothing', (bench) => {
  bench.pair((client, server) => {
    let isPaused = true;
    server.onBytes = (_bytes, _begin, end) => {
      assert.ok(!isPaused, 'delivered while paused');
      if (end > 0) bench.done();
      return end;
    };
    server.socket.pause(false);
    client.send(Buffer.from('hello'));
    bench.after(10, () => {
      server.socket.resume();
      server.socket.pause(false);
    });
    bench.after(20, () => {
      isPaused = false;
      server.socket.resume();
    });
  });
  bench.run();
});

onEachReactor('bytes that are put back are delivered before those that arrive', (bench) => {
  const before = Buffer.alloc(20_000, 'put back ');
  let pieces: Buffer[] = [];
  bench.pair((client, server) => {
    client.send(Buffer.from('behind'));
    server.onBytes = (_bytes, _begin, end) => {
      pieces = server.collect();
      const collect = server.onBytes;
      server.onBytes = (bytes, begin, to) => {
        collect(bytes, begin, to);
        if (server.received === before.length + 4) bench.done();
        return to;
      };
      server.socket.unread(before, 0, before.length);
      client.send(Buffer.from('last'));
      return end;
    };
  });
  bench.run();
  assert.equal(Buffer.concat(pieces).toString(), `${before}last`);
});

for (const kept of [100, 5000, 100_000]) {
  onEachReactor(
    `paused and told to see the end, it is told at once, with ${kept} bytes sent before`,
    (bench) => {
      let closedWith = -1;
      bench.pair((client, server) => {
        server.onBytes = () => assert.fail('delivered while paused');
        server.onClosed = (errno) => {
          closedWith = errno;
          bench.done();
        };
        server.socket.pause(true);
        client.send(Buffer.alloc(kept));
        client.socket.closeAfterSend();
      });
      bench.run();
      assert.equal(closedWith, 0);
    },
  );

  onEachReactor(`paused and not to see the end, it is told behind the ${kept} bytes sent before`, (bench) => {
    let closedWith = -1;
    let isPaused = true;
    bench.pair((client, server) => {
      const count = server.onBytes;
      server.onBytes = (bytes, begin, end) => {
        assert.ok(!isPaused, 'delivered while paused');
        return count(bytes, begin, end);
      };
      server.onClosed = (errno) => {
        assert.ok(!isPaused, 'told of the end while paused');
        assert.equal(server.received, kept);
        closedWith = errno;
        bench.done();
      };
      server.socket.pause(false);
      client.send(Buffer.alloc(kept));
      client.socket.closeAfterSend();
      bench.after(50, () => {
        isPaused = false;
        server.socket.resume();
      });
    });
    bench.run();
    assert.equal(closedWith, 0);
  });
}

onEachReactor(
  'a receiver that leaves bytes unread without pausing loses its connection, and is told',
  (bench) => {
    bench.reactor.onBug = (error) => bench.bugs.push(error);
    let isTold = false;
    bench.pair((client, server) => {
      server.onBytes = (_bytes, begin) => begin;
      server.onClosed = () => {
        isTold = true;
      };
      client.onClosed = () => bench.done();
      client.send(Buffer.from('hello'));
    });
    bench.run(true);
    assert.ok(bench.bugs[0] instanceof Bug);
    assert.ok(isTold);
  },
);
