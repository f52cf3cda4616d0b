/** Brings what a real cluster needs, by install.sh, or says why that cannot be had. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('install.sh', import.meta.url));
const INSTALLED = fileURLToPath(new URL('../../.cache/patroni', import.meta.url));
const LIMIT_MS = 300_000;

/** Patroni's program. */
export const PATRONI = join(INSTALLED, 'bin', 'patroni');

/** Empty when all is there; else what is missing. */
export function install(): string {
  mkdirSync(INSTALLED, { recursive: true });
  const { status, stdout } = spawnSync('sh', [SCRIPT, INSTALLED], { encoding: 'utf8', timeout: LIMIT_MS });
  return status === 0 ? '' : (stdout.trim().split('\n').at(-1) ?? 'install.sh says nothing');
}
