/** TLS over a socket behaves as a socket, whatever the peer does. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { BaseReactor } from '../../../src/reactor/base-reactor.js';
import { Errno, mapMemory } from '../../../src/reactor/libc.js';
import { NO_SSL, SEND_HIGH_WATER } from '../../../src/reactor/reactor.js';
import { AcceptingContext, ConnectingContext } from '../../../src/reactor/tls-context.js';
import { Tls } from '../../../src/reactor/tls-engine.js';
import { Authority } from '../../support/certificates.js';
import { type Bench, End } from './bench.js';
import {
  ACCEPTING,
  accepting,
  authority,
  CONNECTING,
  connecting,
  handshakes,
  SecureEnd,
  securePair,
  tlsTest,
} from './tls-pair.js';

const MEGABYTE = 1024 * 1024;
/** First byte of a record. */
const ALERT = 21;
/** What a record of TLS 1.3 with AES-GCM has beside its content. Bytes. */
const RECORD_EXTRA = 22;

/** Calls back when an end has received so many bytes. */
function whenReceived(end: End, bytes: number, what: (received: Buffer) => void): void {
  const pieces = end.collect();
  const { onBytes } = end;
  end.onBytes = (...args) => {
    const read = onBytes(...args);
    if (end.received === bytes) what(Buffer.concat(pieces));
    return read;
  };
}

tlsTest('what is sent arrives, in both directions, and both know that it is TLS 1.3', (bench) => {
  const sent = randomBytes(3 * MEGABYTE);
  securePair(bench, (client, server) => {
    assert.deepEqual([client.socket.isTls, server.socket.isTls], [true, true]);
    assert.deepEqual([client.secured?.version, client.secured?.hasProtocol], ['TLSv1.3', true]);
    server.onBytes = (bytes, begin, end) => {
      server.socket.send(bytes, begin, end);
      return end;
    };
    whenReceived(client, sent.length, (received) => {
      assert.ok(received.equals(sent));
      bench.done();
    });
    client.send(sent);
  });
  bench.run();
});

tlsTest('received bytes lie where another socket can send them from', (bench) => {
  securePair(bench, (client, server) => {
    client.send(Buffer.from('hello'));
    server.onBytes = (bytes, _begin, end) => {
      assert.ok(bench.reactor instanceof BaseReactor);
      assert.equal(bytes, bench.reactor.buffers.memory);
      bench.done();
      return end;
    };
  });
  bench.run();
});

tlsTest('what was sent before the handshake is done follows it', (bench) => {
  handshakes(bench, (client, server) => {
    client.send(Buffer.from('early'));
    whenReceived(server, 5, (received) => {
      assert.equal(received.toString(), 'early');
      bench.done();
    });
  });
  bench.run();
});

tlsTest('messages sent together travel in one record', (bench) => {
  bench.pair((plainClient, plainServer) => {
    const client = new SecureEnd();
    const server = new SecureEnd();
    server.socket = bench.secure(plainServer.socket, accepting.engine(), server);
    client.socket = bench.secure(plainClient.socket, connecting.engine('localhost'), client);
    server.onConnected = () =>
      bench.after(5, () => {
        let ciphertext = 0;
        const tap = new End();
        const filter = plainClient.socket.receiver;
        tap.onBytes = (bytes, begin, end) => {
          ciphertext += end - begin;
          return filter.onBytes(bytes, begin, end);
        };
        plainClient.socket.receiver = tap;
        whenReceived(client, 300, () => {
          assert.equal(ciphertext, 300 + RECORD_EXTRA);
          bench.done();
        });
        for (let i = 0; i < 100; i++) server.send(Buffer.from('abc'));
      });
  });
  bench.run();
});

tlsTest('a paused end reads little more, its peer becomes congested, and nothing is lost', (bench) => {
  const total = 8 * MEGABYTE;
  const piece = randomBytes(10_000);
  securePair(bench, (client, server) => {
    let sent = 0;
    let isPaused = true;
    const fill = (): void => {
      while (sent < total && !client.socket.isCongested) {
        client.send(piece);
        sent += piece.length;
      }
    };
    server.socket.pause(false);
    server.onBytes = (bytes, begin, end) => {
      assert.ok(!isPaused);
      for (let at = begin; at < end; at++) {
        if (bytes[at] !== piece[server.received++ % piece.length]) assert.fail('a byte is wrong');
      }
      if (server.received >= total) bench.done();
      return end;
    };
    client.onWritable = fill;
    fill();
    bench.whenStill(
      () => sent,
      () => {
        assert.ok(client.socket.isCongested);
        assert.ok(client.socket.unsent < 2 * SEND_HIGH_WATER, `${client.socket.unsent} bytes are unsent`);
        isPaused = false;
        server.socket.resume();
      },
    );
  });
  bench.run();
});

