/** A server that mutates what PostgreSQL would answer, says what nobody asked, and goes when it likes; or that is
 *  honest, and only watches what the pooler says on its own. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { int32, message } from '../support/messages.js';
import { Random } from '../support/random.js';
import { FuzzFailure, type Story } from './failure.js';
import { takeFrames, writeInTwo } from './frames.js';
import { HonestBackend } from './honest-backend.js';
import { mutate } from './mutate.js';
import type { Material } from './mutation.js';
import { BACKEND_TAGS, oddAuthentication, oddBackend } from './odd-backend.js';
import { POISON } from './odd-frontend.js';
import type { Recorded } from './recorded.js';
import { authenticationSasl, authenticationSaslStep, oddScramText, type ScramSecret } from './scram.js';

const CANCEL_REQUEST_CODE = 80877102;
/** What the pooler asks a server on its own; parameters of clients are literals there. */
const OWN_QUERY =
  /^(BEGIN|ROLLBACK|DISCARD ALL|;|(RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL|CLOSE ALL|DEALLOCATE ALL|UNLISTEN \*)(;|$)|(SET \w+ TO E'([^'\\]|\\['\\])*';)+$)/;

const STAMP_QUERY = /^select 'stamp [0-9 ]+'$/;

/** A server that owes an answer keeps its client waiting for ever, as PostgreSQL would: it goes after this. Milliseconds. */
const SILENCE_MS = 150;

/** How it treats those who come. */
export interface ServerManners {
  readonly random: Random;
  /** How often a greeting is mutated, and an answer. */
  readonly greeting: number;
  readonly answer: number;
  readonly story: Story;
}

export class HostileServer {
  readonly port: number;
  /** Null: it is honest. */
  manners: ServerManners | null = null;
  /** Messages it has sent. */
  sent = 0;
  private readonly server: Server;
  private readonly recorded: Recorded;
  private readonly material: Material;
  private readonly secret: ScramSecret;
  private readonly sockets = new Set<Socket>();
  /** The StartupMessage that the pooler sends, whoever asks. */
  private firstStartup: Buffer | null = null;
  /** Every client asks for a stamp: all else that comes is the pooler's own. */
  isWitness = false;
  failure: FuzzFailure | null = null;

  private constructor(server: Server, port: number, recorded: Recorded, secret: ScramSecret) {
    this.server = server;
    this.port = port;
    this.recorded = recorded;
    this.secret = secret;
    const pieces = [recorded.greeting, ...recorded.simple.values(), ...recorded.results.values()].flat();
    this.material = { pieces, tags: BACKEND_TAGS, craft: oddBackend };
  }

  /** `secret` is what it asks for when it asks for SCRAM. */
  static async start(recorded: Recorded, secret: ScramSecret): Promise<HostileServer> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const hostile = new HostileServer(server, address.port, recorded, secret);
    server.on('connection', (socket) => hostile.accept(socket));
    return hostile;
  }

  /** Ends all that it has begun, as a restart does. */
  restart(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    const session = new Session(this, socket, this.recorded, this.secret, this.material);
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('timeout', () => socket.destroy());
    socket.on('data', (bytes) => {
      if (!socket.destroyed) session.onBytes(bytes);
    });
  }

  /** No client's parameters, and always the same. */
  startupCame(packet: Buffer): void {
    this.firstStartup ??= packet;
    if (!this.firstStartup.equals(packet)) this.failWith('its startup packet has changed', packet);
  }

  queryCame(sql: string): void {
    if (!this.isWitness || STAMP_QUERY.test(sql)) return;
    if (sql.includes(POISON) || !OWN_QUERY.test(sql)) this.failWith('the pooler asked', Buffer.from(sql));
  }

  /** What the pooler sends is made of messages, whatever its clients send. */
  brokenFrameCame(bytes: Buffer): void {
    this.failWith('the pooler sent a message of an impossible length', bytes.subarray(0, 64));
  }

  private failWith(what: string, bytes: Buffer): void {
    this.failure ??= new FuzzFailure(`${what}: ${JSON.stringify(bytes.toString('latin1'))}`);
  }
}

class Session {
  private readonly owner: HostileServer;
  private readonly socket: Socket;
  private readonly backend: HonestBackend;
  private readonly secret: ScramSecret;
  private readonly material: Material;
  private kept: Buffer = Buffer.alloc(0);
  private hasStarted = false;
  private scram: { first: string; serverFirst: string } | null = null;
  private isAsking = false;

  constructor(
    owner: HostileServer,
    socket: Socket,
    recorded: Recorded,
    secret: ScramSecret,
    material: Material,
  ) {
    this.owner = owner;
    this.socket = socket;
    this.backend = new HonestBackend(recorded);
    this.secret = secret;
    this.material = material;
  }

