/** From one worker to another: what is said most often goes through memory that both see, the rest through a port, where
 *  V8 writes out and reads in each object, in both heaps. That was a fifth of what it costs to hand a server over. All
 *  arrives in the order in which it was posted. Not for: waking the other one. */
import { Bug } from '../reactor/words.js';
import { byteAt } from '../wire/bytes.js';
import type { ServerRecord } from './hand-over.js';
import { POOLS_MAX } from './limits.js';
import type { Mailbox } from './mail.js';
import type { PeerLink, ToPeer } from './peers.js';

/** Words of the header. Who writes and who reads have a cache line each. */
const enum Word {
  /** Cells that have been written, and those that have been read, since the beginning; they wrap around. */
  Written = 0,
  Read = 16,
  /** Messages that have gone through the port, since the beginning; wraps around. */
  Posted = 1,
  Header = 32,
}

/** A ring of cells of eight bytes; a power of two. */
const CELLS = 2048;
const CELL_BYTES = 8;
/** A message that takes more goes through the port. */
const ENTRY_CELLS_MAX = CELLS / 2;
const HEADER_BYTES = Word.Header * Int32Array.BYTES_PER_ELEMENT;

export const PEER_MAIL_BYTES = HEADER_BYTES + CELLS * CELL_BYTES;

const enum Entry {
  /** The rest of the ring is left empty: the next entry stands at its beginning. */
  Skip,
  Look,
  Server,
}

/** Cells of an entry. */
const enum Cell {
  Entry,
  /** How many it has. */
  Length,
  /** What Posted was: the port's messages up to here came before. */
  After,
  Pool,
  Fd,
  EndOfLook = Fd,
  Ssl,
  /** See Origins. */
  Origin,
  Id,
  ProcessId,
  CreatedMs,
  ExpiresAtS,
  IdleSince,
  Queries,
  Transactions,
  BytesSent,
  BytesReceived,
  PreparedHits,
  PreparedMisses,
  /** How many statements are prepared. */
  Prepared,
  /** How many parameters there are, NO_PARAMETERS for null. */
  Parameters,
  /** Bytes of the cancel key and, behind it, characters of what is text: both begin with a cell. */
  KeyLength,
  TextLength,
  Key,
}

const NO_PARAMETERS = -1;
const NO_ROOM = -1;
/** PostgreSQL's strings contain none. */
const SEPARATOR = '\0';
const BYTES_PER_CHARACTER = 2;
const ORIGINS_MAX = 2 * POOLS_MAX;
const UNKNOWN = -1;

/** Where servers are and what they are like takes long to write down, and is the same for most: the first server of each
 *  origin goes through the port, from which both sides learn its number. */
class Origins {
  private readonly numbers = new Map<string, number>();
  private readonly origins: string[] = [];

  numberOf(origin: string): number {
    return this.numbers.get(origin) ?? UNKNOWN;
  }

  at(number: number): string {
    const origin = this.origins[number];
    if (origin === undefined) throw new Bug(`nobody has said what origin ${number} is`);
    return origin;
  }

  /** The message goes through the port, or has come through it. */
  learn(message: ToPeer): void {
    if (message.type !== 'server' || this.origins.length === ORIGINS_MAX) return;
    const { origin } = message.record;
    if (this.numbers.has(origin)) return;
    this.numbers.set(origin, this.origins.length);
    this.origins.push(origin);
  }
}

class SharedRing {
  protected readonly words: Int32Array;
  protected readonly cells: Float64Array;
  protected readonly bytes: Buffer;
  protected readonly origins = new Origins();

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, Word.Header);
    this.cells = new Float64Array(memory, HEADER_BYTES, CELLS);
    this.bytes = Buffer.from(memory, HEADER_BYTES);
  }

  protected cell(at: number): number {
    return this.cells[at] as number;
  }
}

/** What one worker says to another. `memory`: PEER_MAIL_BYTES, zeroed; the other one has it as its IncomingMail's. */
export class OutgoingMail extends SharedRing implements PeerLink {
  private readonly port: { postMessage(message: ToPeer): void };
  private written = 0;
  private posted = 0;

