/** The pooler before a PostgreSQL, customers, and the books: all that a fault needs to be judged. */
import { Doorman, type Section } from '../../support/doorman.js';
import type { Postgres } from '../../support/postgres.js';
import { Bank } from './bank.js';
import { BrokenNetwork } from './broken-network.js';
import { Load } from './load.js';
import { Pgbench } from './pgbench.js';
import { descriptorsBeside, fallsQuiet } from './quiet.js';
import type { Refusal } from './refusals.js';

export const POOL_SIZE = 4;
const CUSTOMERS = 12;

interface Parts {
  readonly postgres: Postgres;
  /** Between the pooler and PostgreSQL. */
  readonly network: BrokenNetwork;
  readonly doorman: Doorman;
  readonly load: Load;
  readonly bank: Bank;
  readonly pgbench: Pgbench | null;
  /** What the pooler has open when nobody is there. */
  readonly descriptors: number;
}

export class Scene {
  readonly network: BrokenNetwork;
  readonly doorman: Doorman;
  readonly load: Load;
  private readonly parts: Parts;

  private constructor(parts: Parts) {
    this.network = parts.network;
    this.doorman = parts.doorman;
    this.load = parts.load;
    this.parts = parts;
  }

  /** Returns when every customer has been served. */
  static async begin(postgres: Postgres, general: Section = {}): Promise<Scene> {
    const network = await BrokenNetwork.before(postgres.port);
    const doorman = await Doorman.start({ general, pools: { postgres: poolAt(network.port) } });
    const descriptors = await descriptorsBeside(doorman);
    const bank = await Bank.open(postgres);
    const pgbench = await Pgbench.begin(postgres, doorman.port);
    const load = new Load(CUSTOMERS, () => doorman.client('postgres', 'postgres'), bank);
    await load.serves(2);
    return new Scene({ postgres, network, doorman, load, bank, pgbench, descriptors });
  }

  /** After the fault: full service within seconds, nothing but the refusals that belong to it, right books, and nothing
   *  is left. Refusals that are `possible` may have been met or not. */
  async survived(expected: readonly Refusal[], possible: readonly Refusal[] = []): Promise<void> {
    const { load, pgbench, bank, doorman, postgres, descriptors } = this.parts;
    await load.recovers();
    await load.end(expected, possible);
    await pgbench?.end(postgres);
    await bank.audit();
    await fallsQuiet(doorman, postgres, POOL_SIZE, descriptors);
  }

  async remove(): Promise<void> {
    const { load, pgbench, doorman, network } = this.parts;
    await Promise.all([load.stop(), pgbench?.stop(), doorman.stop()]);
    await network.end();
  }
}

/** Of postgres@postgres, on whatever listens on this port. */
export function poolAt(port: number): Section {
  return {
    server_host: '127.0.0.1',
    server_port: port,
    users: [{ username: 'postgres', pool_size: POOL_SIZE }],
  };
}
