/** Customers that come to the pooler all the time, while it is given a fault and afterwards. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { Random } from '../../support/random.js';
import type { Bank } from './bank.js';
import { Customer } from './customer.js';
import { eventually } from './eventually.js';
import { type Refusal, refusalOf } from './refusals.js';

const SEED = 20_260_725;
/** "Seconds": the time within which the service is whole again after a fault. */
const RECOVERY_MS = 10_000;
/** For what the load does anyway, on a machine that does other things too. */
const PATIENCE_MS = 20_000;

export class Load {
  private readonly customers: Customer[];
  private readonly ended: Promise<unknown>;
  private readonly refused = new Map<Refusal, number>();
  private readonly surprises: unknown[] = [];

  constructor(count: number, connect: () => pg.Client, bank: Bank) {
    this.customers = Array.from(
      { length: count },
      (_, index) => new Customer(connect, bank, new Random(SEED + index), (error) => this.note(error)),
    );
    this.ended = Promise.all(this.customers.map((each) => each.run()));
  }

  /** Returns when customers have been refused so often in this way, from now on. */
  async isRefused(kind: Refusal, times: number): Promise<void> {
    const wanted = this.refusals(kind) + times;
    await eventually(
      `${times} refusals ${kind}`,
      PATIENCE_MS,
      () => this.refusals(kind),
      (now) => now >= wanted,
    );
  }

  /** Returns when every customer has been served so often from now on. */
  async serves(rounds: number, withinMs = PATIENCE_MS): Promise<void> {
    const wanted = this.customers.map((each) => each.rounds + rounds);
    const missing = (): number[] =>
      this.customers.flatMap((each, index) => {
        const left = (wanted[index] ?? 0) - each.rounds;
        return left > 0 ? [left] : [];
      });
    await eventually('every customer is served', withinMs, missing, ({ length }) => length === 0);
  }

  /** The fault is over: everybody is served within seconds, and nobody is refused from then on. */
  async recovers(): Promise<void> {
    await this.serves(2, RECOVERY_MS);
    const before = new Map(this.refused);
    await this.serves(2);
    assert.deepEqual(this.refused, before, 'refused after the fault was over');
  }

  /** Ends it. Fails when customers met anything but these refusals, or did not meet one of them. */
  async end(expected: readonly Refusal[], possible: readonly Refusal[] = []): Promise<void> {
    await this.stop();
    assert.deepEqual(this.surprises, []);
    const met = [...this.refused.keys()].filter((each) => !possible.includes(each)).sort();
    assert.deepEqual(met, [...expected].sort());
  }

  async stop(): Promise<void> {
    for (const each of this.customers) each.leave();
    await this.ended;
  }

  private refusals(kind: Refusal): number {
    return this.refused.get(kind) ?? 0;
  }

  private note(error: unknown): void {
    const refusal = refusalOf(error);
    if (refusal === null) this.surprises.push(error);
    else this.refused.set(refusal, this.refusals(refusal) + 1);
  }
}
