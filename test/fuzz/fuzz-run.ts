/** A run: batches of cases from one seed until so many messages have been sent. */
import type { Postgres } from '../support/postgres.js';
import { Random } from '../support/random.js';
import { TABLE } from './conversations.js';
import { record } from './recorded.js';
import { shrunk } from './shrinking.js';
import { type Case, type Side, Stage, USER } from './stage.js';
import { assertFlat, inMb } from './vitals.js';

/** Cases of a batch; afterwards everything is looked at. */
const BATCH = 400;
/** Of those, when both sides are hostile. */
const SERVER_SHARE = 0.4;
/** The console's own clients, and threads that have begun since. */
const DESCRIPTORS_MORE_MAX = 5;
const STATEMENT_TIMEOUT = '1s';

export interface FuzzOptions {
  readonly seed: number;
  /** These and no others, once; empty: what the seed draws. */
  readonly cases: readonly Case[];
  readonly messages: number;
  readonly side: Side | 'both';
  readonly postgres: Pick<Postgres, 'port' | 'query'>;
  /** Told after every batch. */
  readonly report: (line: string) => void;
}

/** Returns a line of figures. Throws FuzzFailure with all that is known about what has gone wrong. */
export async function fuzz(options: FuzzOptions): Promise<string> {
  const { seed, messages, postgres, report } = options;
  await makeRole(postgres);
  const recorded = await record(postgres.port, USER);
  const stage = await Stage.set(seed, recorded, postgres.port);
  const random = new Random(seed);
  const startedMs = performance.now();
  const seconds = (): number => (performance.now() - startedMs) / 1000;
  const first = await stage.quiet();
  let [early, vitals] = [first, first];
  let batches = 0;
  let isWell = false;
  try {
    while (stage.messages < messages) {
      const cases = options.cases.length > 0 ? options.cases : drawCases(random, options.side);
      try {
        vitals = await stage.play(cases);
      } catch (error) {
        stage.destroy();
        const setAgain = (): Promise<Stage> => Stage.set(seed, recorded, postgres.port);
        throw await shrunk({ error, cases, stories: stage.stories, seed, setAgain, report });
      }
      batches++;
      if (stage.messages <= messages / 4 || batches === 1) early = vitals;
      if (options.cases.length > 0) break;
      report(
        `${batches} batches, ${stage.messages} messages, ${seconds().toFixed(0)} s, ${inMb(vitals.rss)}`,
      );
    }
    vitals = await stage.quiet(first.descriptors + DESCRIPTORS_MORE_MAX);
    assertFlat(early, vitals);
    isWell = true;
  } finally {
    if (!isWell) stage.destroy();
  }
  await stage.stop();
  const rate = Math.round(stage.messages / seconds());
  return `seed ${seed}: ${stage.messages} messages in ${batches * BATCH} conversations, ${seconds().toFixed(0)} s, ${rate} messages/s, memory ${inMb(early.rss)} after a quarter and ${inMb(vitals.rss)} at the end, all was right`;
}

function drawCases(random: Random, side: Side | 'both'): Case[] {
  return Array.from({ length: BATCH }, () => ({
    side: side === 'both' ? (random.chance(SERVER_SHARE) ? 'server' : 'client') : side,
    seed: random.uint32(),
  }));
}

/** A role that may do nothing but read and write one table, and not for long. */
async function makeRole(postgres: FuzzOptions['postgres']): Promise<void> {
  await postgres.query(
    `do $$ begin
       if not exists (select from pg_roles where rolname = '${USER}') then create role ${USER} login; end if;
     end $$;
     alter role ${USER} set statement_timeout to '${STATEMENT_TIMEOUT}';
     create table if not exists ${TABLE} (i int, t text);
     grant select, insert, delete on ${TABLE} to ${USER}`,
  );
}
