/** koffi's native library, in the executable in the place of the package that has it: see scripts/packages/executable.ts.
 *  dlopen(3) wants a file. It gets one whose name is gone before anything is written to it, and by its descriptor: it is
 *  this file and no other, nobody else could have written it, and nothing of it remains. */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getAsset } from 'node:sea';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/** Where threads find the path that the main thread has loaded it from, which stays open: they share the library. */
const PATH = 'koffi';
/** One of them holds programs also where others are mounted noexec. The last is the one of a unit of systemd. */
const DIRECTORIES = [tmpdir(), '/dev/shm', '/var/tmp', process.env.CACHE_DIRECTORY];

function load(): unknown {
  const path = getEnvironmentData(PATH);
  if (typeof path === 'string') return opened(path);
  const failures: string[] = [];
  for (const directory of new Set(DIRECTORIES)) {
    if (directory === undefined) continue;
    try {
      return loadFrom(directory);
    } catch (error) {
      failures.push(`${directory}: ${error instanceof Error ? error.message : error}`);
    }
  }
  // Said here: koffi would take an error for a sign that it was badly bundled.
  console.error(
    `${process.argv0}: its native library cannot be loaded; let TMPDIR be a directory that is not mounted noexec`,
  );
  for (const failure of failures) console.error(failure);
  process.exit(1);
}

function loadFrom(directory: string): unknown {
  const name = join(directory, `pg_doorman-${randomUUID()}`);
  const fd = openSync(name, 'wx+', 0o600);
  try {
    unlinkSync(name);
    writeFileSync(fd, new Uint8Array(getAsset('koffi.node')));
    const path = `/proc/self/fd/${fd}`;
    const native = opened(path);
    setEnvironmentData(PATH, path);
    return native;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function opened(path: string): unknown {
  const loaded = { exports: {} };
  process.dlopen(loaded, path);
  return loaded.exports;
}

export = load();
