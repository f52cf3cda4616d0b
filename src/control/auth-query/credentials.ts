/** What an answer of auth_query says of a user: the password in the form that PostgreSQL stores, and until when it holds.
 *  3.3.1 documentation, "Auth Query Settings"; PostgreSQL manual, "pg_shadow". */
import type { ClientSecret } from '../../pooler/settings.js';
import { parseStoredPassword } from '../../wire/password-form.js';

/** Columns and rows as the driver gives them: timestamps as Date or an infinite number. */
export interface QueryAnswer {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

export interface Credentials {
  readonly secret: ClientSecret;
  /** Milliseconds since 1970; Infinity: for ever. */
  readonly validUntilMs: number;
}

/** The query does not answer as it should. Says what is wrong, and nothing of what it answered. */
export class UnusableAnswer extends Error {}

const PASSWORD_COLUMNS = ['passwd', 'password'];
const VALID_UNTIL_COLUMNS = ['valuntil', 'rolvaliduntil'];

/** null: there is no such user, or one without a password. Throws UnusableAnswer. */
export function readCredentials({ columns, rows }: QueryAnswer): Credentials | null {
  const [row, ...others] = rows;
  if (row === undefined) return null;
  if (others.length > 0) throw new UnusableAnswer(`it returns ${rows.length} rows for one user`);
  const password = row[passwordColumn(columns)];
  if (password === null || password === '') return null;
  if (typeof password !== 'string') throw new UnusableAnswer('the password column is no text');
  return {
    secret: secretOf(password),
    validUntilMs: validUntilMs(row[columnOf(columns, VALID_UNTIL_COLUMNS)]),
  };
}

function passwordColumn(columns: readonly string[]): number {
  const named = columnOf(columns, PASSWORD_COLUMNS);
  if (named !== -1) return named;
  if (columns.length === 1) return 0;
  throw new UnusableAnswer(
    `it returns ${columns.length} columns, and none of them is ${PASSWORD_COLUMNS.join(' or ')}`,
  );
}

/** Of the first of these names that is there; -1: none is. */
function columnOf(columns: readonly string[], names: readonly string[]): number {
  const name = names.find((each) => columns.includes(each));
  return name === undefined ? -1 : columns.indexOf(name);
}

function secretOf(password: string): ClientSecret {
  const form = parseStoredPassword(password);
  switch (form.kind) {
    case 'plain':
    case 'jwt':
      return { kind: 'unusable', why: 'auth_query returned neither an MD5 hash nor a SCRAM verifier' };
    default:
      return form;
  }
}

function validUntilMs(value: unknown): number {
  if (value === null || value === undefined) return Number.POSITIVE_INFINITY;
  const until = value instanceof Date ? value.getTime() : value;
  if (typeof until !== 'number' || Number.isNaN(until)) {
    throw new UnusableAnswer(`${VALID_UNTIL_COLUMNS.join(' or ')} is no timestamp`);
  }
  return until;
}
