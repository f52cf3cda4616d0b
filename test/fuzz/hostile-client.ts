/** A client that says what no client should: one case is one connection, from its first byte to its end. */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import {
  CANCEL_REQUEST,
  type Message,
  message,
  packet,
  query,
  startup,
  string,
  terminate,
} from '../support/messages.js';
import { Random } from '../support/random.js';
import { drawScene } from './conversations.js';
import { FuzzFailure, type Story } from './failure.js';
import { takeFrames, writeInTwo } from './frames.js';
import { mutate } from './mutate.js';
import type { Material } from './mutation.js';
import {
  FRONTEND_TAGS,
  oddAdminQuery,
  oddCancel,
  oddFrontend,
  oddPreludes,
  oddStartup,
} from './odd-frontend.js';
import { oddText } from './odd-texts.js';
import { oddScramText, type ScramSecret, saslInitialResponse } from './scram.js';

/** How long it waits for an answer before it goes on. Milliseconds. */
const PATIENCE_MS = 10;
/** How long the pooler may take to close a connection that its client has closed. Milliseconds. */
const CLOSING_MS_MAX = 15_000;
const SCENES_MAX = 8;

/** Whom it calls itself. */
export interface Target {
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** How it can prove that: keys of SCRAM, or a password by MD5; null: nobody asks. */
  readonly secret: ScramSecret | string | null;
  /** Says nothing but this, behind a startup packet of any kind; null: says anything. */
  readonly onlyQuestion: string | null;
  readonly isAdmin: boolean;
}

export class HostileClient {
  private readonly target: Target;
  private readonly random: Random;
  /** The probability that a scene is mutated; 0: its messages are as they should be. */
  private readonly wildness: number;
  private readonly story: Story;
  private readonly messagesMax: number;
  private readonly socket: Socket;
  private readonly closed: Promise<void>;
  private heard: Buffer = Buffer.alloc(0);
  private address = '';
  private hasEnded = false;
  private wake: () => void = () => {};
  /** Messages it has sent. */
  sent = 0;

