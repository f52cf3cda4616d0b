/** Several clients that play their scripts at the same time, each with a table of its own. */
import { compare, type Difference, improvise, type Played, replay } from './differential-run.js';
import { listed, messageCount, type Script, withoutMessage } from './differential-script.js';
import { Random } from './random.js';
import { pool } from './shared-postgres.js';
import { WireClient } from './wire-client.js';

const SCENES = 12;
/** An answer that takes longer counts as lost: the clients wait for each other. Milliseconds. */
const PATIENCE_MS = 20_000;
const SHRINKING_PATIENCE_MS = 2_000;
/** How long a shorter script is looked for. Milliseconds. */
const SHRINKING_MS = 20_000;

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
  async run(seed: number, shrinkingMs = SHRINKING_MS): Promise<string> {
    const random = new Random(seed);
    const all: Played[] = [];
    for (let i = 0; i < this.players; i++) {
      all.push(await alone((client) => improvise(client, random, tableOf(i), SCENES)));
    }
    const finding = await this.together(all);
    return finding === null ? '' : report(await this.shrunk(finding, shrinkingMs));
  }

  /** Through the pooler; the first that differs, null if none does. */
  private async together(all: readonly Played[], patienceMs = PATIENCE_MS): Promise<Finding | null> {
    const findings = await Promise.all(
      all.map(async (played, player) => {
        if (played.script.length === 0) return null;
        const client = await WireClient.login(this.doormanPort, 'postgres', 'postgres');
        try {
          const difference = await compare(client, played, patienceMs);
          return difference && { all, player, difference };
        } finally {
          client.close();
        }
      }),
    );
    return findings.find((finding) => finding !== null) ?? null;
  }

  /** Leaves out clients, scenes and messages for as long as something differs. */
  private async shrunk(first: Finding, shrinkingMs: number): Promise<Finding> {
    const deadline = performance.now() + shrinkingMs;
    let finding = first;
    const tryWith = async (player: number, script: Script): Promise<boolean> => {
      if (performance.now() > deadline) return false;
      const played = await alone((client) => replay(client, script));
      if (played === null) return false;
      const found = await this.together(finding.all.with(player, played), SHRINKING_PATIENCE_MS);
      finding = found ?? finding;
      return found !== null;
    };
    for (let i = 0; i < this.players; i++) {
      if (i !== finding.player) await tryWith(i, []);
    }
    for (let i = 0; i < this.players; i++) {
      for (let length = 8; length >= 1; length >>= 1) {
        for (let at = scriptOf(finding, i).length - length; at >= 0; at -= length) {
          await tryWith(i, scriptOf(finding, i).toSpliced(at, length));
        }
      }
      for (let at = messageCount(scriptOf(finding, i)) - 1; at >= 0; at--) {
        const script = withoutMessage(scriptOf(finding, i), at);
        if (script !== null) await tryWith(i, script);
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
