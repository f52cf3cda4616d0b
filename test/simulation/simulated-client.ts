/** A client in the simulated world: it does what applications do, and checks every message that it gets. Some of them
 *  vanish, stop reading, or cancel at the worst moment. */
import { Errno } from '../../src/reactor/libc.js';
import {
  bind,
  CANCEL_REQUEST,
  closeStatement,
  copyData,
  copyDone,
  copyFail,
  describePortal,
  describeStatement,
  errorFields,
  execute,
  flush,
  GSSENC_REQUEST,
  type Message,
  packet,
  parse,
  query,
  SSL_REQUEST,
  startup,
  sync,
  terminate,
} from '../support/messages.js';
import { UNASKED_NOTICE } from './backend-host.js';
import { Expectation, lineOf, messageAt } from './expectation.js';
import { Settings } from './model-settings.js';
import type { End, EndUser } from './network.js';
import { Broken, type World } from './world.js';

const READ_MAX = 65_536;
const HEADER_LENGTH = 5;
/** ErrorResponse. */
const ERROR = 0x45;
/** NoticeResponse. */
const NOTICE = 0x4e;
const NOTHING = Buffer.alloc(0);
/** What the pooler may say when the world has bad luck: the connection ends with it, or the client ends it. */
const BAD_NEWS = new Set(['08006', '57P01', '57P03', '53300', '53000', '53200', '58006', '3D000']);
/** Also what the login timeout says. */
const CANCELED = '57014';
/** When workers have been stopped for so long while it logged in, that may be due. Milliseconds. */
const STOPPED_LONG_MS = 20_000;
/** What a cancel is told by; COPY that its own client has failed has the same SQLSTATE. */
const CANCELING = 'canceling statement';

const SHOWN = [
  'show timezone',
  'show intervalstyle',
  'show search_path',
  'show work_mem',
  'fetch all from kept',
];
/** What pooling undoes between transactions: a client takes some parameters along, if that is wanted. */
const UNDO_ALL = query('reset all; unlisten *; close all');
const UNDO_UNTRACKED = query('reset work_mem; reset search_path; unlisten *; close all');

export interface ClientManners {
  /** How often it vanishes, stops reading for a while, or cancels; of 1, for each thing it does. */
  readonly vanishes: number;
  readonly stalls: number;
  /** Milliseconds. */
  readonly stallsMax: number;
  readonly cancels: number;
  /** … or breaks the protocol. */
  readonly breaks: number;
  /** … or begins in another way than by its StartupMessage. */
  readonly badLogins: number;
  /** … or says something large. */
  readonly large: number;
  /** … or something that takes its time. */
  readonly sleeps: number;
  /** … or says goodbye. */
  readonly staysShort: number;
  /** … or runs a statement as drivers do, whole, and the same ones again and again. */
  readonly repeats: number;
  /** How long it thinks before it says something, mostly. Milliseconds. */
  readonly thinks: number;
  /** Session mode: what it has set stays. */
  readonly keepsItsSession: boolean;
  /** Nothing comes between a CancelRequest and its delivery: it hits nothing that is said behind that. */
  readonly cancelsAreExact: boolean;
  /** sync_server_parameters: what it has set of some parameters stays. */
  readonly keepsItsParameters: boolean;
  /** Whether the world may have bad luck. */
  readonly expectsBadNews: boolean;
}

/** What a client has of the pooler. */
export interface PoolerForClient {
  connect(): End;
  /** Whether it has a server for the client whose BackendKeyData has this process id. */
  hasServerOf(processId: number): boolean;
}

export class SimulatedClient implements EndUser {
  readonly number: number;
  hasEnded = false;
  private readonly world: World;
  private readonly end: End;
  private readonly pooler: PoolerForClient;
  private readonly manners: ClientManners;
  private readonly expectation: Expectation;
  private readonly startup: Buffer;
  /** What a fresh server says of its parameters, as far as the client has not been told yet. */
  private readonly greeting: Map<string, string>;
  private cancelKey: Buffer | null = null;
  private hasLoggedIn = false;
  /** For how long workers had been stopped when it came. */
  private readonly stoppedBeforeMs: number;
  private received: Buffer = NOTHING;
  private unsent: Buffer = NOTHING;
  private isReading = true;
  /** It has asked for TLS, and waits to be told that there is none. */
  private awaitsRefusal = false;
  private isLeaving = false;
  /** It has broken the protocol: what it hears now does not matter, but that its connection ends. */
  private isOutlaw = false;
  /** What it had said last when its last CancelRequest was known to have been delivered: nothing behind that is hit. */
  private cancelledUpTo = -1;
  /** CancelRequests of which that is not known. */
  private cancels = 0;
  private acts = 0;
  private serial = 0;

