/** PAM services of a test's own, in a directory that pg_doorman is told of by PG_DOORMAN_PAM_DIRECTORY: neither root nor a
 *  change of the machine is needed. Which modules there are is up to the machine. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { whyNoPam } from '../../src/pam/libpam.js';

const MODULE_DIRECTORIES = [
  '/lib/x86_64-linux-gnu/security',
  '/lib/aarch64-linux-gnu/security',
  '/lib64/security',
  '/lib/security',
  '/usr/lib/security',
];

/** Why tests that need these modules cannot run here; false when they can. */
export function noPam(...modules: string[]): string | false {
  const why = whyNoPam({});
  if (why !== '') return `PAM is not tried: ${why}`;
  const missing = modules.find(
    (each) => !MODULE_DIRECTORIES.some((directory) => existsSync(join(directory, each))),
  );
  return missing === undefined ? false : `PAM is not tried: there is no ${missing} here`;
}

/** A command that runs what its arguments say with other files in the place of some, for it alone. */
export function withFiles(files: Readonly<Record<string, string>>): string[] {
  const mounts = Object.entries(files).map(([at, file]) => `mount --bind '${file}' '${at}'`);
  return [
    'unshare',
    '--user',
    '--map-root-user',
    '--mount',
    'sh',
    '-ec',
    `${mounts.join('; ')}; exec "$@"`,
    'sh',
  ];
}

/** Why withFiles does not work here; false when it does. */
export function noWithFiles(): string | false {
  const [command = '', ...more] = withFiles({ '/etc/passwd': '/etc/passwd' });
  const { status } = spawnSync(command, [...more, 'true']);
  return status === 0 ? false : 'PAM is not tried: this user may not mount files for himself (unshare)';
}