  private constructor(target: Target, random: Random, wildness: number, story: Story, messagesMax: number) {
    this.target = target;
    this.random = random;
    this.wildness = wildness;
    this.story = story;
    this.messagesMax = messagesMax;
    this.socket = connect({ host: '127.0.0.1', port: target.port, noDelay: true });
    this.socket.on('connect', () => {
      this.address = `127.0.0.1:${this.socket.localPort}`;
      this.story.names.push(this.address);
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.hasEnded = true;
        this.wake();
        resolve();
      });
    });
    this.socket.on('error', () => {}); // 'close' follows
    this.socket.on('data', (bytes) => {
      if (this.heard.length < 4096) this.heard = Buffer.concat([this.heard, bytes]);
      this.wake();
    });
  }

  /** Plays a case; returns how many messages it has sent. Throws FuzzFailure when the pooler does not let it go. */
  static async play(
    target: Target,
    random: Random,
    wildness: number,
    story: Story,
    messagesMax = Number.POSITIVE_INFINITY,
  ): Promise<number> {
    const client = new HostileClient(target, random, wildness, story, messagesMax);
    await client.converse();
    await client.leave();
    return client.sent;
  }

  private async converse(): Promise<void> {
    await this.login();
    const { random, target } = this;
    for (let left = random.between(1, SCENES_MAX); left > 0 && !this.hasEnded; left--) {
      if (target.onlyQuestion !== null) this.say([query(target.onlyQuestion)], 0);
      else if (target.isAdmin) this.say([oddAdminQuery(random)], this.wildness);
      else this.say(drawScene(random), this.wildness);
      if (random.chance(0.5)) await this.quiet();
      if (target.onlyQuestion === null && random.chance(0.03)) this.cancel();
    }
    await this.quiet();
  }

  private async login(): Promise<void> {
    const { random, target, wildness } = this;
    const { user, database, secret } = target;
    const isOdd = target.onlyQuestion !== null || random.chance(wildness / 2);
    if (isOdd) this.say(oddPreludes(random), wildness / 2);
    const packet = isOdd ? oddStartup(random, user, database) : startup({ user, database });
    this.say([packet], isOdd ? 0 : wildness / 10);
    if (secret === null) return;
    await this.quiet();
    if (typeof secret === 'string') {
      const right = md5Proof(secret, user, this.challenge(5));
      return this.say([random.chance(0.8) ? right : message('p', oddText(random))], wildness / 4);
    }
    const isRight = random.chance(0.7);
    this.say([isRight ? saslInitialResponse() : saslInitialResponse(oddScramText(random))], wildness / 4);
    await this.quiet();
    const right = secret.clientFinal(this.challenge(11).toString('latin1'));
    this.say([random.chance(0.8) ? right : message('p', oddScramText(random))], wildness / 4);
  }

  /** What came with this authentication code. */
  private challenge(code: number): Buffer {
    const asked = this.greeting().find(
      ({ tag, body }) => tag === 'R' && body.length >= 4 && body.readInt32BE(0) === code,
    );
    return asked?.body.subarray(4) ?? Buffer.alloc(0);
  }

  /** The messages it has heard first; before them may be answers to SSLRequest. */
  private greeting(): readonly Message[] {
    return takeFrames(this.heard.subarray(Math.max(0, this.heard.indexOf('R')))).messages;
  }

  /** A CancelRequest with the key it was greeted with, or with any other. */
  private cancel(): void {
    const { random } = this;
    const key = this.greeting().find(({ tag }) => tag === 'K');
    const isOwn = key !== undefined && random.chance(0.5);
    const bytes = isOwn ? packet(CANCEL_REQUEST, key.body) : oddCancel(random);
    const socket = connect({ host: '127.0.0.1', port: this.target.port });
    socket.on('error', () => {});
    socket.end(bytes);
    this.sent++;
    this.story.note('cancel', bytes);
  }

  private say(pieces: readonly Buffer[], probability: number): void {
    const { random, socket } = this;
    const mutated = mutate(random, pieces, MATERIAL, probability).slice(0, this.messagesMax - this.sent);
    if (mutated.length === 0 || this.hasEnded) return;
    this.sent += mutated.length;
    const bytes = Buffer.concat(mutated);
    this.story.note('client', bytes);
    if (random.chance(0.1)) writeInTwo(socket, bytes, random.below(bytes.length + 1));
    else socket.write(bytes);
  }

  /** Returns when something came, or nothing did for a while. */
  private quiet(): Promise<void> {
    if (this.hasEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async leave(): Promise<void> {
    const { random, socket, target } = this;
    if (random.chance(0.3) && target.onlyQuestion === null) this.say([terminate()], 0);
    if (random.chance(0.2)) socket.resetAndDestroy();
    else socket.end();
    const timer = setTimeout(() => socket.destroy(new FuzzFailure('late')), CLOSING_MS_MAX);
    let isLate = false;
    socket.on('error', (error) => {
      isLate ||= error instanceof FuzzFailure;
    });
    await this.closed;
    clearTimeout(timer);
    if (isLate)
      throw new FuzzFailure(`"${this.address}" of ${target.database} has closed, and the pooler has not`);
  }
}

/** PostgreSQL manual, "Message Formats", AuthenticationMD5Password. */
function md5Proof(password: string, user: string, salt: Buffer): Buffer {
  const md5 = (text: Buffer): string => createHash('md5').update(text).digest('hex');
  const inner = md5(Buffer.from(password + user));
  return message('p', string(`md5${md5(Buffer.concat([Buffer.from(inner), salt]))}`));
}

const MATERIAL: Material = {
  pieces: Array.from({ length: 40 }, (_, seed) => drawScene(new Random(seed))).flat(),
  tags: FRONTEND_TAGS,
  craft: oddFrontend,
};
