/** Every command of the manual is run, in its order, and prints what its page says: a test for each page. It wants the
 *  programs that readers have; install.sh brings them where it may, else the pages are skipped, and say why.
 *  `PG_DOORMAN_TEST_PAGES=quick-start.md,errors.md` chooses some. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Postgres } from '../support/postgres.js';
import { type Block, blocksOf } from './blocks.js';
import { Scene } from './scene.js';

const DOCS = fileURLToPath(new URL('../../docs', import.meta.url));
const INSTALL = fileURLToPath(new URL('install.sh', import.meta.url));
/** PostgreSQL's superuser needs no password, everybody else does. */
const HBA =
  'local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n';

const { status, stdout } = spawnSync('sh', [INSTALL], { encoding: 'utf8', timeout: 300_000 });
const skip = status === 0 ? false : `NOT TRIED: ${stdout.trim()}`;
const chosen = process.env.PG_DOORMAN_TEST_PAGES?.split(',');
for (const name of readdirSync(DOCS, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.md') || chosen?.includes(name) === false) continue;
  const page = readFileSync(join(DOCS, name), 'utf8');
  const blocks = blocksOf(page);
  if (blocks.some(isRun)) test(name, { skip }, () => play(page, blocks));
}

async function play(page: string, blocks: readonly Block[]): Promise<void> {
  const postgres = await Postgres.create(HBA);
  const scene = await Scene.set(page, postgres.port);
  try {
    for (const block of blocks) {
      try {
        await scene.play(block);
      } catch (error) {
        throw new Error(`line ${block.line}:\n${block.text}`, { cause: error });
      }
    }
  } finally {
    await scene.end();
    await postgres.remove();
  }
}

function isRun({ task }: Block): boolean {
  return task === 'run' || task === 'fails' || task === 'start';
}
