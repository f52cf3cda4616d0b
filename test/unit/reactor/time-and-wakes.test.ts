/** Time, timers and wake-ups of a reactor. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { type Fd, write } from '../../../src/reactor/libc.js';
import { Timer } from '../../../src/reactor/timers.js';
import { type Bench, onEachReactor } from './bench.js';

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** CLOCK_MONOTONIC in milliseconds: what every reactor tells. */
function wall(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function wake(bench: Bench): void {
  write(bench.reactor.wakeFd as Fd, ONE);
}

onEachReactor('timers fire in the order of their deadlines and never early', (bench) => {
  const COUNT = 200;
  const fired: number[] = [];
  bench.after(0, () => {
    const begun = bench.reactor.nowMs;
    for (let i = 0; i < COUNT; i++) {
      const afterMs = ((i * 7919) % COUNT) / 5;
      const timer = new Timer({
        onTimer: () => {
          assert.ok(bench.reactor.nowMs >= begun + afterMs, 'early by the reactor’s clock');
          assert.ok(wall() >= begun + afterMs, 'early by the clock on the wall');
          fired.push(afterMs);
          if (fired.length === COUNT) bench.done();
        },
      });
      bench.reactor.setTimer(timer, afterMs);
    }
  });
  bench.run();
  assert.equal(fired.length, COUNT);
  assert.deepEqual(
    fired,
    [...fired].sort((a, b) => a - b),
  );
});

onEachReactor(
  'a reactor with nothing else to do wakes up for its timer, soon after the deadline',
  (bench) => {
    let lateMs = Number.POSITIVE_INFINITY;
    bench.after(0, () => {
      const due = bench.reactor.nowMs + 30;
      bench.after(30, () => {
        lateMs = bench.reactor.nowMs - due;
        bench.done();
      });
    });
    bench.run();
    assert.ok(lateMs < 1000, `late by ${lateMs} ms`);
  },
);

onEachReactor('a timer that was cleared does not fire, and one that was moved fires once', (bench) => {
  const fired: string[] = [];
  const cleared = new Timer({ onTimer: () => fired.push('cleared') });
  const moved = new Timer({
    onTimer: () => {
      fired.push('moved');
      bench.after(20, () => bench.done()); // it would fire again meanwhile
    },
  });
  bench.reactor.setTimer(cleared, 5);
  bench.reactor.setTimer(moved, 5);
  bench.after(1, () => {
    bench.reactor.clearTimer(cleared);
    bench.reactor.setTimer(moved, 20);
    bench.after(40, () => bench.done()); // from here, so that a late round changes no order
  });
  bench.after(15, () => fired.push('between'));
  bench.run();
  assert.deepEqual(fired, ['between', 'moved']);
});

onEachReactor('the clock stands still within a round and goes on between rounds', (bench) => {
  const moments: number[] = [];
  bench.after(1, () => {
    moments.push(bench.reactor.nowMs);
    const begun = performance.now();
    while (performance.now() < begun + 2);
    moments.push(bench.reactor.nowMs);
    bench.after(1, () => {
      moments.push(bench.reactor.nowMs);
      bench.done();
    });
  });
  bench.run();
  const [first = 0, same = 0, later = 0] = moments;
  assert.equal(moments.length, 3);
  assert.equal(first, same);
  assert.ok(later > same);
});

onEachReactor('a write to wakeFd calls onWake, each time again', (bench) => {
  let wakes = 0;
  bench.reactor.onWake = () => {
    if (++wakes === 3) bench.done();
    else wake(bench);
  };
  bench.after(0, () => wake(bench));
  bench.run();
  assert.equal(wakes, 3);
});

onEachReactor('a wake-up from before the first round is not lost', (bench) => {
  let wakes = 0;
  bench.reactor.onWake = () => {
    wakes++;
    bench.done();
  };
  wake(bench);
  bench.run();
  assert.equal(wakes, 1);
});

/** Waits until it is told to go, wakes the reactor, and waits until it may end. */
const WAKER = `
  const { workerData: { steps, fd } } = require('node:worker_threads');
  Atomics.store(steps, 0, 1);
  Atomics.notify(steps, 0);
  Atomics.wait(steps, 1, 0);
  Atomics.store(steps, 2, 42);
  require('node:fs').writeSync(fd, new BigUint64Array([1n]));
  Atomics.wait(steps, 3, 0);
`;

onEachReactor('another thread wakes a reactor that waits in the kernel', async (bench) => {
  const steps = new Int32Array(new SharedArrayBuffer(16));
  const worker = new Worker(WAKER, {
    eval: true,
    workerData: { steps, fd: bench.reactor.wakeFd },
    execArgv: [],
  });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  Atomics.wait(steps, 0, 0);
  bench.countDescriptorsAnew();
  let message = 0;
  bench.reactor.onWake = () => {
    message = Atomics.load(steps, 2);
    bench.done();
  };
  bench.after(0, () => {
    Atomics.store(steps, 1, 1);
    Atomics.notify(steps, 1);
  });
  try {
    bench.run();
  } finally {
    Atomics.store(steps, 3, 1);
    Atomics.notify(steps, 3);
    await ended;
  }
  assert.equal(message, 42);
});

onEachReactor('many wake-ups before a round are one or more calls, and none afterwards', (bench) => {
  let wakes = 0;
  bench.reactor.onWake = () => {
    wakes++;
  };
  bench.after(0, () => {
    for (let i = 0; i < 100; i++) wake(bench);
    bench.after(20, () => {
      const soFar = wakes;
      assert.ok(soFar >= 1 && soFar <= 100);
      bench.after(20, () => {
        assert.equal(wakes, soFar);
        bench.done();
      });
    });
  });
  bench.run();
  assert.ok(wakes >= 1);
});

onEachReactor('run ends after the round in which stop was called', (bench) => {
  let isAfterwards = false;
  const { reactor } = bench;
  const late = new Timer({
    onTimer: () => {
      isAfterwards = true;
    },
  });
  bench.after(0, () => {
    reactor.stop();
    reactor.setTimer(late, 1); // of the next round, whenever that were
  });
  reactor.run();
  reactor.clearTimer(late);
  assert.equal(isAfterwards, false);
  assert.equal(reactor.usage().timers, 0);
});

onEachReactor('whoever is told of something after a long wait is told the present time', (bench) => {
  bench.pair((client, server) => {
    const peer = new Worker(
      "require('node:worker_threads').parentPort.once('message', (fd) => setTimeout(() => require('node:fs').writeSync(fd, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0])), 60));",
      { eval: true },
    );
    bench.reactor.onWake = () => {
      assert.ok(wall() - bench.reactor.nowMs < 50, 'the reactor lives in the past');
      void peer.terminate();
      client.socket.close();
      server.socket.close();
      bench.done();
    };
    peer.postMessage(bench.reactor.wakeFd);
  });
  bench.run();
});