tlsTest('what a receiver leaves when it pauses comes again, before what arrives later', (bench) => {
  securePair(bench, (client, server) => {
    const read: string[] = [];
    server.onBytes = (bytes, begin, end) => {
      if (begin === end) return end;
      read.push(Buffer.from(bytes.slice(begin, begin + 1)).toString());
      server.socket.pause(false);
      bench.after(1, () => server.socket.resume());
      if (read.length === 6) {
        assert.equal(read.join(''), 'abcdef');
        bench.done();
      }
      return begin + 1;
    };
    client.send(Buffer.from('abc'));
    bench.after(2, () => client.send(Buffer.from('def')));
  });
  bench.run();
});

tlsTest('bytes that are put back come first', (bench) => {
  securePair(bench, (client, server) => {
    whenReceived(server, 6, (received) => {
      assert.equal(received.toString(), 'abcdef');
      bench.done();
    });
    server.socket.unread(Buffer.from('abc'), 0, 3);
    client.send(Buffer.from('def'));
  });
  bench.run();
});

tlsTest(
  'closing after sending sends all, says so by close_notify, and the peer sees a proper end',
  (bench) => {
    const sent = randomBytes(MEGABYTE);
    securePair(bench, (client, server) => {
      const pieces = client.collect();
      client.onClosed = (errno) => {
        assert.equal(errno, 0);
        assert.equal(client.failure, '');
        assert.ok(Buffer.concat(pieces).equals(sent));
        bench.done();
      };
      server.send(sent);
      server.socket.closeAfterSend();
    });
    bench.run();
  },
);

tlsTest('an end without close_notify ends it, and so does a reset', (bench) => {
  let ended = 0;
  for (const isReset of [false, true]) {
    bench.pair((plainClient, plainServer) => {
      const client = new SecureEnd();
      const server = new SecureEnd();
      server.socket = bench.secure(plainServer.socket, accepting.engine(), server);
      client.socket = bench.secure(plainClient.socket, connecting.engine('localhost'), client);
      client.onConnected = () =>
        bench.after(5, () => (isReset ? plainClient.socket.close() : client.socket.close()));
      server.onClosed = () => {
        if (++ended === 2) bench.done();
      };
    });
  }
  bench.run();
});

tlsTest('the end of a peer that a paused end wants to see is told at once', (bench) => {
  securePair(bench, (client, server) => {
    server.socket.pause(true);
    client.send(Buffer.from('unread'));
    bench.after(5, () => client.socket.closeAfterSend());
    server.onBytes = () => assert.fail('it was paused');
    server.onClosed = (errno) => {
      assert.equal(errno, 0);
      bench.done();
    };
  });
  bench.run();
});

tlsTest('the end of a peer comes behind what was kept when that is wanted', (bench) => {
  securePair(bench, (client, server) => {
    const pieces = server.collect();
    server.socket.pause(false);
    client.send(Buffer.from('kept'));
    client.socket.closeAfterSend();
    server.onClosed = (errno) => {
      assert.deepEqual([Buffer.concat(pieces).toString(), errno], ['kept', 0]);
      bench.done();
    };
    bench.after(10, () => server.socket.resume());
  });
  bench.run();
});

// ── handshakes that fail ─────────────────────────────────────────────────────────────────────────────────────────

/** A handshake that fails: what both sides say of it. */
function failedHandshake(
  bench: Bench,
  options: Parameters<typeof handshakes>[2],
  judge: (client: string, server: string) => void,
): void {
  handshakes(
    bench,
    (client, server) => {
      let open = 2;
      const closed = (errno: number): void => {
        assert.equal(errno, Errno.EPROTO);
        if (--open > 0) return;
        judge(client.failure, server.failure);
        bench.done();
      };
      server.onConnected = () => assert.fail('it is not secure');
      server.onClosed = closed;
      client.onClosed = closed;
    },
    options,
  );
  bench.run();
}

