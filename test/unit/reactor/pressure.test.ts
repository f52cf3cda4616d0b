/** Peers that do not read, and memory that runs out: what is unsent stays bounded, and nobody is forgotten. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BaseReactor } from '../../../src/reactor/base-reactor.js';
import {
  type Buffers,
  LARGE_COUNT,
  NO_BUFFER,
  SMALL_BYTES,
  SMALL_COUNT,
} from '../../../src/reactor/buffers.js';
import { Errno } from '../../../src/reactor/libc.js';
import { SEND_HIGH_WATER, SEND_LOW_WATER, type Socket } from '../../../src/reactor/reactor.js';
import { type Bench, End, onEachReactor, PLAIN } from './bench.js';
import { RawPeer } from './raw-peer.js';

const MEGABYTE = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'reactor-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let socketFiles = 0;

/** Two ends connected by a unix socket, whose kernel holds a few hundred kilobytes at most. */
function unixPair(bench: Bench, begin: (client: End, server: End) => void, options = PLAIN): void {
  bench.pair(begin, options, { kind: 'unix', path: join(folder, `socket-${socketFiles++}`) });
}

function buffersOf(bench: Bench): Buffers {
  assert.ok(bench.reactor instanceof BaseReactor);
  return bench.reactor.buffers;
}

/** Takes buffers of a kind until there are none left, or so many. */
function takeAll(take: () => number, most = Number.POSITIVE_INFINITY): number[] {
  const taken: number[] = [];
  while (taken.length < most) {
    const buffer = take();
    if (buffer === NO_BUFFER) break;
    taken.push(buffer);
  }
  return taken;
}

onEachReactor(
  'a peer that does not read makes the sender congested; it is writable again when it reads',
  (bench) => {
    const piece = Buffer.alloc(10_000);
    let hasRead = false;
    let writables = 0;
    bench.pair((client, server) => {
      server.socket.pause(false);
      const fill = (): void => {
        while (!client.socket.isCongested) {
          client.send(piece);
          assert.equal(client.socket.isCongested, client.socket.unsent >= SEND_HIGH_WATER);
        }
      };
      client.onWritable = () => {
        assert.equal(client.socket.isCongested, false);
        assert.ok(client.socket.unsent <= SEND_LOW_WATER);
        if (hasRead) writables++;
        if (writables === 3) bench.done();
        else fill();
      };
      fill();
      bench.whenStill(
        () => client.socket.unsent,
        () => {
          assert.equal(client.socket.isCongested, true);
          assert.ok(client.socket.unsent > SEND_LOW_WATER);
          hasRead = true;
          server.socket.resume();
        },
      );
    });
    bench.run();
    assert.equal(writables, 3);
  },
);

onEachReactor('a paused socket stops reading after a little, in however small pieces it comes', (bench) => {
  const piece = randomBytes(1500);
  const PIECES = 300;
  let mostBuffers = 0;
  let received = 0;
  bench.pair((client, server) => {
    server.socket.pause(false);
    let sent = 0;
    const sendOne = (): void => {
      mostBuffers = Math.max(mostBuffers, bench.reactor.usage().buffers);
      if (sent++ === PIECES) return server.socket.resume();
      client.send(piece);
      bench.after(0, sendOne);
    };
    server.onBytes = (_bytes, begin, end) => {
      received += end - begin;
      if (received === PIECES * piece.length) bench.done();
      return end;
    };
    sendOne();
  });
  bench.run();
  assert.ok(mostBuffers < 40, `${mostBuffers} buffers were in use`);
});

