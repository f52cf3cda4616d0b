/** auth_file: a user and a password or its hash on each line, both in double quotes. PgBouncer manual, "Authentication
 *  file format". */
import { CannotReadPgBouncer, readText } from './ini-file.js';

const LINE = /^\s*"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"/;

/** User to password. The first line of a user counts. Throws CannotReadPgBouncer. */
export function readAuthFile(file: string): Map<string, string> {
  const users = new Map<string, string>();
  readText(file)
    .split('\n')
    .forEach((line, index) => {
      if (line.trim() === '' || line.trimStart().startsWith(';')) return;
      const [, user, password] = LINE.exec(line) ?? [];
      if (user === undefined || password === undefined) {
        throw new CannotReadPgBouncer(`${file}:${index + 1}: is no "user" "password"`);
      }
      const name = user.replaceAll('""', '"');
      if (!users.has(name)) users.set(name, password.replaceAll('""', '"'));
    });
  return users;
}
