/** Who may come in: auth_type, the HBA file, and the user of the console. */
import { type HbaRule, parsePgHba } from '../../config/hba.js';
import type { Values } from '../../config/writing/annotated.js';
import { drawnPassword } from '../generate/server-draft.js';
import { CannotReadPgBouncer, fileBeside, type IniEntry, readText } from './ini-file.js';
import type { Notes } from './notes.js';

type Settings = ReadonlyMap<string, IniEntry>;

const FROM_EVERYWHERE = (method: string): string =>
  `local  all  all  ${method}\nhost   all  all  all  ${method}\n`;
const FOR_NOBODY = FROM_EVERYWHERE('reject');

/** pg_hba, when passwords alone do not decide. */
export function accessValues(settings: Settings, file: string, notes: Notes): Values {
  const entry = settings.get('auth_type');
  switch (entry?.value ?? 'md5') {
    case 'md5':
    case 'pam': // databases.ts
      return {};
    case 'plain':
      if (entry !== undefined)
        notes.of(entry, 'clients are never asked for a password in the clear: md5 or SCRAM');
      return {};
    case 'trust':
      return { pg_hba: FROM_EVERYWHERE('trust') };
    case 'any':
      if (entry !== undefined)
        notes.of(entry, 'users are let in without a password, but only those that are listed');
      return { pg_hba: FROM_EVERYWHERE('trust') };
    case 'scram-sha-256':
      return { pg_hba: FROM_EVERYWHERE('scram-sha-256') };
    case 'hba':
      return { pg_hba: rulesOf(settings.get('auth_hba_file'), file, notes) };
    default:
      if (entry !== undefined) notes.mustDo(entry, adviceFor(entry.value));
      return { pg_hba: FOR_NOBODY };
  }
}

function adviceFor(type: string): string {
  const advice = 'nobody is let in until you have changed pg_hba:';
  if (type === 'cert')
    return `${advice} a certificate can be demanded (tls_mode verify-full), but a password, too`;
  if (type === 'ldap')
    return `${advice} there is no LDAP; use PAM (pam_ldap) with auth_pam_service of a user`;
  return `${advice} it is no type of PgBouncer's`;
}

/** The text of the file, without the lines that would keep pg_doorman from starting. */
function rulesOf(entry: IniEntry | undefined, file: string, notes: Notes): string {
  if (entry === undefined) return FOR_NOBODY;
  const text = textOf(entry, file, notes);
  const { complaints, rules } = parsePgHba(text);
  for (const { line, what } of complaints) notes.mustDo(entry, `line ${line} is left out: ${what}`);
  for (const line of strangeLines(text, rules)) {
    notes.of(
      entry,
      `line ${line}: nobody is let in by this method here: trust, md5, scram-sha-256 or reject`,
    );
  }
  const wrong = new Set(complaints.map(({ line }) => line));
  return text
    .split('\n')
    .map((line, index) => (wrong.has(index + 1) ? `# left out: ${line}` : line))
    .join('\n');
}

function strangeLines(text: string, rules: readonly HbaRule[]): number[] {
  const count = text.split('\n').length;
  const strange = rules.filter(({ method }) => method === 'unknown').map(({ line }) => line);
  return [...new Set(strange)].filter((line) => line <= count);
}

function textOf(entry: IniEntry, file: string, notes: Notes): string {
  try {
    return readText(fileBeside(entry.value, file));
  } catch (error) {
    if (!(error instanceof CannotReadPgBouncer)) throw error;
    notes.mustDo(entry, `${error.message}: nobody is let in until you have written pg_hba`);
    return FOR_NOBODY;
  }
}

/** The console has one user: the first of admin_users. */
export function consoleValues(
  settings: Settings,
  passwords: ReadonlyMap<string, string>,
  notes: Notes,
): Values {
  const entry = settings.get('admin_users');
  const [first = '', ...others] = (entry?.value ?? '').split(',').map((each) => each.trim());
  if (entry === undefined || first === '') return { admin_password: drawnPassword() };
  if (others.length > 0) notes.of(entry, `the console has one user: ${first}`);
  const password = passwords.get(first) ?? '';
  if (password !== '') return { admin_username: first, admin_password: password };
  notes.of(entry, `${first} has no password in auth_file: one was drawn for admin_password`);
  return { admin_username: first, admin_password: drawnPassword() };
}