  constructor(memory: SharedArrayBuffer, port: { postMessage(message: ToPeer): void }) {
    super(memory);
    this.port = port;
  }

  post(message: ToPeer): void {
    if (this.write(message)) return;
    this.origins.learn(message);
    // Counted first: whoever dies in between has lost nothing that was counted and can come.
    this.posted = (this.posted + 1) | 0;
    Atomics.store(this.words, Word.Posted, this.posted);
    this.port.postMessage(message);
  }

  private write(message: ToPeer): boolean {
    if (message.type === 'look') return this.writeLook(message);
    return message.type === 'server' && this.writeServer(message);
  }

  private writeLook({ pool }: ToPeer & { type: 'look' }): boolean {
    const at = this.begin(Entry.Look, pool, Cell.EndOfLook);
    if (at === NO_ROOM) return false;
    this.publish(Cell.EndOfLook);
    return true;
  }

  private writeServer({ pool, detached, record }: ToPeer & { type: 'server' }): boolean {
    const origin = this.origins.numberOf(record.origin);
    if (origin === UNKNOWN) return false;
    const { prepared, parameters, cancelKey } = record;
    const text = textOf(record);
    const textAt = Cell.Key + cellsFor(cancelKey.length);
    const length = textAt + cellsFor(text.length * BYTES_PER_CHARACTER);
    const at = this.begin(Entry.Server, pool, length);
    if (at === NO_ROOM) return false;
    const { cells } = this;
    cells[at + Cell.Fd] = detached.fd;
    cells[at + Cell.Ssl] = detached.ssl;
    cells[at + Cell.Origin] = origin;
    cells[at + Cell.Id] = record.id;
    cells[at + Cell.ProcessId] = record.processId;
    cells[at + Cell.CreatedMs] = record.createdMs;
    cells[at + Cell.ExpiresAtS] = record.expiresAtS;
    cells[at + Cell.IdleSince] = record.idleSince;
    cells[at + Cell.Queries] = record.queries;
    cells[at + Cell.Transactions] = record.transactions;
    cells[at + Cell.BytesSent] = record.bytesSent;
    cells[at + Cell.BytesReceived] = record.bytesReceived;
    cells[at + Cell.PreparedHits] = record.preparedHits;
    cells[at + Cell.PreparedMisses] = record.preparedMisses;
    cells[at + Cell.Prepared] = prepared.length;
    cells[at + Cell.Parameters] = parameters?.length ?? NO_PARAMETERS;
    cells[at + Cell.KeyLength] = cancelKey.length;
    cells[at + Cell.TextLength] = text.length;
    this.bytes.set(cancelKey, (at + Cell.Key) * CELL_BYTES);
    if (text !== '') this.bytes.write(text, (at + textAt) * CELL_BYTES, 'utf16le');
    this.publish(length);
    return true;
  }

  /** Where an entry of so many cells stands, its first ones filled; NO_ROOM until the other one has read more. */
  private begin(entry: Entry, pool: number, length: number): number {
    const { cells } = this;
    const left = CELLS - (this.written & (CELLS - 1));
    const skipped = length > left ? left : 0;
    const unread = (this.written - Atomics.load(this.words, Word.Read)) | 0;
    if (length > ENTRY_CELLS_MAX || unread + skipped + length > CELLS) return NO_ROOM;
    if (skipped > 0) {
      cells[CELLS - left] = Entry.Skip;
      this.written = (this.written + skipped) | 0;
    }
    const at = this.written & (CELLS - 1);
    cells[at + Cell.Entry] = entry;
    cells[at + Cell.Length] = length;
    cells[at + Cell.After] = this.posted;
    cells[at + Cell.Pool] = pool;
    return at;
  }

  /** The entry is complete. */
  private publish(length: number): void {
    this.written = (this.written + length) | 0;
    Atomics.store(this.words, Word.Written, this.written);
  }
}

/** … and what the other one hears. */
export class IncomingMail extends SharedRing implements Mailbox<ToPeer> {
  private readonly port: Mailbox<ToPeer>;
  private read = 0;
  /** Messages that have been taken out of the port. */
  private taken = 0;

