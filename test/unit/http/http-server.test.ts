/** The small HTTP server under good and bad clients. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { HTTP_LIMITS, HttpServer, type Pages, text } from '../../../src/http/http-server.js';

const LARGE = 'x'.repeat(32 * 1024 * 1024); // more than the kernel takes for a reader that does not read
const PAGES: Pages = {
  '/page': () => text(200, 'a page\n'),
  '/large': () => text(200, LARGE),
  '/broken': () => {
    throw new Error('it is broken');
  },
};

async function serve(context: TestContext, limits = HTTP_LIMITS, host = '127.0.0.1'): Promise<HttpServer> {
  const server = await HttpServer.open({ host, port: 0 }, PAGES, limits);
  context.after(() => server.close());
  return server;
}

const urlOf = ({ port }: HttpServer, path: string): string => `http://127.0.0.1:${port}${path}`;

/** A connection that can be written to by hand. */
async function dial({ port }: HttpServer, context: TestContext): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  context.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** All that comes until the server closes the connection. */
async function restOf(socket: Socket): Promise<string> {
  let all = '';
  socket.on('error', () => undefined); // a reset is an end, too
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    all += chunk;
  });
  await once(socket, 'close');
  return all;
}

test('a page is answered, whatever stands behind its question mark', async (context) => {
  const server = await serve(context);
  const answer = await fetch(urlOf(server, '/page?x=/y'));
  assert.deepEqual([answer.status, await answer.text()], [200, 'a page\n']);
  assert.equal(answer.headers.get('content-type'), 'text/plain');
});

test('HEAD has the length of the page and no page', async (context) => {
  const server = await serve(context);
  const answer = await fetch(urlOf(server, '/page'), { method: 'HEAD' });
  assert.deepEqual(
    [answer.status, answer.headers.get('content-length'), await answer.text()],
    [200, '7', ''],
  );
});

test('an unknown path is 404, and the answer says what there is', async (context) => {
  const server = await serve(context);
  for (const path of ['/', '/pages', '/page/', '/__proto__', '/toString', '//page']) {
    const answer = await fetch(urlOf(server, path));
    assert.deepEqual([answer.status, await answer.text()], [404, 'there is /page, /large, /broken\n']);
  }
});

test('other methods are 405; a body is not read, and ends the connection', async (context) => {
  const server = await serve(context);
  const answer = await fetch(urlOf(server, '/page'), { method: 'POST', body: LARGE }).catch(() => null);
  if (answer !== null) assert.equal(answer.status, 405); // else it was cut off while it was still sending
  const socket = await dial(server, context);
  socket.write('DELETE /page HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n');
  const rest = await restOf(socket);
  assert.match(rest, /^HTTP\/1\.1 405 .*allow: GET, HEAD\r\n.*connection: close\r\n/is);
});

test('a page that throws is 500 with its reason, and the next request is answered', async (context) => {
  const server = await serve(context);
  const answer = await fetch(urlOf(server, '/broken'));
  assert.deepEqual([answer.status, await answer.text()], [500, 'it is broken\n']);
  assert.equal((await fetch(urlOf(server, '/page'))).status, 200);
});

test('a header that is too large is 431', async (context) => {
  const server = await serve(context);
  const answer = await fetch(urlOf(server, '/page'), { headers: { 'x-large': 'x'.repeat(9 * 1024) } });
  assert.equal(answer.status, 431);
});

test('what is no HTTP is answered with 400, and ends', async (context) => {
  const server = await serve(context);
  const socket = await dial(server, context);
  socket.write('\x16\x03\x01 this is TLS or something\r\n\r\n');
  assert.match(await restOf(socket), /^HTTP\/1\.1 400 /);
});

test('a connection on which no request comes is ended', async (context) => {
  const server = await serve(context, { ...HTTP_LIMITS, requestTimeoutMs: 50 });
  const silent = await dial(server, context);
  const halfway = await dial(server, context);
  halfway.write('GET /page HTTP/1.1\r\nHost');
  await Promise.all([restOf(silent), restOf(halfway)]);
});

test('who does not take the answer does not hold up others, and loses the connection in the end', async (context) => {
  const server = await serve(context, { ...HTTP_LIMITS, connections: 2, answerTimeoutMs: 300 });
  const slow = await dial(server, context);
  slow.pause();
  slow.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
  const other = await dial(server, context);
  const ask = async (socket: Socket): Promise<void> => {
    socket.write('GET /page HTTP/1.1\r\nHost: x\r\n\r\n');
    const [answer] = await once(socket, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 200 /);
  };
  await ask(other);
  // There is room for a third when the server has given up.
  for (let isThere = false; !isThere; ) {
    const answer = await fetch(urlOf(server, '/page')).catch(() => null);
    isThere = answer?.status === 200;
  }
  await ask(other);
  slow.resume();
  assert.ok((await restOf(slow)).length < LARGE.length);
});

test('one connection too many is closed, and room is made when another ends', async (context) => {
  const server = await serve(context, { ...HTTP_LIMITS, connections: 2 });
  const [first] = [await dial(server, context), await dial(server, context)];
  const third = await dial(server, context);
  assert.equal(await restOf(third), '');
  first.end();
  await restOf(first);
  const fourth = await dial(server, context);
  fourth.write('GET /page HTTP/1.0\r\n\r\n');
  assert.match(await restOf(fourth), /^HTTP\/1\.1 200 /);
});

test('many at once are all answered', async (context) => {
  const server = await serve(context);
  const answers = await Promise.all(Array.from({ length: 100 }, () => fetch(urlOf(server, '/page'))));
  assert.deepEqual(
    await Promise.all(answers.map((answer) => answer.text())),
    Array.from({ length: 100 }, () => 'a page\n'),
  );
});

test('an IPv6 address is listened on', async (context) => {
  const { port } = await serve(context, HTTP_LIMITS, '::1');
  assert.equal((await fetch(`http://[::1]:${port}/page`)).status, 200);
});

test('an address that another has is the system’s error', async (context) => {
  const { port } = await serve(context);
  await assert.rejects(HttpServer.open({ host: '127.0.0.1', port }, PAGES), { code: 'EADDRINUSE' });
});