  constructor(
    world: World,
    number: number,
    manners: ClientManners,
    names: { readonly database: string; readonly user: string },
    pooler: PoolerForClient,
  ) {
    this.world = world;
    this.number = number;
    this.end = pooler.connect();
    this.manners = manners;
    this.pooler = pooler;
    this.stoppedBeforeMs = world.stoppedMs;
    this.startup = startup({ user: names.user, database: names.database });
    this.expectation = new Expectation(this.startup);
    this.greeting = new Map(new Settings({ application_name: 'pg_doorman' }).takeFirstReport(names.user));
    this.end.user = this;
    this.begin();
  }

  /** As its comments call it. */
  get name(): string {
    return `c${this.number}`;
  }

  private begin(): void {
    const { random } = this.world;
    if (!random.chance(this.manners.badLogins)) return this.send(this.startup);
    if (random.chance(0.5) || !this.manners.expectsBadNews) {
      this.awaitsRefusal = true;
      return this.send(packet(random.chance(0.8) ? SSL_REQUEST : GSSENC_REQUEST));
    }
    this.isOutlaw = true;
    this.send(
      random.pick([
        this.startup.subarray(0, random.below(this.startup.length)),
        startup({ user: 'nobody', database: 'nowhere' }),
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
        packet(CANCEL_REQUEST, Buffer.alloc(8)),
        packet(CANCEL_REQUEST, Buffer.alloc(8)).subarray(0, random.between(1, 15)),
      ]),
    );
    this.world.after(random.below(200), () => this.vanish());
  }

  /** It says goodbye when it has got what it waits for. */
  leave(): void {
    this.isLeaving = true;
    if (this.isIdle) this.sayGoodbye();
  }

  /** What it waits for, for the story. */
  get waitsFor(): string {
    if (!this.hasLoggedIn) return 'its greeting';
    return this.expectation.next;
  }

  onReadable(): void {
    if (this.isReading) this.read();
  }

  onWritable(): void {
    if (!this.hasEnded) this.flush();
  }

  private read(): void {
    while (!this.hasEnded) {
      const came = this.end.read(READ_MAX);
      if (came === null) return;
      if (typeof came === 'number') return this.wasClosed(came);
      const bytes = this.received.length === 0 ? came : Buffer.concat([this.received, came]);
      let at = this.awaitsRefusal ? this.refused(bytes) : 0;
      while (at + HEADER_LENGTH <= bytes.length) {
        const end = at + 1 + bytes.readInt32BE(at + 1);
        if (end > bytes.length) break;
        this.heard(bytes, at, end);
        if (this.hasEnded) return;
        at = end;
      }
      this.received = at === bytes.length ? NOTHING : bytes.subarray(at);
      if (this.isIdle) this.planNext();
    }
  }

  /** No TLS, says one byte. */
  private refused(bytes: Buffer): number {
    if (bytes[0] !== NOTICE) throw new Broken(`client ${this.number} asks for TLS and hears ${bytes[0]}`);
    this.awaitsRefusal = false;
    this.send(this.startup);
    return 1;
  }

  private heard(bytes: Buffer, begin: number, end: number): void {
    if (this.isOutlaw) return;
    if (bytes[begin] === NOTICE && bytes.subarray(begin, end).includes(UNASKED_NOTICE)) return;
    if (!this.hasLoggedIn) return this.greeted(messageAt(bytes, begin, end));
    if (bytes[begin] === ERROR && !this.mayBeCancelled && bytes.subarray(begin, end).includes(CANCELING))
      throw new Broken(`client ${this.number} is cancelled, and has not asked for it`);
    const expected = this.expectation.differs(bytes, begin, end);
    if (expected !== null) this.surprised(messageAt(bytes, begin, end), expected);
  }

  private greeted(message: Message): void {
    if (message.tag === 'K') this.cancelKey = message.body;
    if (message.tag === 'S') return this.greetedWith(message.body.toString('latin1'));
    if (message.tag === 'E') return this.surprised(message, 'a greeting');
    if (message.tag !== 'Z') return;
    if (this.greeting.size > 0)
      throw new Broken(`client ${this.number} is not told ${[...this.greeting.keys()]}`);
    this.hasLoggedIn = true;
    this.tell(() => 'has logged in');
  }