tlsTest('a certificate of an unknown authority ends the handshake, and both sides say why', (bench) => {
  const from = new ConnectingContext({ ...CONNECTING, authorities: new Authority('another').pem });
  failedHandshake(bench, { from }, (client, server) => {
    assert.match(client, /certificate verify failed: unable to get local issuer certificate/);
    assert.match(server, /alert unknown ca/);
  });
});

tlsTest('a certificate of another host ends the handshake', (bench) => {
  failedHandshake(bench, { host: 'elsewhere' }, (client) =>
    assert.match(client, /certificate verify failed: hostname mismatch/),
  );
});

tlsTest('a certificate of another address ends the handshake', (bench) => {
  failedHandshake(bench, { host: '127.0.0.2' }, (client) =>
    assert.match(client, /certificate verify failed: IP address mismatch/),
  );
});

tlsTest('a certificate that has expired ends the handshake', (bench) => {
  const identity = authority.signLocal({ days: -1 });
  failedHandshake(bench, { to: new AcceptingContext({ ...ACCEPTING, identity }) }, (client) =>
    assert.match(client, /certificate has expired/),
  );
});

tlsTest('an offer of other protocols ends the handshake', (bench) => {
  const from = new ConnectingContext({ ...CONNECTING, protocol: 'http/1.1' });
  failedHandshake(bench, { from }, (client) => assert.match(client, /alert no application protocol/));
});

tlsTest('a client without a certificate that is wanted is refused', (bench) => {
  const to = new AcceptingContext({ ...ACCEPTING, clientAuthorities: authority.pem });
  handshakes(
    bench,
    (client, server) => {
      server.onClosed = () => assert.match(server.failure, /peer did not return a certificate/);
      client.onClosed = () => {
        assert.match(client.failure, /alert certificate required/); // TLS 1.3: after its own handshake
        bench.done();
      };
    },
    { to },
  );
  bench.run();
});

tlsTest('a client with a certificate of the right authority is let in', (bench) => {
  const to = new AcceptingContext({ ...ACCEPTING, clientAuthorities: authority.pem });
  const from = new ConnectingContext({ ...CONNECTING, identity: authority.sign('somebody') });
  handshakes(
    bench,
    (_client, server) => {
      server.onConnected = () => bench.done();
    },
    { from, to },
  );
  bench.run();
});

// ── bytes that are no TLS ────────────────────────────────────────────────────────────────────────────────────────

tlsTest('garbage ends its own connection with an alert, and leaves nothing behind for others', (bench) => {
  securePair(bench, (client, server) => {
    bench.pair((attacker, victim) => {
      const attacked = new SecureEnd();
      attacked.socket = attacked.secured = bench.secure(victim.socket, accepting.engine(), attacked);
      const answer = attacker.collect();
      attacked.onClosed = () => assert.match(attacked.failure, /unexpected message|length mismatch/);
      attacker.onClosed = () => {
        assert.equal(Buffer.concat(answer)[0], ALERT);
        client.send(Buffer.from('still well'));
      };
      attacker.send(Buffer.concat([Buffer.from([22, 3, 1, 0, 80]), Buffer.alloc(5000, 'x')]));
    });
    whenReceived(server, 10, (received) => {
      assert.equal(received.toString(), 'still well');
      bench.done();
    });
  });
  bench.run();
});

tlsTest('a record that was tampered with ends its own connection, and no other', (bench) => {
  securePair(bench, (client, server) => {
    bench.pair((plainClient, plainServer) => {
      const peer = new SecureEnd();
      const attacked = new SecureEnd();
      attacked.socket = attacked.secured = bench.secure(plainServer.socket, accepting.engine(), attacked);
      peer.socket = bench.secure(plainClient.socket, connecting.engine('localhost'), peer);
      attacked.onConnected = () => {
        const record = Buffer.concat([Buffer.from([23, 3, 3, 0, 50]), randomBytes(50)]);
        bench.after(5, () => plainClient.socket.send(Buffer.concat([record, record]), 0, 110));
      };
      attacked.onBytes = () => assert.fail('nothing was sent');
      attacked.onClosed = (errno) => {
        assert.equal(errno, Errno.EPROTO);
        assert.match(attacked.failure, /decryption failed or bad record mac/);
        client.send(Buffer.from('still well'));
      };
    });
    whenReceived(server, 10, () => bench.done());
  });
  bench.run();
});

