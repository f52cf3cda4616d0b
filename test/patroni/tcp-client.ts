/** A client made of bytes: lines in, lines out, and how it ended. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export class TcpClient {
  readonly socket: Socket;
  /** Received and not yet read by `line`. */
  private text = '';
  /** Nothing more comes. */
  isEnded = false;
  private readonly waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => {
      this.text += piece;
      this.look();
    });
    socket.on('error', () => undefined);
    for (const event of ['end', 'close'] as const) {
      socket.on(event, () => {
        this.isEnded = true;
        this.look();
      });
    }
  }

  static async connect(port: number): Promise<TcpClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new TcpClient(socket);
  }

  /** The next line; throws when the end comes first. */
  async line(): Promise<string> {
    await this.until(() => this.isEnded || this.text.includes('\n'));
    const at = this.text.indexOf('\n');
    if (at < 0) throw new Error('the connection has ended');
    const line = this.text.slice(0, at);
    this.text = this.text.slice(at + 1);
    return line;
  }

  /** Sends a line and waits until it has come back. */
  async echo(text: string): Promise<void> {
    this.socket.write(`${text}\n`);
    const line = await this.line();
    if (line !== text) throw new Error(`${text} has come back as ${line}`);
  }

  /** Returns when nothing more comes, with what had come and was not read. */
  async ended(): Promise<string> {
    await this.until(() => this.isEnded);
    this.socket.destroy();
    return this.text;
  }

  close(): void {
    this.socket.destroy();
  }

  private until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isTrue()) return;
        this.waiting.delete(look);
        resolve();
      };
      this.waiting.add(look);
      look();
    });
  }

  private look(): void {
    for (const each of this.waiting) each();
  }
}
