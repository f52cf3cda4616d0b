/** Plays a random script to PostgreSQL and to the model, and says how their answers differ. */
import assert from 'node:assert/strict';
import type { Said } from '../support/differential-script.js';
import { errorFields, type Message, values } from '../support/messages.js';
import { Random } from '../support/random.js';
import { postgresPort } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';
import { drawScript, THE_END } from './model-script.js';
import { Stage } from './model-stage.js';

/** What is compared of a message. */
function lineOf(heard: Message): string {
  const { tag, body } = heard;
  switch (tag) {
    case 'E':
    case 'N': {
      const { S, C } = errorFields(heard);
      return `${tag} ${S} ${C}`;
    }
    case 'T':
      return `T ${body.readInt16BE(0)} ${columnNames(body)}`;
    default:
      return body.length > 200
        ? `${tag} ${body.length} bytes`
        : `${tag} ${JSON.stringify(body.toString('latin1'))}`;
  }
}

function columnNames(body: Buffer): string {
  const names: string[] = [];
  for (let at = 2; at < body.length; ) {
    const end = body.indexOf(0, at);
    names.push(body.toString('utf8', at, end));
    at = end + 19;
  }
  return names.join(' ');
}

interface Played {
  readonly lines: readonly string[];
  readonly leftovers: readonly string[];
}

const ENDED = 'the connection has ended';

/** In the words of ModelSession.leftovers. */
const LEFTOVERS = `
  select name || ' ' || current_setting(name) from pg_settings
    where name in ('TimeZone', 'work_mem') and setting <> reset_val
  union all select 'statement ' || name from pg_prepared_statements where from_sql or name not like 'DOORMAN%'
  union all select 'cursor ' || name from pg_cursors where is_holdable
  union all select 'LISTEN ' || channel from pg_listening_channels() channel`;

async function playedByPostgres(script: readonly Said[]): Promise<Played> {
  const client = await WireClient.login(postgresPort, 'postgres', 'postgres');
  try {
    client.send(...script.map(({ bytes }) => bytes));
    const lines: string[] = [];
    for (let isLast = false; ; ) {
      const heard = await client.next();
      if (heard === null) return { lines: [...lines, ENDED], leftovers: [] };
      lines.push(lineOf(heard));
      isLast ||= heard.tag === 'D' && values(heard)[0] === THE_END;
      if (isLast && heard.tag === 'Z') break;
    }
    const rows = (await client.query(LEFTOVERS)).filter(({ tag }) => tag === 'D');
    return { lines, leftovers: rows.map((row) => values(row)[0] ?? '').sort() };
  } finally {
    client.close();
  }
}

function playedByModel(script: readonly Said[], random: Random): Played {
  const stage = Stage.ready();
  const bytes = Buffer.concat(script.map((said) => said.bytes));
  const pieceMax = random.pick([bytes.length, 20, 1000]);
  for (let at = 0; at < bytes.length; ) {
    const end = at + random.between(1, pieceMax);
    stage.session.receive(bytes.subarray(at, end));
    if (random.chance(0.5)) stage.rest();
    at = end;
  }
  stage.rest();
  assert.equal(stage.session.isBusy, false);
  const lines = stage.heard.map(lineOf);
  if (stage.isClosed) return { lines: [...lines, ENDED], leftovers: [] };
  return { lines, leftovers: stage.session.leftovers().sort() };
}

/** Returns what differs; '' if nothing does. */
export async function difference(seed: number): Promise<string> {
  const random = new Random(seed);
  const script = drawScript(random);
  const real = await playedByPostgres(script);
  const model = playedByModel(script, random);
  const hasEnded = real.lines.at(-1) === ENDED;
  // With messages unread PostgreSQL's end is a reset, behind which not all of its last words arrive.
  const lines = hasEnded && model.lines.at(-1) === ENDED ? real.lines.slice(0, -1) : real.lines;
  const at = lines.findIndex((line, i) => line !== model.lines[i]);
  const isLonger = !hasEnded && model.lines.length > lines.length;
  if (at < 0 && !isLonger && String(real.leftovers) === String(model.leftovers)) return '';
  const from = Math.max(0, at - 5);
  return [
    `seed ${seed}`,
    ...script.map(({ text }) => `    ${text}`),
    `PostgreSQL, from message ${from} on; it leaves ${real.leftovers}`,
    ...real.lines.slice(from, at + 5),
    `the model; it leaves ${model.leftovers}`,
    ...model.lines.slice(from, at + 5),
  ].join('\n');
}
