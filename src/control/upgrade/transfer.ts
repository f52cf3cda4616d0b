/** Connections on their way to the new process: each descriptor first, then what is known of it. They stay open here until
 *  the new process has taken them, so that none is lost when it fails. */
import { DESCRIPTORS_UNDERWAY_MAX, type DescriptorPipe } from '../../reactor/descriptor-pipe.js';
import { close, Errno, type Fd } from '../../reactor/libc.js';
import type { Travelling } from './process-messages.js';

/** When the kernel would not take a descriptor now, it is tried again after this. */
const TRY_AGAIN_MS = 10;

export interface Parcel {
  readonly fd: Fd;
  readonly message: Travelling;
}

export class Transfer {
  private readonly pipe: DescriptorPipe;
  private readonly tell: (message: Travelling) => void;
  private readonly queue: Parcel[] = [];
  private readonly underway = new Map<number, Parcel>();
  private lastNumber = 0;
  private again: NodeJS.Timeout | null = null;
  private onEmpty: () => void = () => undefined;
  /** How many the other process has taken. */
  count = 0;

  constructor(pipe: DescriptorPipe, tell: (message: Travelling) => void) {
    this.pipe = pipe;
    this.tell = tell;
  }

  /** The number that a message about the next connection has. */
  nextNumber(): number {
    return ++this.lastNumber;
  }

  send(parcel: Parcel): void {
    this.queue.push(parcel);
    this.pump();
  }

  /** The other process has it. */
  taken(number: number): void {
    const parcel = this.underway.get(number);
    if (parcel === undefined) return;
    close(parcel.fd);
    this.count++;
    this.left(number);
  }

  /** The other process could not take it: it is the caller's again. */
  takeBack(number: number): Parcel | null {
    const parcel = this.underway.get(number) ?? null;
    this.left(number);
    return parcel;
  }

  /** All that the other process has not taken are the caller's again. */
  takeAllBack(): Parcel[] {
    const all = [...this.underway.values(), ...this.queue];
    this.underway.clear();
    this.queue.length = 0;
    if (this.again !== null) clearTimeout(this.again);
    this.onEmpty();
    return all;
  }

  /** Resolves when nothing is on its way. */
  async empty(): Promise<void> {
    if (this.isEmpty) return;
    await new Promise<void>((resolve) => {
      this.onEmpty = resolve;
    });
  }

  get isEmpty(): boolean {
    return this.queue.length === 0 && this.underway.size === 0;
  }

  private left(number: number): void {
    this.underway.delete(number);
    this.pump();
    if (this.isEmpty) this.onEmpty();
  }

  private pump(): void {
    while (this.underway.size < DESCRIPTORS_UNDERWAY_MAX) {
      const [parcel] = this.queue;
      if (parcel === undefined) return;
      const { number } = parcel.message;
      const result = this.pipe.send(parcel.fd, number);
      if (result < 0) return this.pause(result);
      this.queue.shift();
      this.underway.set(number, parcel);
      this.tell(parcel.message);
    }
  }

  /** Too many descriptors are on their way in the whole system, or the other process is about to be known as gone. */
  private pause(result: number): void {
    if (result === -Errno.EPIPE || result === -Errno.ECONNRESET) return;
    this.again ??= setTimeout(() => {
      this.again = null;
      this.pump();
    }, TRY_AGAIN_MS);
  }
}
