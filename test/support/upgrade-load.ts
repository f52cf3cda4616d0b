/** Clients that work through upgrades, check every answer, and connect again only when they are told 58006. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Doorman } from './doorman.js';
import { bind, execute, type Message, parse, query, sync, values } from './messages.js';
import { logInOverTls } from './tls-client.js';
import { sqlstateOf, WireClient } from './wire-client.js';

const RECONNECT = '58006';

export interface LoadOptions {
  /** Clients that can go from process to process. */
  readonly plain: number;
  /** … and those that cannot: with TLS, by this authority. */
  readonly tls: number;
  readonly authority: string;
  /** What each waits between two requests, to leave processor to others. Milliseconds; 0: nothing. */
  readonly pauseMs: number;
}

export interface LoadReport {
  /** Requests of each client. */
  readonly requests: readonly number[];
  /** Of clients that can move: how often one had to connect again, or an answer was wrong. The first is described. */
  readonly errors: readonly string[];
  /** How often clients with TLS were told to connect again. */
  readonly reconnects: number;
  /** The longest that one of those that can move waited for an answer. Milliseconds. */
  readonly slowestMs: number;
}

export class UpgradeLoad {
  private readonly doorman: Doorman;
  private readonly options: LoadOptions;
  private readonly working: Promise<number[]>;
  private readonly errors: string[] = [];
  private reconnects = 0;
  private slowestMs = 0;
  private isOver = false;

  /** Begins. */
  constructor(doorman: Doorman, options: LoadOptions) {
    this.doorman = doorman;
    this.options = options;
    const clients = Array.from({ length: options.plain + options.tls }, (_, number) => number);
    this.working = Promise.all(clients.map((number) => this.work(number, number >= options.plain)));
  }

  async end(): Promise<LoadReport> {
    this.isOver = true;
    const requests = await this.working;
    const { errors, reconnects, slowestMs } = this;
    return { requests, errors, reconnects, slowestMs };
  }

  private async work(number: number, hasTls: boolean): Promise<number> {
    let client = await this.begin(hasTls, number);
    let count = 0;
    while (!this.isOver) {
      const error = await this.turn(client, number, count, hasTls);
      if (error === null) count++;
      else {
        if (hasTls && error === RECONNECT) this.reconnects++;
        else this.errors.push(`client ${number}${hasTls ? ' with TLS' : ''}, request ${count}: ${error}`);
        client.close();
        client = await this.begin(hasTls, number);
      }
      if (this.options.pauseMs > 0) await pause(this.options.pauseMs);
    }
    client.close();
    return count;
  }

  private async begin(hasTls: boolean, number: number): Promise<WireClient> {
    const { port } = this.doorman;
    const client = hasTls
      ? await logInOverTls(port, { ca: this.options.authority })
      : await WireClient.login(port, 'postgres', 'postgres');
    await answerOf(client, parse('mine', `select ${number}`), sync());
    await answerOf(client, query(`set timezone to '${zoneOf(number)}'`));
    return client;
  }

  /** One request or transaction; what was wrong with the answer, null when it was right. */
  private async turn(
    client: WireClient,
    number: number,
    count: number,
    hasTls: boolean,
  ): Promise<string | null> {
    const since = performance.now();
    try {
      switch (count % 4) {
        case 0:
          await expect(client, String(number), bind('', 'mine'), execute(), sync());
          break;
        case 1:
          await expect(client, zoneOf(number), query('show timezone'));
          break;
        case 2:
          await expect(client, String(count), query(`select ${count}`));
          break;
        default:
          await answerOf(client, query('begin'));
          await expect(client, String(number), query(`select ${number}`));
          await answerOf(client, query('commit'));
      }
    } catch (error) {
      return error instanceof Told ? error.sqlstate : String(error);
    } finally {
      if (!hasTls) this.slowestMs = Math.max(this.slowestMs, performance.now() - since);
    }
    return null;
  }
}

/** Each its own, and none that a server has by itself. */
function zoneOf(number: number): string {
  return `Etc/GMT+${1 + (number % 12)}`;
}

/** The connection ended with this SQLSTATE, or without one. */
class Told extends Error {
  readonly sqlstate: string;
  constructor(sqlstate: string) {
    super(sqlstate);
    this.sqlstate = sqlstate;
  }
}

async function answerOf(client: WireClient, ...parts: Buffer[]): Promise<Message[]> {
  client.send(...parts);
  const answer = await client.until('Z');
  if (answer.at(-1)?.tag === 'Z' && !answer.some(({ tag }) => tag === 'E')) return answer;
  throw new Told(answer.some(({ tag }) => tag === 'E') ? sqlstateOf(answer) : 'the connection ended');
}

/** Throws when the first column of the answer's first row is another. */
async function expect(client: WireClient, expected: string, ...parts: Buffer[]): Promise<void> {
  const row = (await answerOf(client, ...parts)).find(({ tag }) => tag === 'D');
  assert.ok(row, 'no row has come');
  assert.equal(values(row)[0], expected);
}