  /** It is told what a fresh server says, not what another client has set. */
  private greetedWith(parameter: string): void {
    const [name = '', value = ''] = parameter.split('\0');
    // Of which host that may be, the pool knows: see Invariants.
    if (name !== 'server_version' && value !== this.greeting.get(name))
      throw new Broken(`client ${this.number} is greeted with ${name} ${value}`);
    this.greeting.delete(name);
  }

  private surprised(message: Message, expected: string): void {
    const { C: sqlstate = '' } = message.tag === 'E' ? errorFields(message) : {};
    const isOwnDoing = this.hasLoggedIn && this.mayBeCancelled;
    const isExplained = sqlstate === CANCELED && (isOwnDoing || this.mayHaveBeenTooSlow);
    if (!isExplained && !(this.manners.expectsBadNews && BAD_NEWS.has(sqlstate))) {
      throw new Broken(
        `client ${this.number} hears ${lineOf(message).slice(0, 200)} instead of ${expected.slice(0, 200)}`,
      );
    }
    this.tell(() => `hears ${lineOf(message)}`);
    this.vanish();
  }

  private get mayHaveBeenTooSlow(): boolean {
    return !this.hasLoggedIn && this.world.stoppedMs - this.stoppedBeforeMs > STOPPED_LONG_MS;
  }

  private wasClosed(errno: number): void {
    const isHalfway = this.received.length > 0;
    if (!this.manners.expectsBadNews && !this.isLeaving && !this.isOutlaw) {
      throw new Broken(
        `the connection of client ${this.number} ended (${errno}), it expected ${this.waitsFor}`,
      );
    }
    this.tell(() => `its connection has ended${isHalfway ? ' in the middle of a message' : ''}`);
    this.ended();
  }

  private get isIdle(): boolean {
    return this.hasLoggedIn && !this.isOutlaw && this.expectation.isMet && this.unsent.length === 0;
  }

  private planNext(): void {
    const { random } = this.world;
    const act = ++this.acts;
    const pause = random.chance(0.7) ? (random.below(1000) * this.manners.thinks) / 1000 : random.below(200);
    this.world.after(pause, () => {
      if (!this.hasEnded && act === this.acts && this.isIdle) this.act();
    });
  }

  private act(): void {
    const { random } = this.world;
    const { staysShort } = this.manners;
    const goes = this.isLeaving || (staysShort > 0 && random.chance(staysShort));
    if (goes && this.expectation.status === 'I') return this.sayGoodbye();
    if (random.chance(this.manners.breaks)) return this.breakTheProtocol();
    if (this.hasLeftovers && this.keepsServer) return this.planNext();
    if (this.hasLeftovers) this.undoWhatPoolingUndoes();
    const parts = this.draw();
    this.tell(() => `says ${parts.map(listed).join(', ')}`);
    for (const each of parts) this.expectation.said(each);
    this.send(Buffer.concat(parts));
    if (random.chance(this.manners.vanishes))
      this.world.after(random.below(5000) / 1000, () => this.vanish());
    if (random.chance(this.manners.stalls)) this.stall();
    if (random.chance(this.manners.cancels)) this.world.after(random.below(5000) / 1000, () => this.cancel());
  }

  /** Whether it has left something in its session that pooling undoes. */
  private get hasLeftovers(): boolean {
    return !this.manners.keepsItsSession && this.expectation.status === 'I' && this.expectation.isChanged;
  }

  /** The rest of a notice behind its last answer is still to come: the server stays, and so does what it has set. */
  private get keepsServer(): boolean {
    return this.cancelKey !== null && this.pooler.hasServerOf(this.cancelKey.readUInt32BE(0));
  }

  /** A session of its own would keep it. */
  private undoWhatPoolingUndoes(): void {
    this.expectation.hidden(this.manners.keepsItsParameters ? UNDO_UNTRACKED : UNDO_ALL);
  }

