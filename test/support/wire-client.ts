/** A client that sends what a test tells it, byte by byte if need be, and hands out what comes back. */
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { errorFields, type Message, query, startup, takeMessages, values } from './messages.js';

export class WireClient {
  readonly socket: Socket;
  private pending: Buffer = Buffer.alloc(0);
  /** What has come since; joined to `pending` when the next message can be whole. */
  private chunks: Buffer[] = [];
  private chunkBytes = 0;
  private readonly messages: Message[] = [];
  private hasEnded = false;
  private wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.chunks.push(bytes);
      this.chunkBytes += bytes.length;
      this.wake();
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      this.hasEnded = true;
      this.wake();
    });
  }

  static async open(address: number | NetConnectOpts): Promise<WireClient> {
    const options: NetConnectOpts =
      typeof address === 'number' ? { host: '127.0.0.1', port: address } : address;
    const socket = connect({ ...options, noDelay: true } as NetConnectOpts);
    await once(socket, 'connect');
    return new WireClient(socket);
  }

  /** Connects and logs in where no password is asked for. */
  static async login(
    address: number | NetConnectOpts,
    user: string,
    database: string,
    more: Record<string, string> = {},
  ): Promise<WireClient> {
    const client = await WireClient.open(address);
    await client.logIn(user, database, more);
    return client;
  }

  /** Over a socket that is connected, such as one with TLS. */
  static over(socket: Socket): WireClient {
    return new WireClient(socket);
  }

  /** Where no password is asked for. Returns what was said. */
  async logIn(user: string, database: string, more: Record<string, string> = {}): Promise<Message[]> {
    this.send(startup({ user, database, ...more }));
    const answer = await this.until('Z', 'E');
    const last = answer.at(-1);
    if (last?.tag !== 'Z') throw new Error(`login refused: ${last && JSON.stringify(errorFields(last))}`);
    return answer;
  }

  send(...parts: Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The next message; null when the connection has ended. */
  async next(): Promise<Message | null> {
    for (;;) {
      const message = this.messages.shift();
      if (message !== undefined) return message;
      this.join();
      const taken = takeMessages(this.pending);
      this.pending = taken.rest;
      for (const each of taken.messages) this.messages.push(each);
      if (this.messages.length > 0) continue;
      if (this.hasEnded) return null;
      await this.something();
    }
  }

  /** All messages up to the first with one of these tags, or up to the end of the connection. */
  async until(...tags: string[]): Promise<Message[]> {
    const messages: Message[] = [];
    for (let each = await this.next(); each !== null; each = await this.next()) {
      messages.push(each);
      if (tags.includes(each.tag)) break;
    }
    return messages;
  }

  /** Untagged bytes, as the answer to SSLRequest. */
  async bytes(count: number): Promise<Buffer> {
    for (this.join(); this.pending.length < count && !this.hasEnded; this.join()) await this.something();
    const taken = this.pending.subarray(0, count);
    this.pending = this.pending.subarray(count);
    return taken;
  }

  /** The answer to a simple query, up to ReadyForQuery. */
  async query(sql: string): Promise<Message[]> {
    this.send(query(sql));
    return this.until('Z');
  }

  /** The first column of the first row. */
  async value(sql: string): Promise<string | null> {
    const row = (await this.query(sql)).find(({ tag }) => tag === 'D');
    return row === undefined ? null : (values(row)[0] ?? null);
  }

  /** Returns when the other side has closed, with the messages that were left. */
  async closed(): Promise<Message[]> {
    return this.until();
  }

  /** Whether the connection ended in the middle of a message. */
  get wasCut(): boolean {
    return this.hasEnded && this.pending.length + this.chunkBytes > 0;
  }

  /** Vanishes: a reset, without a word. */
  vanish(): void {
    this.socket.resetAndDestroy();
  }

  close(): void {
    this.socket.destroy();
  }

  private join(): void {
    const { pending } = this;
    const wanted = pending.length < 5 ? 0 : 1 + pending.readInt32BE(1);
    if (pending.length + this.chunkBytes < wanted || this.chunks.length === 0) return;
    this.pending = Buffer.concat([pending, ...this.chunks]);
    this.chunks = [];
    this.chunkBytes = 0;
  }

  private something(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}

/** The tags of messages as one word. */
export function tagsOf(messages: readonly Message[]): string {
  return messages.map(({ tag }) => tag).join('');
}

/** The SQLSTATE of the first ErrorResponse, '' when there is none. */
export function sqlstateOf(messages: readonly Message[]): string {
  const error = messages.find(({ tag }) => tag === 'E');
  return error === undefined ? '' : (errorFields(error).C ?? '');
}
