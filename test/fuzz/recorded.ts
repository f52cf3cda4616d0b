/** What the real PostgreSQL answers to every message of the conversations, recorded before the fuzzing begins. */
import {
  bind,
  describeStatement,
  execute,
  type Message,
  message,
  parse,
  startup,
  sync,
} from '../support/messages.js';
import { WireClient } from '../support/wire-client.js';
import { PREPARED_SQL, SIMPLE_SQL } from './conversations.js';

export interface Recorded {
  /** ParameterStatus and BackendKeyData of a login. */
  readonly greeting: readonly Buffer[];
  /** Answers to a Query of this text, without ReadyForQuery. */
  readonly simple: ReadonlyMap<string, readonly Buffer[]>;
  /** ParameterDescription with RowDescription or NoData, by the text of the statement. */
  readonly descriptions: ReadonlyMap<string, readonly Buffer[]>;
  /** Answers to Execute. */
  readonly results: ReadonlyMap<string, readonly Buffer[]>;
}

/** Asks it as this role. */
export async function record(port: number, user: string): Promise<Recorded> {
  const client = await WireClient.open(port);
  client.send(startup({ user, database: 'postgres' }));
  const greeting = (await client.until('Z')).filter(({ tag }) => tag === 'S' || tag === 'K').map(bytesOf);
  const simple = new Map<string, Buffer[]>();
  for (const sql of SIMPLE_SQL) {
    simple.set(sql, (await client.query(sql)).filter(isAnswer).map(bytesOf));
    await client.query('rollback');
  }
  const descriptions = new Map<string, Buffer[]>();
  const results = new Map<string, Buffer[]>();
  for (const sql of PREPARED_SQL) {
    client.send(parse('', sql), describeStatement(''));
    client.send(bind('', '', sql.includes('$1') ? ['value'] : []), execute(), sync());
    const answer = (await client.until('Z')).filter(isAnswer);
    const isDescription = ({ tag }: Message): boolean => 'tTn'.includes(tag);
    descriptions.set(sql, answer.filter(isDescription).map(bytesOf));
    results.set(sql, answer.filter((each) => !isDescription(each) && !'12'.includes(each.tag)).map(bytesOf));
  }
  client.close();
  return { greeting, simple, descriptions, results };
}

/** What is said at other times too is no part of an answer. */
function isAnswer({ tag }: Message): boolean {
  return !'ZSA'.includes(tag);
}

function bytesOf({ tag, body }: Message): Buffer {
  return message(tag, body);
}
