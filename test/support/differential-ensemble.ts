/** Several clients that play their scripts at the same time, each with a table of its own. */
import { compare, type Difference, improvise, type Played, replay } from './differential-run.js';
import { listed, type Script } from './differential-script.js';
import { Random } from './random.js';
import { pool } from './shared-postgres.js';
import { WireClient } from './wire-client.js';

const SCENES = 12;
/** How often a failing ensemble is played to find a shorter one. */
const SHRINKS_MAX = 200;

const POSTGRES_PORT = Number(pool().server_port);

/** Who heard something else than PostgreSQL says. */
interface Finding {
  readonly all: readonly Played[];
  readonly player: number;
  readonly difference: Difference;
}

export class Ensemble {
  private readonly doormanPort: number;
  private readonly players: number;

  private constructor(doormanPort: number, players: number) {
    this.doormanPort = doormanPort;
    this.players = players;
  }

  /** Makes what the clients play on. */
  static async assemble(doormanPort: number, players: number): Promise<Ensemble> {
    const client = await toPostgres();
    for (let i = 0; i < players; i++) {
      await client.query(`create table if not exists ${tableOf(i)} (i int, t text)`);
    }
    client.close();
    return new Ensemble(doormanPort, players);
  }

  /** Draws scripts and plays them. Returns what differs, with the shortest scripts found; '' if nothing does. */
  async run(seed: number): Promise<string> {
    const random = new Random(seed);
    const all: Played[] = [];
    for (let i = 0; i < this.players; i++) {
      all.push(await alone((client) => improvise(client, random, tableOf(i), SCENES)));
    }
    const finding = await this.together(all);
    return finding === null ? '' : report(await this.shrunk(finding));
  }

  /** Through the pooler; the first that differs, null if none does. */
  private async together(all: readonly Played[]): Promise<Finding | null> {
    const findings = await Promise.all(
      all.map(async (played, player) => {
        if (played.script.length === 0) return null;
        const client = await WireClient.login(this.doormanPort, 'postgres', 'postgres');
        try {
          const difference = await compare(client, played);
          return difference && { all, player, difference };
        } finally {
          client.close();
        }
      }),
    );
    return findings.find((finding) => finding !== null) ?? null;
  }

  /** Leaves out clients and scenes for as long as something differs. */
  private async shrunk(first: Finding): Promise<Finding> {
    let finding = first;
    let shrinks = 0;
    const tryWith = async (player: number, played: Played): Promise<void> => {
      if (++shrinks <= SHRINKS_MAX)
        finding = (await this.together(finding.all.with(player, played))) ?? finding;
    };
    for (let i = 0; i < this.players; i++) {
      if (i !== finding.player) await tryWith(i, { script: [], transcript: [] });
    }
    for (let i = 0; i < this.players; i++) {
      for (let length = 8; length >= 1; length >>= 1) {
        for (let at = scriptOf(finding, i).length - length; at >= 0; at -= length) {
          const script = scriptOf(finding, i).toSpliced(at, length);
          const played = await alone((client) => replay(client, script));
          if (played !== null) await tryWith(i, played);
        }
      }
    }
    return finding;
  }
}

function scriptOf({ all }: Finding, player: number): Script {
  return all[player]?.script ?? [];
}

function report({ all, player, difference }: Finding): string {
  const { scene, step, expected, got } = difference;
  const at = expected.findIndex((line, i) => line !== got[i]);
  const from = Math.max(0, at - 6);
  return [
    ...all.map(({ script }, i) => `client ${i}${i === player ? ', which differs' : ''}\n${listed(script)}`),
    `In scene ${scene}, step ${step} of client ${player}, PostgreSQL says from message ${from} on:`,
    ...expected.slice(from, at + 6),
    'and the pooler:',
    ...got.slice(from, at + 6),
  ].join('\n');
}

/** Plays to PostgreSQL on a new connection. */
async function alone<T>(play: (client: WireClient) => Promise<T>): Promise<T> {
  const client = await toPostgres();
  try {
    return await play(client);
  } finally {
    client.close();
  }
}

function toPostgres(): Promise<WireClient> {
  return WireClient.login(POSTGRES_PORT, 'postgres', 'postgres');
}

function tableOf(player: number): string {
  return `differential_${player}`;
}
