/** pgbench beside our own customers, where this machine has it: other code that speaks the protocol, and sums that must
 *  agree whatever happens. Its clients give up when they are disconnected: then it is started again. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Postgres } from '../../support/postgres.js';
import { eventually } from './eventually.js';

const MODES = ['simple', 'extended', 'prepared'];
const CLIENTS = 2;
const TRANSACTIONS_PER_SECOND = 60;
const RUN_S = 2;
const BEGIN_MS = 20_000;
const ADDRESS = ['-h', '127.0.0.1', '-U', 'postgres'];

export class Pgbench {
  private child: ChildProcess | null = null;
  private isEnding = false;
  private readonly ended: Promise<void>;

  private constructor(port: number) {
    this.ended = this.run(port);
  }

  /** Makes its tables and begins; null where there is no pgbench. Returns when a transaction has been made. */
  static async begin(postgres: Postgres, poolerPort: number): Promise<Pgbench | null> {
    const { error, status, stderr } = spawnSync(
      'pgbench',
      ['-i', '-q', ...ADDRESS, '-p', String(postgres.port), 'postgres'],
      { encoding: 'utf8' },
    );
    if (error !== undefined) return null;
    assert.equal(status, 0, stderr);
    const pgbench = new Pgbench(poolerPort);
    const made = async () => (await postgres.query('select from pgbench_history limit 1')).rows.length;
    await eventually('pgbench makes a transaction', BEGIN_MS, made, (count) => count > 0);
    return pgbench;
  }

  /** Ends it and checks that every transaction was made as a whole or not at all. */
  async end(postgres: Postgres): Promise<void> {
    await this.stop();
    const { rows } = await postgres.query(`
      select (select sum(abalance) from pgbench_accounts) - (select sum(delta) from pgbench_history) as accounts,
        (select sum(tbalance) from pgbench_tellers) - (select sum(delta) from pgbench_history) as tellers,
        (select sum(bbalance) from pgbench_branches) - (select sum(delta) from pgbench_history) as branches`);
    assert.deepEqual(rows, [{ accounts: '0', tellers: '0', branches: '0' }]);
  }

  async stop(): Promise<void> {
    this.isEnding = true;
    this.child?.kill();
    await this.ended;
  }

  private async run(port: number): Promise<void> {
    for (let runs = 0; !this.isEnding; runs++) {
      const mode = MODES[runs % MODES.length] ?? '';
      const pace = ['-c', String(CLIENTS), '-R', String(TRANSACTIONS_PER_SECOND), '-T', String(RUN_S)];
      const args = ['-n', '-M', mode, ...pace, ...ADDRESS, '-p', String(port), 'postgres'];
      this.child = spawn('pgbench', args, { stdio: 'ignore' });
      await once(this.child, 'exit');
    }
  }
}
