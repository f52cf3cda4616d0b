/** A socket that was given little of a large answer is left alone for a moment: what happens to it in that moment is
 *  neither lost nor heard of too early. */
import assert from 'node:assert/strict';
import { SMALL_BYTES } from '../../../src/reactor/buffers.js';
import { Errno } from '../../../src/reactor/libc.js';
import { type Bench, type End, onEachReactor, PLAIN } from './bench.js';

/** After so much a socket is read into large buffers … */
const LARGE = Buffer.alloc(64 * SMALL_BYTES, 'x');
/** … and this does not half fill one. */
const LITTLE = Buffer.alloc(20_000, 'x');
const MORE = Buffer.from('more');

/** `then` is called when `end` has all of that and is left alone. The peer resets when it is closed. */
function whileLeftAlone(bench: Bench, then: (end: End, peer: End) => void): void {
  bench.pair(
    (peer, end) => {
      end.onBytes = (_bytes, begin, to) => {
        end.received += to - begin;
        if (end.received === LARGE.length) bench.after(0, () => peer.send(LITTLE));
        if (end.received === LARGE.length + LITTLE.length) bench.after(0, () => then(end, peer));
        return to;
      };
      peer.send(LARGE);
    },
    { ...PLAIN, lingerS: 0 },
  );
}

onEachReactor('what a large answer ends with comes, and then its end', (bench) => {
  let received = 0;
  let closedWith = -1;
  whileLeftAlone(bench, (end, peer) => {
    end.onClosed = (errno) => {
      received = end.received;
      closedWith = errno;
      bench.done();
    };
    peer.send(MORE);
    peer.socket.closeAfterSend();
  });
  bench.run();
  assert.equal(received, LARGE.length + LITTLE.length + MORE.length);
  assert.equal(closedWith, 0);
});

onEachReactor('a large answer that stops is gone on with, however late and little', (bench) => {
  whileLeftAlone(bench, (end, peer) => {
    end.onBytes = (_bytes, begin, to) => {
      end.received += to - begin;
      if (end.received === LARGE.length + LITTLE.length + 2 * MORE.length) bench.done();
      else bench.after(5, () => peer.send(MORE));
      return to;
    };
    bench.after(5, () => peer.send(MORE));
  });
  bench.run();
});

onEachReactor(
  'a receiver that pauses meanwhile gets nothing, not even the end, until it goes on',
  (bench) => {
    let receivedAtEnd = 0;
    whileLeftAlone(bench, (end, peer) => {
      end.socket.pause(false);
      end.onBytes = () => assert.fail('bytes for who has paused');
      end.onClosed = () => assert.fail('an end for who has paused');
      peer.send(MORE);
      peer.socket.closeAfterSend();
      bench.after(20, () => {
        end.onBytes = (_bytes, begin, to) => {
          receivedAtEnd += to - begin;
          return to;
        };
        end.onClosed = () => bench.done();
        end.socket.resume();
      });
    });
    bench.run();
    assert.equal(receivedAtEnd, MORE.length);
  },
);

onEachReactor('a reset meanwhile is told', (bench) => {
  let closedWith = -1;
  whileLeftAlone(bench, (end, peer) => {
    end.onClosed = (errno) => {
      closedWith = errno;
      bench.done();
    };
    peer.socket.close();
  });
  bench.run();
  assert.equal(closedWith, Errno.ECONNRESET);
});

onEachReactor('one that is closed meanwhile is not read any more', (bench) => {
  whileLeftAlone(bench, (end, peer) => {
    end.onBytes = () => assert.fail('bytes for who has closed');
    peer.send(MORE);
    end.socket.close();
    bench.after(5, () => bench.done());
  });
  bench.run();
});

onEachReactor('a session that fails over what comes then loses its connection, and nothing else', (bench) => {
  const failure = new Error('the session fails');
  bench.reactor.onBug = (error) => bench.bugs.push(error);
  let closedWith = -1;
  whileLeftAlone(bench, (end, peer) => {
    end.onBytes = () => {
      throw failure;
    };
    end.onClosed = (errno) => {
      closedWith = errno;
      bench.done();
    };
    peer.send(MORE);
  });
  bench.run(true);
  assert.deepEqual(bench.bugs, [failure]);
  assert.equal(closedWith, Errno.EPROTO);
});
