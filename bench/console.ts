/** Asks the admin console of ours what cannot be seen from outside. */

import { Client } from 'pg';
import { ADMIN } from './configurations.js';
import type { Pooler } from './pooler.js';

const TIMEOUT_MS = 10_000;

/** The rows that a command answers with, text by the column's name; null: this pooler has no such console. Rejects with
 *  what `pg` throws. */
export async function showOf(
  { contestant, address }: Pooler,
  command: string,
): Promise<ReadonlyMap<string, string>[] | null> {
  if (contestant.kind !== 'ours') return null;
  const client = new Client({
    host: '127.0.0.1',
    port: address.port,
    database: 'pgdoorman',
    user: ADMIN.username,
    password: ADMIN.password,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  await client.connect();
  try {
    const { rows, fields } = await client.query<string[]>({ text: command, rowMode: 'array' });
    return rows.map((row) => new Map(fields.map(({ name }, at) => [name, String(row[at])])));
  } finally {
    await client.end();
  }
}
