/** A client that checks every answer: each question carries a stamp of its own, and transfers keep the bank's books.
 *  It says what went wrong, and comes back as an application would. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Random } from '../../support/random.js';
import { ACCOUNTS, type Bank } from './bank.js';

/** Between two rounds, so that a pooler that refuses at once is not asked without end. */
const THINK_MS = 5;
/** An answer that PostgreSQL sends in one piece. Of a longer one a fault may leave half a row, and then nothing more can
 *  be said to the client. */
const ROWS_MAX = 150;

export class Customer {
  /** Rounds that went well from beginning to end. */
  rounds = 0;
  private client: pg.Client | null = null;
  /** What the client was told between two questions, which the driver's next answer does not repeat. */
  private partingWord: unknown = null;
  private stamps = 0;
  private isLeaving = false;
  private readonly connect: () => pg.Client;
  private readonly bank: Bank;
  private readonly random: Random;
  private readonly onError: (error: unknown) => void;

  constructor(connect: () => pg.Client, bank: Bank, random: Random, onError: (error: unknown) => void) {
    this.connect = connect;
    this.bank = bank;
    this.random = random;
    this.onError = onError;
  }

  /** Returns when it has been told to leave and has left. */
  async run(): Promise<void> {
    while (!this.isLeaving) {
      try {
        await this.round();
        this.rounds++;
      } catch (error) {
        await this.recover(error);
      }
      await pause(THINK_MS);
    }
    await this.client?.end();
  }

  /** After the round that it is in. */
  leave(): void {
    this.isLeaving = true;
  }

  private async round(): Promise<void> {
    const client = await this.connected();
    const stamp = `${this.random.uint32()}-${this.stamps++}`;
    const simple = await client.query(`select '${stamp}' as stamp`);
    assert.deepEqual(simple.rows, [{ stamp }]);
    const prepared = { name: 'stamped', text: 'select $1::text as stamp', values: [stamp] };
    assert.deepEqual((await client.query(prepared)).rows, [{ stamp }]);
    const count = this.random.between(1, ROWS_MAX);
    const series = 'select i, $2::text as stamp from generate_series(1, $1::int) i';
    assert.deepEqual(
      (await client.query(series, [count, stamp])).rows,
      Array.from({ length: count }, (_, index) => ({ i: index + 1, stamp })),
    );
    await this.transfer(client);
  }

  private async transfer(client: pg.Client): Promise<void> {
    const payer = this.random.between(1, ACCOUNTS - 1);
    const payee = this.random.between(payer + 1, ACCOUNTS); // always upwards: no deadlocks
    const amount = this.random.between(1, 10);
    const number = this.bank.begins();
    await client.query('begin');
    await client.query('insert into transfer values ($1, $2, $3, $4)', [number, payer, payee, amount]);
    await client.query('update account set balance = balance - $2 where id = $1', [payer, amount]);
    await client.query('update account set balance = balance + $2 where id = $1', [payee, amount]);
    this.bank.commitIsSent(number);
    const { command } = await client.query('commit');
    assert.equal(command, 'COMMIT');
    this.bank.isAcknowledged(number);
  }

  private async connected(): Promise<pg.Client> {
    if (this.client !== null) return this.client;
    const client = this.connect();
    this.partingWord = null;
    client.on('error', (error) => {
      this.partingWord ??= error;
    });
    await client.connect();
    this.client = client;
    return client;
  }

  /** After an ERROR the connection is as good as before, and a transaction wants its ROLLBACK. */
  private async recover(error: unknown): Promise<void> {
    const { client } = this;
    this.onError(this.partingWord ?? error);
    if (client === null) return;
    if (this.partingWord === null && error instanceof pg.DatabaseError && error.severity !== 'FATAL') {
      const rollback = await client.query('rollback').catch((another: unknown) => another);
      if (!(rollback instanceof Error)) return;
      this.onError(this.partingWord ?? rollback);
    }
    this.client = null;
    await client.end();
  }
}
