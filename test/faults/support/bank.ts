/** Accounts whose sum never changes, and a book of every transfer that was tried: what a commit has promised is there
 *  afterwards, once; what was never committed is not. */
import assert from 'node:assert/strict';
import type { Postgres } from '../../support/postgres.js';

export const ACCOUNTS = 40;
const OPENING_BALANCE = 1000;

/** What a transfer's customer knows of it. */
type Known =
  /** COMMIT has not been sent. */
  | 'open'
  /** COMMIT was sent, its answer has not come. */
  | 'in doubt'
  /** COMMIT was answered. */
  | 'acknowledged';

export class Bank {
  private readonly postgres: Postgres;
  /** By number of the transfer. */
  private readonly transfers: Known[] = [];

  private constructor(postgres: Postgres) {
    this.postgres = postgres;
  }

  /** The table of transfers has no key: one that was made twice shall be seen. */
  static async open(postgres: Postgres): Promise<Bank> {
    await postgres.query(`
      drop table if exists account, transfer;
      create table account (id int primary key, balance bigint not null);
      create table transfer (number int not null, payer int not null, payee int not null, amount bigint not null);
      insert into account select i, ${OPENING_BALANCE} from generate_series(1, ${ACCOUNTS}) i`);
    return new Bank(postgres);
  }

  /** The number of a new transfer. */
  begins(): number {
    return this.transfers.push('open') - 1;
  }

  commitIsSent(number: number): void {
    this.transfers[number] = 'in doubt';
  }

  isAcknowledged(number: number): void {
    this.transfers[number] = 'acknowledged';
  }

  /** Compares PostgreSQL's books with what the customers know, past the pooler. */
  async audit(): Promise<void> {
    const { rows } = await this.postgres.query(
      'select number, count(*)::int as times from transfer group by 1',
    );
    const times = new Map(rows.map((row) => [Number(row.number), Number(row.times)]));
    const numbers = [...this.transfers.keys()];
    const are = (known: Known) => numbers.filter((number) => this.transfers[number] === known);
    assert.deepEqual(
      {
        lost: are('acknowledged').filter((number) => !times.has(number)),
        madeUncommitted: are('open').filter((number) => times.has(number)),
        madeTwice: numbers.filter((number) => (times.get(number) ?? 0) > 1),
        unknown: [...times.keys()].filter((number) => number >= this.transfers.length),
      },
      { lost: [], madeUncommitted: [], madeTwice: [], unknown: [] },
    );
    assert.equal(are('acknowledged').length > 0, true, 'no transfer was made');
    const { rows: wrong } = await this.postgres.query(`
      select id, balance from account where balance <> ${OPENING_BALANCE}
        + coalesce((select sum(amount) from transfer where payee = id), 0)
        - coalesce((select sum(amount) from transfer where payer = id), 0)`);
    assert.deepEqual(wrong, [], 'accounts that do not agree with the transfers');
  }
}