  // ── what it does ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The next thing to say. Its answers have its number in them, so that nobody else's can be taken for them. */
  private draw(): Buffer[] {
    const { random } = this.world;
    const { status } = this.expectation;
    if (status !== 'I' && (this.isLeaving || random.chance(0.4)))
      return [this.query(random.pick(['commit', 'rollback', 'COMMIT']))];
    if (this.manners.repeats > 0 && random.chance(this.manners.repeats)) return this.plainBatches();
    if (random.chance(this.manners.large)) return [this.large()];
    if (random.chance(this.manners.sleeps)) return [this.sleep()];
    switch (random.below(17)) {
      case 0:
      case 1:
        return [this.query(this.select())];
      case 2:
        return [query(random.pick(['begin', 'BEGIN;', 'start transaction']))];
      case 3:
        return [this.query('begin'), this.query(this.select()), this.query('commit')];
      case 4:
        return [this.query(random.pick(['select 1/0', 'selec', 'select * from missing']))];
      case 5:
        return [
          this.query(
            random.pick([
              "set timezone to 'Asia/Tokyo'",
              "set timezone to 'Europe/Paris'",
              'reset timezone',
              "set local timezone to 'UTC'",
              "set intervalstyle to 'iso_8601'",
              "set search_path to 'elsewhere'",
              "set work_mem to '99MB'",
              "set local work_mem to '99MB'",
              'listen news',
              "declare kept cursor with hold for select 'row'",
            ]),
          ),
        ];
      case 6:
        return [query(random.pick([';', ''])), ...this.discards()];
      case 7:
        return [this.sleep()];
      case 8:
        return [this.query(`select i from generate_series(1, ${this.amount(300)}) i`)];
      case 9:
        return [this.query(`select repeat('${this.stamp()}', ${this.amount(12_000)})`)];
      case 10:
        return this.copyIn();
      case 11:
        return [this.query(`copy (select i from generate_series(1, ${this.amount(300)}) i) to stdout`)];
      case 12:
        return this.portalInParts();
      case 13:
        return [this.query(random.pick(SHOWN))];
      default:
        return Array.from({ length: random.between(1, 4) }, () => this.batch()).flat();
    }
  }

  private sleep(): Buffer {
    return this.query(`select pg_sleep(${this.world.random.below(30) / 1000})`);
  }

  /** Mostly little. */
  private amount(most: number): number {
    const { random } = this.world;
    return random.below(random.chance(0.1) ? most : 9);
  }

  /** Of a size that is not gathered, or not sent, at once. */
  private large(): Buffer {
    const { random } = this.world;
    const padding = ' '.repeat(random.below(random.chance(0.2) ? 150_000 : 15_000));
    return random.chance(0.5)
      ? this.query(`${this.select()}${padding}`)
      : Buffer.concat([parse('', `${this.select()}${padding}`), bind('', ''), execute(), sync()]);
  }

  private discards(): Buffer[] {
    const { random } = this.world;
    const text = random.pick(['discard all', 'deallocate all']);
    return random.chance(0.5) ? [query(text), ...this.batch()] : [query(text)];
  }

  private batch(): Buffer[] {
    const { random } = this.world;
    const parts: Buffer[] = [];
    for (let i = random.between(1, 4); i > 0; i--) {
      const name = random.pick(['', '', 's1', 's2', 's3']);
      if (random.chance(0.6)) {
        if (name !== '') parts.push(closeStatement(name));
        parts.push(
          parse(
            name,
            random.pick([
              this.select(),
              'select $1::text',
              'select 1/0',
              'selec',
              'select repeat($1::text, 3)',
            ]),
          ),
        );
        if (random.chance(0.3)) parts.push(describeStatement(name));
      } else if (name === '') parts.push(parse('', this.select()));
      if (random.chance(0.2)) parts.push(flush());
      parts.push(bind('', name, random.chance(0.3) ? [this.stamp()] : []));
      if (random.chance(0.3)) parts.push(describePortal(''));
      parts.push(execute());
    }
    return [...parts, sync()];
  }

  private plainBatches(): Buffer[] {
    const { random } = this.world;
    return Array.from({ length: random.chance(0.7) ? 1 : random.between(2, 3) }, () => {
      const name = random.pick(['', '', 's1', 's2']);
      const text = random.chance(0.9) ? 'select $1::text' : 'select repeat($1::text, 3)';
      const isParsed = name === '' || random.chance(0.3);
      return [
        ...(isParsed && name !== '' ? [closeStatement(name)] : []),
        ...(isParsed ? [parse(name, text)] : []),
        bind('', name, [this.stamp()]),
        ...(random.chance(0.6) ? [describePortal('')] : []),
        execute(),
        sync(),
      ];
    }).flat();
  }

  private portalInParts(): Buffer[] {
    const { random } = this.world;
    const rows = `${this.comment()}select i from generate_series(1, 20) i`;
    return [
      this.query('begin'),
      parse('', rows),
      bind('walk', ''),
      execute('walk', random.between(1, 9)),
      sync(),
      execute('walk', random.between(1, 30)),
      sync(),
    ];
  }

