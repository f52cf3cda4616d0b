/** What clients may be told when something breaks: SQLSTATE, and the words that scripts know. */
import pg from 'pg';

const WORDS = {
  /** The server died, cannot be reached, or does not log the pooler in. */
  '08006':
    /^(server closed the connection unexpectedly( while client was idle in transaction)?$|Server unavailable: .)/,
  /** Waited longer than query_wait_timeout. */
  '53300':
    /^Could not get a database connection from the pool\. .*waiting free connection from pool \(query_wait_timeout\)/,
  /** No descriptor is left for a server. */
  '53000': /^Connection pooler local resource exhausted: .*Please try again later\.$/,
  /** max_memory_usage. */
  '53200':
    /^Server is temporarily out of memory\. Please try again later or reduce the size of your query\.$/,
  /** PostgreSQL's own: the session is ended by an administrator or with its postmaster. */
  '57P01': /^terminating connection due to (administrator command|unexpected postmaster exit)$/,
  /** … it starts or stops. */
  '57P03':
    /^the database system is (starting up|shutting down|in recovery mode|not yet accepting connections)$/,
} as const;

export type Refusal = keyof typeof WORDS;

/** The refusal that an error is, null when it is anything else: a connection that ended without a word, a wrong answer,
 *  words that nobody knows. */
export function refusalOf(error: unknown): Refusal | null {
  if (!(error instanceof pg.DatabaseError)) return null;
  const { code, message } = error;
  return isRefusal(code) && WORDS[code].test(message) ? code : null;
}

function isRefusal(code: string | undefined): code is Refusal {
  return code !== undefined && code in WORDS;
}