  onBytes(bytes: Buffer): void {
    this.kept = this.kept.length === 0 ? bytes : Buffer.concat([this.kept, bytes]);
    // Also for what it has not answered when it was one of the hostile.
    if (this.owner.manners !== null) this.socket.setTimeout(SILENCE_MS);
    if (!this.hasStarted && !this.start()) return;
    const { messages, rest, isBroken } = takeFrames(this.kept);
    this.kept = rest;
    if (isBroken) this.owner.brokenFrameCame(rest);
    const answers: Buffer[] = [];
    for (const each of messages) {
      if (each.tag === 'X') return void this.socket.end();
      if (each.tag === 'Q') this.owner.queryCame(each.body.toString('utf8', 0, each.body.length - 1));
      const isLogin = each.tag === 'p';
      const answer = isLogin ? this.proofCame(each.body) : this.backend.answer(each);
      const { manners } = this.owner;
      const probability = manners === null ? 0 : isLogin ? manners.greeting : manners.answer;
      answers.push(...this.mutated(answer, probability));
    }
    this.say(answers);
  }

  /** False while there is nothing to go on with. */
  private start(): boolean {
    const { kept, owner } = this;
    if (kept.length < 8 || kept.length < kept.readInt32BE(0)) return false;
    const packet = kept.subarray(0, kept.readInt32BE(0));
    if (packet.readInt32BE(4) === CANCEL_REQUEST_CODE) {
      this.socket.end();
      return false;
    }
    this.kept = kept.subarray(packet.length);
    this.hasStarted = true;
    owner.startupCame(Buffer.from(packet));
    this.say(this.greeting());
    return true;
  }

  private greeting(): readonly Buffer[] {
    const { manners } = this.owner;
    if (manners === null) return this.backend.greeting();
    const { random } = manners;
    if (!random.chance(manners.greeting)) return this.backend.greeting();
    switch (random.below(6)) {
      case 0:
      case 1:
        this.isAsking = true;
        return this.mutated([authenticationSasl], 0.2);
      case 2:
        this.isAsking = true;
        return [message('R', int32(3))];
      case 3:
        this.isAsking = true;
        return [message('R', int32(5), Buffer.from('salt'))];
      case 4:
        return [oddAuthentication(random), ...this.backend.greeting()];
      default:
        return this.mutated(this.backend.greeting(), 1);
    }
  }

  /** A password or a step of SCRAM, as right as it can be. */
  private proofCame(body: Buffer): readonly Buffer[] {
    const { manners } = this.owner;
    if (!this.isAsking || manners === null) return [];
    const { random } = manners;
    const text = body.toString('latin1');
    if (this.scram === null && text.startsWith('SCRAM')) {
      const first = text.slice(text.indexOf('n,,'));
      const serverFirst = this.secret.serverFirst(first);
      this.scram = { first, serverFirst };
      return [
        authenticationSaslStep(11, random.chance(0.5) ? serverFirst : oddServerFirst(random, serverFirst)),
      ];
    }
    this.isAsking = false;
    if (this.scram === null) return this.backend.greeting();
    const { first, serverFirst } = this.scram;
    const final = this.secret.serverFinal(first, serverFirst, text);
    const last = authenticationSaslStep(12, random.chance(0.6) ? final : oddScramText(random));
    return [last, ...this.backend.greeting()];
  }

  private mutated(pieces: readonly Buffer[], probability: number): readonly Buffer[] {
    const { manners } = this.owner;
    return manners === null ? pieces : mutate(manners.random, pieces, this.material, probability);
  }

  private say(pieces: readonly Buffer[]): void {
    const { owner, socket } = this;
    const { manners } = owner;
    const all = manners?.random.chance(0.01) === true ? [...pieces, oddBackend(manners.random)] : pieces;
    if (all.length === 0) return;
    owner.sent += all.length;
    const bytes = Buffer.concat(all);
    manners?.story.note('server', bytes);
    if (manners?.random.chance(0.1) === true) {
      writeInTwo(socket, bytes, manners.random.below(bytes.length + 1));
    } else socket.write(bytes);
    if (manners?.random.chance(0.01) === true) socket.end();
    if (manners?.random.chance(0.005) === true) socket.resetAndDestroy();
  }
}

/** Another salt, another count, another nonce, or anything. */
function oddServerFirst(random: Random, serverFirst: string): Buffer {
  if (random.chance(0.5)) return oddScramText(random);
  const [nonce = '', salt = ''] = serverFirst.split(',');
  const count = random.pick(['0', '1', '-1', '4097', '10000', '1000001', '00004096', 'x', '']);
  return Buffer.from(
    random.pick([
      `${nonce},${salt},i=${count}`,
      `${nonce},s=,i=1`,
      `${nonce},s=AA=,i=1`,
      `r=x,${salt},i=1`,
      nonce,
    ]),
  );
}
