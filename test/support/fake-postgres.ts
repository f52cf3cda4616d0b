/** A server that speaks as much of PostgreSQL's protocol as a test scripts, to do what the real one never would. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { endWithFile } from './leftovers.js';
import { int32, type Message, message, string, takeMessages } from './messages.js';

const AUTHENTICATION_OK = message('R', int32(0));
const BACKEND_KEY = message('K', int32(4711), int32(815));
export const READY = message('Z', Buffer.from('I'));
const GREETING = Buffer.concat([
  AUTHENTICATION_OK,
  message('S', string('server_version'), string('18.0')),
  message('S', string('client_encoding'), string('UTF8')),
  BACKEND_KEY,
  READY,
]);

export interface FakeSession {
  readonly socket: Socket;
}

export interface FakeBehaviour {
  /** What the StartupMessage is answered with. */
  readonly onStartup?: (session: FakeSession) => void;
  readonly onMessage?: (message: Message, session: FakeSession) => void;
}

export class FakePostgres {
  readonly port: number;
  /** Connections that have been made so far. */
  sessions: FakeSession[] = [];
  private readonly server: Server;

  private constructor(server: Server, port: number) {
    this.server = server;
    this.port = port;
  }

  static async start(
    { onStartup = greet, onMessage = answerQuery }: FakeBehaviour = {},
    port = 0,
  ): Promise<FakePostgres> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const fake = new FakePostgres(server, address.port);
    server.once(
      'close',
      endWithFile(() => fake.close()),
    );
    server.on('connection', (socket) => {
      const session: FakeSession = { socket };
      fake.sessions.push(session);
      let bytes: Buffer = Buffer.alloc(0);
      let hasStarted = false;
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        bytes = Buffer.concat([bytes, chunk]);
        if (!hasStarted) {
          if (bytes.length < 4 || bytes.length < bytes.readInt32BE(0)) return;
          bytes = bytes.subarray(bytes.readInt32BE(0));
          hasStarted = true;
          onStartup(session);
        }
        const taken = takeMessages(bytes);
        bytes = taken.rest;
        for (const each of taken.messages) onMessage(each, session);
      });
    });
    return fake;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.close();
    await closed;
  }

  private close(): void {
    for (const { socket } of this.sessions) socket.destroy();
    this.server.close();
  }
}

export function greet({ socket }: FakeSession): void {
  socket.write(GREETING);
}

/** Every Query has one row with the text `fake`. */
function answerQuery({ tag }: Message, { socket }: FakeSession): void {
  if (tag === 'Q') socket.write(Buffer.concat([ONE_ROW, READY]));
}

export const ONE_ROW = Buffer.concat([
  message('D', Buffer.from([0, 1]), int32(4), Buffer.from('fake')),
  message('C', string('SELECT 1')),
]);