  constructor(memory: SharedArrayBuffer, port: Mailbox<ToPeer>) {
    super(memory);
    this.port = port;
  }

  take(): ToPeer | null {
    // Before the ring is looked at: with nothing in it then, all that was posted up to here is next.
    const posted = Atomics.load(this.words, Word.Posted);
    if (this.read === Atomics.load(this.words, Word.Written)) {
      return this.taken === posted ? null : this.takePosted();
    }
    if (this.cell(this.at) === Entry.Skip) this.advance(CELLS - this.at);
    return this.cell(this.at + Cell.After) === this.taken ? this.takeEntry() : this.takePosted();
  }

  private get at(): number {
    return this.read & (CELLS - 1);
  }

  /** null: it has been counted, and is about to come. */
  private takePosted(): ToPeer | null {
    const message = this.port.take();
    if (message === null) return null;
    this.taken = (this.taken + 1) | 0;
    this.origins.learn(message);
    return message;
  }

  private takeEntry(): ToPeer {
    const { at } = this;
    const pool = this.cell(at + Cell.Pool);
    const message: ToPeer = this.cell(at) === Entry.Look ? { type: 'look', pool } : this.server(at, pool);
    this.advance(this.cell(at + Cell.Length));
    return message;
  }

  private server(at: number, pool: number): ToPeer {
    const detached = { fd: this.cell(at + Cell.Fd), ssl: this.cell(at + Cell.Ssl) };
    const cancelKey = new Uint8Array(this.cell(at + Cell.KeyLength));
    for (let i = 0; i < cancelKey.length; i++)
      cancelKey[i] = byteAt(this.bytes, (at + Cell.Key) * CELL_BYTES + i);
    const prepared = this.cell(at + Cell.Prepared);
    const parameters = this.cell(at + Cell.Parameters);
    const strings = this.strings(at + Cell.Key + cellsFor(cancelKey.length), this.cell(at + Cell.TextLength));
    const record: ServerRecord = {
      id: this.cell(at + Cell.Id),
      origin: this.origins.at(this.cell(at + Cell.Origin)),
      processId: this.cell(at + Cell.ProcessId),
      cancelKey,
      createdMs: this.cell(at + Cell.CreatedMs),
      expiresAtS: this.cell(at + Cell.ExpiresAtS),
      idleSince: this.cell(at + Cell.IdleSince),
      queries: this.cell(at + Cell.Queries),
      transactions: this.cell(at + Cell.Transactions),
      bytesSent: this.cell(at + Cell.BytesSent),
      bytesReceived: this.cell(at + Cell.BytesReceived),
      preparedHits: this.cell(at + Cell.PreparedHits),
      preparedMisses: this.cell(at + Cell.PreparedMisses),
      prepared: strings.slice(0, prepared),
      parameters:
        parameters === NO_PARAMETERS ? null : strings.slice(prepared, prepared + parameters).map(parameterOf),
    };
    return { type: 'server', pool, detached, record };
  }

  private strings(cell: number, length: number): string[] {
    if (length === 0) return [''];
    const begin = cell * CELL_BYTES;
    const text = this.bytes.toString('utf16le', begin, begin + length * BYTES_PER_CHARACTER);
    return text.split(SEPARATOR);
  }

  /** The other one may write there again. */
  private advance(cells: number): void {
    this.read = (this.read + cells) | 0;
    Atomics.store(this.words, Word.Read, this.read);
  }
}

function cellsFor(bytes: number): number {
  return Math.ceil(bytes / CELL_BYTES);
}

function textOf({ prepared, parameters }: ServerRecord): string {
  if (parameters === null) return prepared.join(SEPARATOR);
  return [...prepared, ...parameters.map(textOfParameter)].join(SEPARATOR);
}

/** '' stands for null. */
function textOfParameter(value: string | null): string {
  return value === null ? '' : `=${value}`;
}

function parameterOf(text: string): string | null {
  return text === '' ? null : text.slice(1);
}