tlsTest('what looks like a record, and is the rest of one and the next, is read to its end', (bench) => {
  bench.pair((plainClient, plainServer) => {
    const server = new SecureEnd();
    server.socket = bench.secure(plainServer.socket, accepting.engine(), server);
    const client = new EngineByHand(bench, plainClient);
    server.onConnected = () =>
      bench.after(5, () => {
        for (let sent = CONTENT; ; sent += CONTENT) {
          const record = client.encrypt(CONTENT);
          const { at, length } = lookalikeIn(record);
          if (length === 0) {
            plainClient.send(record);
            continue;
          }
          const nextContent = length - (record.length - at) - RECORD_EXTRA;
          const rest = Buffer.concat([record.subarray(at), client.encrypt(nextContent)]);
          assert.equal(rest.length, length);
          whenReceived(server, sent + nextContent, () => bench.done());
          plainClient.send(record.subarray(0, at));
          return bench.after(10, () => plainClient.send(rest));
        }
      });
  });
  bench.run();
});

const CONTENT = 500;

/** Bytes within a record that could be taken for the beginning of another, up to so long that a next record can fill
 *  it and all is received at once; a length of 0 when there are none. */
function lookalikeIn(record: Buffer): { at: number; length: number } {
  for (let at = 1; at < record.length - 5; at++) {
    const length = 5 + record.readUInt16BE(at + 3);
    if (record[at] === 23 && length > 1000 && length < 8000) return { at, length };
  }
  return { at: 0, length: 0 };
}

tlsTest('an end is said by close_notify', (bench) => {
  bench.pair((plainClient, plainServer) => {
    const server = new SecureEnd();
    server.socket = bench.secure(plainServer.socket, accepting.engine(), server);
    const client = new EngineByHand(bench, plainClient);
    server.onConnected = () => bench.after(5, () => server.socket.closeAfterSend());
    plainClient.onClosed = () => {
      assert.equal(client.last, Tls.Ended);
      bench.done();
    };
  });
  bench.run();
});

/** A TLS client whose records a test has in its hands. */
class EngineByHand {
  private readonly engine = connecting.engine('localhost');
  private readonly memory = mapMemory(65_536);

  constructor(bench: Bench, end: End) {
    bench.atEnd(() => this.engine.free());
    const shake = (): void => {
      this.engine.handshake();
      end.send(this.output());
    };
    end.onBytes = (bytes, begin, stop) => {
      Buffer.from(this.memory.buffer).set(bytes.subarray(begin, stop));
      this.engine.feed(this.memory.address, stop - begin);
      shake();
      this.engine.read(this.memory.address, 65_536); // the session ticket
      return stop;
    };
    shake();
  }

  /** What became of the last thing that was read. */
  get last(): Tls {
    return this.engine.last;
  }

  encrypt(length: number): Buffer {
    this.engine.write(this.memory.address, length);
    return this.output();
  }

  private output(): Buffer {
    return Buffer.from(
      Buffer.from(this.memory.buffer, 0, this.engine.takeOutput(this.memory.address, 65_536)),
    );
  }
}

tlsTest('a connection that moves between threads again and again loses no byte and no order', (bench) => {
  const MOVES = 50;
  securePair(bench, (client, server) => {
    let sent = 0;
    let expected = 0;
    let moves = 0;
    server.onBytes = (bytes, begin, end) => {
      for (let at = begin; at < end; at++) assert.equal(bytes[at], expected++ & 0xff);
      return end;
    };
    const sendSome = (): void => {
      if (moves === MOVES && expected === sent) return bench.done();
      if (moves < MOVES) client.send(Uint8Array.from({ length: 50 }, () => sent++ & 0xff));
      bench.after(0, sendSome);
    };
    const moveOn = (): void => {
      if (++moves < MOVES) move();
    };
    const move = (): void => {
      server.socket.detach({
        onDetached: (detached) => {
          assert.notEqual(detached.ssl, NO_SSL);
          server.socket = bench.reactor.attach(detached, server);
          bench.atEnd(() => server.socket.close());
          server.socket.resume();
          // For the peer to decrypt: the order of records is part of the connection.
          server.send(Buffer.from('moved'));
          bench.after(0, moveOn);
        },
      });
    };
    client.onClosed = () => assert.fail('the connection has failed');
    sendSome();
    move();
  });
  bench.run();
});
