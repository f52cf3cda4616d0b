/** Connections begin and end: accepted, refused, closed and reset, over TCP and unix sockets. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KernelSocket } from '../../../src/reactor/kernel-socket.js';
import { SHUT_WR } from '../../../src/reactor/kernel-structs.js';
import { Errno, SystemError, shutdown } from '../../../src/reactor/libc.js';
import { openReactor } from '../../../src/reactor/open-reactor.js';
import type { SocketAddress } from '../../../src/reactor/reactor.js';
import { SocketPathTooLong } from '../../../src/reactor/socket-address.js';
import { UringUnavailable } from '../../../src/reactor/uring/ring.js';
import { countDescriptors, End, LOCALHOST, onEachReactor, PLAIN, uringForbidden } from './bench.js';

const hello = Buffer.from('hello');
const refuser = { onAccept: () => assert.fail('accepted'), onAcceptFailed: () => undefined };

const folder = mkdtempSync(join(tmpdir(), 'reactor-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let socketFiles = 0;
function unixAddress(): { readonly kind: 'unix'; readonly path: string } {
  return { kind: 'unix', path: join(folder, `socket-${socketFiles++}`) };
}

test(`the reactor is the one that was asked for${uringForbidden && ' (io_uring is forbidden here)'}`, () => {
  assert.equal(openReactor('epoll').reactor.name, 'epoll');
  if (uringForbidden === '') {
    assert.equal(openReactor('io_uring').reactor.name, 'io_uring');
    assert.equal(openReactor('auto').reactor.name, 'io_uring');
  } else {
    assert.throws(() => openReactor('io_uring'), UringUnavailable);
    assert.equal(openReactor('auto').reactor.name, 'epoll');
  }
});

onEachReactor('both ends of a connection see each other', (bench) => {
  let port = 0;
  bench.pair((client, server) => {
    const [theirs, ours] = [client.socket.peerAddress(), server.socket.peerAddress()];
    assert.deepEqual([theirs.host, theirs.isUnix], ['127.0.0.1', false]);
    assert.deepEqual([ours.host, ours.isUnix], ['127.0.0.1', false]);
    assert.notEqual(theirs.port, ours.port);
    port = theirs.port;
    bench.done();
  });
  bench.run();
  assert.notEqual(port, 0);
});

onEachReactor('a hundred connections are accepted, and each end talks with its own other end', (bench) => {
  const COUNT = 100;
  let answered = 0;
  const listener = bench.listen(LOCALHOST, {
    onAccept: (socket) => {
      const server = new End();
      server.socket = socket;
      server.onBytes = (bytes, begin, end) => {
        socket.send(bytes, begin, end);
        return end;
      };
      return server;
    },
    onAcceptFailed: (errno) => assert.fail(`accept failed: ${errno}`),
  });
  for (let i = 0; i < COUNT; i++) {
    const client = new End();
    const pieces = client.collect();
    const collect = client.onBytes;
    client.onBytes = (bytes, begin, end) => {
      collect(bytes, begin, end);
      if (client.received < 8) return end;
      assert.equal(Buffer.concat(pieces).toString(), String(i).padStart(8));
      client.socket.close();
      if (++answered === COUNT) bench.after(20, () => bench.done());
      return end;
    };
    client.onConnected = () => client.send(Buffer.from(String(i).padStart(8)));
    client.socket = bench.connect({ ...LOCALHOST, port: listener.port }, client);
  }
  bench.run();
  assert.equal(answered, COUNT);
});

onEachReactor('a refused connect ends with ECONNREFUSED, and never counts as connected', (bench) => {
  const listener = bench.listen(LOCALHOST, refuser);
  const address = { ...LOCALHOST, port: listener.port };
  listener.close();
  const client = new End();
  let closedWith = -1;
  client.onConnected = () => assert.fail('connected');
  client.onClosed = (errno) => {
    closedWith = errno;
    bench.done();
  };
  bench.after(20, () => {
    client.socket = bench.connect(address, client);
  });
  bench.run();
  assert.equal(closedWith, Errno.ECONNREFUSED);
});

onEachReactor('a connect to a path that nobody listens on ends with ENOENT, after the call', (bench) => {
  const client = new End();
  let closedWith = -1;
  client.onClosed = (errno) => {
    assert.ok(client.socket, 'told inside the call of connect');
    closedWith = errno;
    bench.done();
  };
  client.socket = bench.connect(unixAddress(), client);
  bench.run();
  assert.equal(closedWith, Errno.ENOENT);
});

onEachReactor('an attempt to connect that is closed before its outcome is forgotten', (bench) => {
  const client = new End();
  client.onConnected = () => assert.fail('connected');
  client.onClosed = () => assert.fail('told of the end');
  client.socket = bench.connect({ kind: 'tcp', host: '192.0.2.1', port: 9 }, client);
  client.socket.close();
  bench.after(20, () => bench.done());
  bench.run();
});

onEachReactor('a file that is no socket is left alone', (bench) => {
  const address = unixAddress();
  writeFileSync(address.path, 'precious');
  assert.throws(() => bench.listen(address, refuser), SystemError);
  assert.equal(readFileSync(address.path, 'utf8'), 'precious');
});

onEachReactor('the file of a unix socket whose process was killed is no obstacle; one in use is', (bench) => {
  const address = unixAddress();
  const program = `require('node:net').createServer().listen(${JSON.stringify(address.path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program]);
  assert.equal(existsSync(address.path), true);
  // It is asked whether it is alive by a connection that says nothing.
  bench.listen(address, { onAccept: () => new End(), onAcceptFailed: () => undefined });
  assert.throws(
    () => bench.listen(address, refuser),
    (error) => error instanceof SystemError && error.errno === Errno.EADDRINUSE,
  );
  bench.after(0, () => bench.done());
  bench.run();
});

onEachReactor('a port in use cannot be listened on', (bench) => {
  const listener = bench.listen(LOCALHOST, refuser);
  assert.throws(
    () => bench.listen({ ...LOCALHOST, port: listener.port }, refuser),
    (error) => error instanceof SystemError && error.errno === Errno.EADDRINUSE,
  );
  bench.after(0, () => bench.done());
  bench.run();
});

onEachReactor(
  'a port can be listened on again at once, though an old connection still lingers on it',
  (bench) => {
    // Who ends first keeps the connection in TIME-WAIT, tcp(7): here it is the listener's side.
    let port = 0;
    const client = new End();
    const first = bench.listen(LOCALHOST, {
      onAccept: (socket) => {
        bench.after(0, () => socket.closeAfterSend());
        return new End();
      },
      onAcceptFailed: () => undefined,
    });
    client.onClosed = () => {
      first.close();
      bench.after(20, () => {
        port = bench.listen({ ...LOCALHOST, port: first.port }, refuser).port;
        bench.done();
      });
    };
    client.socket = bench.connect({ ...LOCALHOST, port: first.port }, client);
    bench.run();
    assert.equal(port, first.port);
  },
);

onEachReactor('an address that cannot be used leaves no descriptor behind', (bench) => {
  const before = countDescriptors();
  const tooLong: SocketAddress = { kind: 'unix', path: `/${'x'.repeat(200)}` };
  assert.throws(() => bench.listen(tooLong, refuser), SocketPathTooLong);
  assert.throws(() => bench.listen({ kind: 'unix', path: '/nowhere/at/all' }, refuser), SystemError);
  assert.throws(() => bench.connect(tooLong, new End()), SocketPathTooLong);
  assert.equal(countDescriptors(), before);
  assert.equal(bench.reactor.usage().sockets, 0);
});

onEachReactor('a unix socket connects, says that it is one, and its file goes with the listener', (bench) => {
  const address = unixAddress();
  let received = '';
  bench.pair(
    (client, server) => {
      const unix = { host: '', port: 0, isUnix: true };
      assert.deepEqual(client.socket.peerAddress(), unix);
      assert.deepEqual(server.socket.peerAddress(), unix);
      assert.ok(existsSync(address.path));
      server.onBytes = (bytes, begin, end) => {
        received += Buffer.from(bytes.slice(begin, end)).toString();
        bench.done();
        return end;
      };
      client.send(hello);
    },
    PLAIN,
    address,
  );
  bench.run();
  assert.equal(received, 'hello');
  assert.ok(!existsSync(address.path));
});

onEachReactor('IPv6 connects, and a listener on :: takes IPv4 as well', (bench) => {
  const hosts: string[] = [];
  const note = {
    onAccept: (socket: End['socket']) => {
      hosts.push(socket.peerAddress().host);
      socket.close();
      if (hosts.length === 2) bench.done();
      return new End();
    },
    onAcceptFailed: () => undefined,
  };
  const { port } = bench.listen({ kind: 'tcp', host: '::', port: 0 }, note);
  bench.connect({ kind: 'tcp', host: '::1', port }, new End());
  bench.connect({ kind: 'tcp', host: '127.0.0.1', port }, new End());
  bench.run();
  assert.deepEqual(hosts.sort(), ['127.0.0.1', '::1']);
});

onEachReactor('the end of the peer is told once, with 0, behind all that it has sent', (bench) => {
  let ends = 0;
  bench.pair((client, server) => {
    server.onClosed = (errno) => {
      assert.equal(errno, 0);
      assert.equal(server.received, hello.length);
      ends++;
      bench.after(20, () => bench.done());
    };
    client.send(hello);
    client.socket.closeAfterSend();
  });
  bench.run();
  assert.equal(ends, 1);
});

onEachReactor('close without a linger time resets the connection', (bench) => {
  let closedWith = -1;
  bench.pair(
    (client, server) => {
      server.onClosed = (errno) => {
        closedWith = errno;
        bench.done();
      };
      client.socket.close();
    },
    { ...PLAIN, lingerS: 0 },
  );
  bench.run();
  assert.equal(closedWith, Errno.ECONNRESET);
});

onEachReactor('after close the receiver hears nothing, though the peer goes on sending', (bench) => {
  let closedWith = -1;
  bench.pair((client, server) => {
    client.onBytes = () => assert.fail('bytes after close');
    client.onClosed = () => assert.fail('told of the end after close');
    client.onWritable = () => assert.fail('writable after close');
    server.onClosed = (errno) => {
      closedWith = errno;
      bench.after(10, () => bench.done());
    };
    server.send(Buffer.alloc(300_000));
    client.send(Buffer.alloc(1_000_000));
    client.socket.close();
  });
  bench.run();
  assert.ok(
    closedWith === 0 || closedWith === Errno.ECONNRESET || closedWith === Errno.EPIPE,
    `${closedWith}`,
  );
});

onEachReactor('a peer that ends properly gets a proper end back, in spite of a linger time of 0', (bench) => {
  const ends: number[] = [];
  bench.pair(
    (client, server) => {
      server.onClosed = (errno) => ends.push(errno);
      client.onClosed = (errno) => {
        ends.push(errno);
        bench.done();
      };
      const { socket } = client;
      assert.ok(socket instanceof KernelSocket);
      shutdown(socket.fd, SHUT_WR);
    },
    { ...PLAIN, lingerS: 0 },
  );
  bench.run();
  assert.deepEqual(ends, [0, 0]);
});

onEachReactor('closeAfterSend delivers everything to a peer that reads late, then ends', (bench) => {
  const bytes = Buffer.alloc(8_000_000, 'all of this ');
  let pieces: Buffer[] = [];
  let closedWith = -1;
  bench.pair((client, server) => {
    pieces = server.collect();
    server.socket.pause(false);
    client.onClosed = () => assert.fail('told of the end after closeAfterSend');
    client.onWritable = () => assert.fail('writable after closeAfterSend');
    client.send(bytes);
    client.socket.closeAfterSend();
    client.send(Buffer.from('too late'));
    bench.whenStill(
      () => client.socket.unsent,
      () => server.socket.resume(),
    );
    server.onClosed = (errno) => {
      closedWith = errno;
      bench.done();
    };
  });
  bench.run();
  assert.equal(closedWith, 0);
  assert.ok(Buffer.concat(pieces).equals(bytes), 'the bytes differ');
});

onEachReactor('closeAfterSend delivers everything to a peer that reads slowly but steadily', (bench) => {
  const SLOW_MS = 2300; // longer than the peer is waited for when all has been sent
  const bytes = Buffer.alloc(16_000_000, 'all of this ');
  let received = 0;
  bench.pair(
    (client, server) => {
      const begun = bench.reactor.nowMs;
      const count = server.onBytes;
      server.onBytes = (memory, begin, end) => {
        if (end > begin && bench.reactor.nowMs - begun < SLOW_MS) {
          server.socket.pause(false);
          bench.after(20, () => server.socket.resume());
        }
        return count(memory, begin, end);
      };
      server.onClosed = () => {
        received = server.received;
        bench.done();
      };
      client.send(bytes);
      client.socket.closeAfterSend();
    },
    PLAIN,
    unixAddress(),
  );
  bench.run();
  assert.equal(received, bytes.length);
});

onEachReactor('closeAfterSend in onAccept sends its word, and the receiver hears nothing more', (bench) => {
  const client = new End();
  const server = new End();
  server.onBytes = () => assert.fail('bytes after closeAfterSend');
  server.onClosed = () => assert.fail('told of the end after closeAfterSend');
  const listener = bench.listen(LOCALHOST, {
    onAccept: (socket) => {
      socket.send(hello, 0, hello.length);
      socket.closeAfterSend();
      return server;
    },
    onAcceptFailed: () => undefined,
  });
  let closedWith = -1;
  client.onConnected = () => client.send(hello);
  client.onClosed = (errno) => {
    closedWith = errno;
    bench.after(20, () => bench.done());
  };
  client.socket = bench.connect({ ...LOCALHOST, port: listener.port }, client);
  bench.run();
  assert.equal(client.received, hello.length);
  assert.equal(closedWith, 0);
});

onEachReactor('close in onAccept ends the connection, and the receiver hears nothing', (bench) => {
  const client = new End();
  const server = new End();
  server.onBytes = () => assert.fail('bytes after close');
  server.onClosed = () => assert.fail('told of the end after close');
  const listener = bench.listen(LOCALHOST, {
    onAccept: (socket) => {
      socket.close();
      return server;
    },
    onAcceptFailed: () => undefined,
  });
  let closedWith = -1;
  client.onClosed = (errno) => {
    closedWith = errno;
    bench.after(10, () => bench.done());
  };
  client.socket = bench.connect({ ...LOCALHOST, port: listener.port }, client);
  bench.run();
  assert.equal(closedWith, 0);
});

onEachReactor('closeAfterSend gives a peer up that never closes', (bench) => {
  bench.pair((client, server) => {
    server.onClosed = () => assert.fail('the server was told of the end while it was paused');
    server.send(Buffer.alloc(100));
    server.socket.pause(false);
    client.send(hello);
    client.socket.closeAfterSend();
    const before = bench.reactor.usage().sockets;
    const look = (): void => {
      if (bench.reactor.usage().sockets < before) bench.done();
      else bench.after(50, look);
    };
    look();
  });
  bench.run();
});