onEachReactor('many who wait hold few buffers, and each gets what it was sent and nothing else', (bench) => {
  const WAITING = 150;
  const sent = Array.from({ length: WAITING }, (_, number) => randomBytes(1 + 2 * number));
  const waiting: End[] = [];
  const pieces: Buffer[][] = [];
  let mostBuffers = 0;
  const resumeAll = (): void => {
    mostBuffers = bench.reactor.usage().buffers;
    for (const each of waiting) each.socket.resume();
    bench.whenStill(() => waiting.reduce((sum, each) => sum + each.received, 0), bench.done.bind(bench));
  };
  for (const [number, bytes] of sent.entries()) {
    bench.pair((client, server) => {
      server.socket.pause(false);
      pieces[number] = server.collect();
      client.send(bytes);
      if (waiting.push(server) === WAITING) bench.whenStill(() => bench.reactor.usage().segments, resumeAll);
    });
  }
  bench.run();
  assert.ok(mostBuffers >= 64 && mostBuffers < 80, `${mostBuffers} buffers were in use`);
  for (const [number, bytes] of sent.entries()) assert.deepEqual(Buffer.concat(pieces[number] ?? []), bytes);
});

onEachReactor(
  '1 GB for a peer that begins to read late takes few buffers, and all of it arrives',
  (bench) => {
    const piece = randomBytes(64 * 1024);
    const TOTAL = 1024 * MEGABYTE;
    let mostBuffers = 0;
    let received = 0;
    bench.pair((client, server) => {
      let offered = 0;
      server.socket.pause(false);
      client.onWritable = () => {
        while (!client.socket.isCongested && offered < TOTAL) {
          client.send(piece);
          offered += piece.length;
        }
        mostBuffers = Math.max(mostBuffers, bench.reactor.usage().buffers);
      };
      server.onBytes = (bytes, begin, end) => {
        // Each byte is looked at where a piece may have gone wrong: at the beginning and the end of what came.
        if (end > begin) {
          assert.equal(bytes[begin], piece[received % piece.length]);
          received += end - begin;
          assert.equal(bytes[end - 1], piece[(received - 1) % piece.length]);
        }
        mostBuffers = Math.max(mostBuffers, bench.reactor.usage().buffers);
        if (received === TOTAL) bench.done();
        return end;
      };
      client.onWritable();
      bench.whenStill(
        () => client.socket.unsent,
        () => {
          assert.ok(offered < 64 * MEGABYTE, `${offered} bytes were taken though nobody reads`);
          server.socket.resume();
        },
      );
    });
    bench.run();
    assert.equal(received, TOTAL);
    assert.ok(mostBuffers < 100, `${mostBuffers} buffers were in use`);
  },
);

onEachReactor(
  'a relay that honours congestion holds few buffers, however late the other side reads',
  (bench) => {
    const bytes = randomBytes(32 * MEGABYTE);
    let mostBuffers = 0;
    let isComplete = false;
    bench.pair((source, inbound) => {
      bench.pair((outbound, sink) => {
        sink.socket.pause(false);
        inbound.onBytes = (memory, begin, end) => {
          outbound.socket.send(memory, begin, end);
          if (outbound.socket.isCongested) inbound.socket.pause(false);
          mostBuffers = Math.max(mostBuffers, bench.reactor.usage().buffers);
          return end;
        };
        outbound.onWritable = () => inbound.socket.resume();
        sink.onBytes = (memory, begin, end) => {
          const here = memory.subarray(begin, end);
          const same = bytes.compare(here, 0, here.length, sink.received, sink.received + here.length) === 0;
          assert.ok(same, `other bytes than were sent, somewhere behind byte ${sink.received}`);
          sink.received += here.length;
          if (sink.received === bytes.length) {
            isComplete = true;
            bench.done();
          }
          return end;
        };
        let at = 0;
        source.onWritable = () => {
          for (; at < bytes.length && !source.socket.isCongested; at += 100_000) {
            source.send(bytes.subarray(at, at + 100_000));
          }
        };
        source.onWritable();
        bench.whenStill(
          () => source.socket.unsent,
          () => sink.socket.resume(),
        );
      });
    });
    bench.run();
    assert.ok(isComplete);
    assert.ok(mostBuffers < 400, `${mostBuffers} buffers were in use`);
  },
);