  private copyIn(): Buffer[] {
    const { random } = this.world;
    const data = Array.from({ length: random.below(5) }, () => copyData(`${this.stamp()}\n`));
    return [
      this.query('copy sink from stdin'),
      ...data,
      random.chance(0.7) ? copyDone() : copyFail('no more'),
    ];
  }

  private select(): string {
    return `${this.comment()}select '${this.stamp()}'`;
  }

  private query(text: string): Buffer {
    return query(text.startsWith('/*') ? text : `${this.comment()}${text}`);
  }

  private comment(): string {
    return `/* c${this.number} */ `;
  }

  /** Nobody else says this, and it only once; few, so that statements are met again. */
  private stamp(): string {
    return `client ${this.number}, ${this.serial++ % 7}`;
  }

  // ── and how it misbehaves ──────────────────────────────────────────────────────────────────────────────────────

  /** Garbage, or half of something and then nothing more. */
  private breakTheProtocol(): void {
    const { random } = this.world;
    const whole = Buffer.concat(this.draw());
    const said = random.pick([
      Buffer.from('!'.repeat(random.between(5, 50))),
      Buffer.from([0x51, 0, 0, 0, random.below(4)]),
      Buffer.concat([whole, Buffer.from('Z\0\0\0\x05I')]),
      whole.subarray(0, random.below(whole.length)),
    ]);
    this.tell(() => `breaks the protocol with ${said.length} bytes`);
    this.isOutlaw = true;
    this.send(said);
    this.world.after(random.below(500), () => this.vanish());
  }

  private stall(): void {
    this.isReading = false;
    this.world.after(this.world.random.below(this.manners.stallsMax), () => {
      this.isReading = true;
      if (!this.hasEnded) this.read();
    });
  }

  private get mayBeCancelled(): boolean {
    return this.cancelledUpTo >= this.acts;
  }

  private cancel(): void {
    if (this.hasEnded || this.cancelKey === null) return;
    const { world } = this;
    const { random } = world;
    const end = this.pooler.connect();
    this.cancels++;
    this.cancelledUpTo = Number.POSITIVE_INFINITY;
    this.tell(() => 'cancels');
    const close = (): void => end.close();
    end.user = {
      onReadable: () => {
        if (typeof end.read(READ_MAX) !== 'number') return;
        close();
        // It has been delivered; another one may still be on its way.
        if (--this.cancels === 0 && this.manners.cancelsAreExact) this.cancelledUpTo = this.acts;
      },
      onWritable: () => undefined,
    };
    let request = packet(CANCEL_REQUEST, this.cancelKey);
    if (random.chance(0.1)) request = request.subarray(0, random.below(request.length)); // and no more
    if (random.chance(0.05)) request[15] = (request[15] ?? 0) ^ 1; // the secret is wrong
    while (request.length > 0) request = request.subarray(Math.max(0, end.write(request)));
    if (random.chance(0.3)) world.after(random.below(5), close);
  }

  private vanish(): void {
    if (this.hasEnded) return;
    this.tell(() => 'vanishes');
    this.end.close(this.world.random.chance(0.5));
    this.ended();
  }

  private sayGoodbye(): void {
    if (this.hasEnded) return;
    this.tell(() => 'says goodbye');
    this.send(terminate());
    this.end.close();
    this.ended();
  }

  private ended(): void {
    this.hasEnded = true;
    this.end.close();
  }

  private send(bytes: Buffer): void {
    this.unsent = this.unsent.length === 0 ? bytes : Buffer.concat([this.unsent, bytes]);
    this.flush();
  }

  private flush(): void {
    while (this.unsent.length > 0) {
      const sent = this.end.write(this.unsent);
      if (sent === -Errno.EAGAIN) return;
      this.unsent = sent < 0 || sent === this.unsent.length ? NOTHING : this.unsent.subarray(sent);
    }
    if (this.isIdle) this.planNext();
  }

  private tell(what: () => string): void {
    this.world.tell(() => `client ${this.number} ${what()}`);
  }
}

function listed(bytes: Buffer): string {
  const text = bytes.toString('latin1', 5).replaceAll('\0', ' ').trim().slice(0, 60);
  return `${bytes.toString('latin1', 0, 1)}${text === '' ? '' : ` ${JSON.stringify(text)}`}`;
}
