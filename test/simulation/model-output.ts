/** What a backend has said and not sent yet. PostgreSQL's src/backend/libpq/pqcomm.c, but messages stay whole. */

/** PQ_SEND_BUFFER_SIZE. Bytes. */
const BUFFER_LENGTH = 8192;

export class Output {
  private readonly send: (bytes: Buffer) => void;
  private messages: Buffer[] = [];
  private length = 0;

  constructor(send: (bytes: Buffer) => void) {
    this.send = send;
  }

  put(message: Buffer): void {
    this.messages.push(message);
    this.length += message.length;
    if (this.length >= BUFFER_LENGTH) this.flush();
  }

  flush(): void {
    if (this.length === 0) return;
    const [first] = this.messages;
    const bytes = this.messages.length === 1 && first !== undefined ? first : Buffer.concat(this.messages);
    this.messages = [];
    this.length = 0;
    this.send(bytes);
  }
}