onEachReactor(
  'while buffers are scarce a small queue is congestion already, and its end is told',
  (bench) => {
    const buffers = buffersOf(bench);
    let writables = 0;
    bench.pair((client, server) => {
      const taken = takeAll(() => buffers.takeSmall(), 8200);
      const end = (): void => {
        for (const each of taken.splice(0)) buffers.release(each);
        bench.done();
      };
      client.onWritable = () => {
        writables++;
        assert.equal(client.socket.isCongested, false);
      };
      client.send(Buffer.alloc(20_000));
      assert.equal(client.socket.isCongested, true);
      bench.whenStill(() => server.received, end);
    });
    bench.run();
    assert.equal(writables, 1);
  },
);

/** One end of the reactor, and a peer outside of it, which reads by hand and needs no buffer of ours. */
function withRawPeer(bench: Bench, begin: (end: End, peer: RawPeer) => void): void {
  const address = { kind: 'unix', path: join(folder, `socket-${socketFiles++}`) } as const;
  const end = new End();
  let accepted: Socket | null = null;
  bench.listen(address, {
    onAccept: (socket) => {
      accepted = socket;
      end.socket = socket;
      bench.after(0, () => begin(end, peer));
      return end;
    },
    onAcceptFailed: (errno) => assert.fail(`accept failed: ${errno}`),
  });
  const peer = new RawPeer(address);
  bench.atEnd(() => {
    accepted?.close();
    peer.close();
  });
}

/** Reads by hand until the test is over. */
function drain(bench: Bench, peer: RawPeer, take: (bytes: Uint8Array) => void): void {
  const again = (): void => {
    if (peer.isClosed) return;
    for (let bytes = peer.read(); bytes !== null; bytes = peer.read()) {
      if (bytes.length === 0) return;
      take(bytes);
    }
    bench.after(0, again);
  };
  again();
}

onEachReactor('receiving waits while no buffer is free, and goes on when there are some again', (bench) => {
  // A relay ignores congestion towards a peer that does not read, until it holds all buffers that there are. What the
  // source sends lies in buffers of its own, so that sending takes none.
  const buffers = buffersOf(bench);
  const SOURCE_BUFFERS = 1024;
  const PIECE = 4096;
  const arrived: Uint8Array[] = [];
  let expected = Buffer.alloc(0);
  let missing = 0;
  withRawPeer(bench, (outbound, sink) => {
    unixPair(bench, (source, inbound) => {
      const hoard = takeAll(() => buffers.takeSmall());
      hoard.push(...takeAll(() => buffers.takeLarge(), LARGE_COUNT - 2));
      for (const each of hoard.splice(0, 3)) buffers.release(each);
      const own = hoard.slice(0, SOURCE_BUFFERS);
      for (const each of own) bytesOf(buffers, each).set(randomBytes(SMALL_BYTES));
      expected = Buffer.concat(own.map((each) => bytesOf(buffers, each)));
      inbound.onBytes = (memory, begin, end) => {
        inbound.received += end - begin;
        outbound.socket.send(memory, begin, end);
        return end;
      };
      for (const each of own) {
        const begin = buffers.beginOf(each);
        for (let at = begin; at < begin + SMALL_BYTES; at += PIECE) {
          source.socket.send(buffers.memory, at, at + PIECE);
        }
      }
      bench.whenStill(
        () => inbound.received,
        () => {
          missing = expected.length - inbound.received;
          drain(bench, sink, (bytes) => {
            arrived.push(bytes.slice());
          });
          bench.whenStill(
            () => arrived.length,
            () => {
              for (const each of hoard) buffers.release(each);
              bench.done();
            },
          );
        },
      );
    });
  });
  bench.run();
  assert.ok(missing > 0, 'the buffers did not run out');
  assert.ok(Buffer.concat(arrived).equals(expected), 'other bytes than were sent');
});

function bytesOf(buffers: Buffers, buffer: number): Uint8Array {
  const begin = buffers.beginOf(buffer);
  return buffers.memory.subarray(begin, begin + SMALL_BYTES);
}

