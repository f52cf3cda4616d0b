/** The programs of this one's threads and processes, and its other files: files beside this one, or, in the single
 *  executable, parts of it. */
import { readFileSync } from 'node:fs';
import { getAsset, isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

export const THREADS = ['pooler/worker-main', 'patroni/relay/worker-main', 'control/socket-census'] as const;
export const PROCESSES = ['pam/checker-main'] as const;

export type ProcessPart = (typeof PROCESSES)[number];

export function startThread(part: (typeof THREADS)[number], options: WorkerOptions = {}): Worker {
  return isSea()
    ? new Worker(getAsset(part, 'utf8'), { ...options, eval: true })
    : new Worker(new URL(`../${part}.js`, import.meta.url), options);
}

/** What fork() takes to start it. */
export function processProgram(part: ProcessPart): string {
  return isSea() ? part : fileURLToPath(new URL(`../${part}.js`, import.meta.url));
}

/** The text of package.json. */
export function packageText(): string {
  return isSea()
    ? getAsset('package.json', 'utf8')
    : readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
}