onEachReactor('a socket whose bytes find no memory ends with ENOBUFS, others live on', (bench) => {
  const buffers = buffersOf(bench);
  let closedWith = -1;
  let answer = '';
  bench.pair((client, server) => {
    bench.pair((other, otherServer) => {
      const taken = takeAll(() => buffers.takeSmall());
      client.onClosed = (errno) => {
        closedWith = errno;
        for (const each of taken.splice(0)) buffers.release(each);
        other.send(Buffer.from('still here'));
      };
      otherServer.onBytes = (bytes, begin, end) => {
        answer = Buffer.from(bytes.slice(begin, end)).toString();
        bench.done();
        return end;
      };
      server.onClosed = () => undefined;
      client.send(Buffer.alloc(100_000));
    });
  });
  bench.run();
  assert.equal(closedWith, Errno.ENOBUFS);
  assert.equal(answer, 'still here');
});

onEachReactor(
  'after received bytes have held all buffers and let them go, there is room for sending',
  (bench) => {
    // Pieces of 2 KB come from many senders and hold 8 KB each on their way to a peer that does not read.
    const SENDERS = 20;
    // Lent, and nobody's yet.
    const KERNEL_HAS = 100;
    const piece = Buffer.alloc(2048);
    let mostBuffers = 0;
    let relayed = 0;
    let isSecondTime = false;
    let secondReceived = 0;
    let closed = 0;
    const sources: End[] = [];
    withRawPeer(bench, (outbound, sink) => {
      const fill = (): void => {
        const { buffers } = bench.reactor.usage();
        mostBuffers = Math.max(mostBuffers, buffers);
        const willing = sources.filter((each) => !each.socket.isCongested);
        if (buffers < SMALL_COUNT - KERNEL_HAS && willing.length > 0) {
          for (const each of willing) each.send(piece);
          return bench.after(0, fill);
        }
        drain(bench, sink, () => undefined);
        bench.whenStill(() => bench.reactor.usage().buffers, sendAgain);
      };
      // All buffers are free again: each sender may send as much as makes it congested.
      const sendAgain = (): void => {
        isSecondTime = true;
        assert.ok(bench.reactor.usage().buffers < 10);
        for (const each of sources) {
          each.onClosed = () => {
            closed++;
          };
          for (let sent = 0; sent < SEND_HIGH_WATER; sent += piece.length) each.send(piece);
        }
        bench.whenStill(
          () => secondReceived,
          () => bench.done(),
        );
      };
      for (let i = 0; i < SENDERS; i++) {
        unixPair(bench, (source, inbound) => {
          inbound.onBytes = (memory, begin, end) => {
            if (isSecondTime) secondReceived += end - begin;
            else {
              relayed += end - begin;
              outbound.socket.send(memory, begin, end);
            }
            return end;
          };
          if (sources.push(source) === SENDERS) fill();
        });
      }
    });
    bench.run();
    assert.ok(mostBuffers > SMALL_COUNT / 2, 'the buffers did not become scarce');
    assert.ok(relayed > 0);
    assert.equal(closed, 0, 'senders lost their connections for want of memory');
    assert.equal(secondReceived, SENDERS * SEND_HIGH_WATER);
  },
);

onEachReactor('a peer that has ended its own side still gets all that was queued', (bench) => {
  const sent = randomBytes(MEGABYTE);
  withRawPeer(bench, (end, peer) => {
    end.onBytes = (_bytes, _begin, stop) => {
      end.send(sent);
      end.socket.closeAfterSend();
      return stop;
    };
    peer.write(Buffer.from('all of it, please'));
    peer.shut();
    const pieces: Uint8Array[] = [];
    const read = (): void => {
      for (let bytes = peer.read(); bytes !== null; bytes = peer.read()) {
        if (bytes.length === 0) {
          assert.ok(Buffer.concat(pieces).equals(sent));
          return bench.done();
        }
        pieces.push(bytes.slice());
      }
      bench.after(1, read);
    };
    bench.after(20, read); // by then its end has been seen
  });
  bench.run();
});
