/** Makes of dist/ one executable that has Node.js in it: https://nodejs.org/api/single-executable-applications.html */
import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { THREADS } from '../../src/program/parts.js';
import { licences } from './licences.js';
import { run } from './run.js';

const require = createRequire(import.meta.url);
const KOFFI_PACKAGE = `@koromix/koffi-${process.platform}-${process.arch}`;
const KOFFI_LIBRARY = require.resolve(`${KOFFI_PACKAGE}/${process.platform}_${process.arch}/koffi.node`);
/** What postject turns in a copy of Node.js, so that it looks for a program in itself. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const MAIN = 'executable/main';
export const EXECUTABLE = 'pg_doorman';
/** A symbolic link to it: 95 of its 100 MB are Node.js. */
export const OTHER_NAME = 'patroni_proxy';
/** The licences of all that is in it. */
export const LICENCES = 'LICENCES';

/** Writes both names into the directory; what they are made of goes into a folder there. */
export async function buildExecutable(directory: string, description = 'package.json'): Promise<void> {
  const parts = join(directory, 'parts');
  mkdirSync(parts, { recursive: true });
  writeFileSync(join(directory, LICENCES), licences(await bundle(parts)));
  const blob = join(parts, 'blob');
  const settings = join(parts, 'sea-config.json');
  const partFile = (part: string): string => join(parts, `${part}.js`);
  writeFileSync(
    settings,
    JSON.stringify({
      main: partFile(MAIN),
      output: blob,
      disableExperimentalSEAWarning: true,
      useCodeCache: true,
      assets: {
        ...Object.fromEntries(THREADS.map((part) => [part, partFile(part)])),
        'package.json': description,
        'koffi.node': KOFFI_LIBRARY,
      },
    }),
  );
  run(process.execPath, '--experimental-sea-config', settings);
  const executable = join(directory, EXECUTABLE);
  rmSync(executable, { force: true }); // it may be running
  copyFileSync(process.execPath, executable);
  chmodSync(executable, 0o755);
  run(
    process.execPath,
    require.resolve('postject/dist/cli.js'),
    executable,
    'NODE_SEA_BLOB',
    blob,
    '--sentinel-fuse',
    FUSE,
  );
  rmSync(join(directory, OTHER_NAME), { force: true });
  symlinkSync(basename(executable), join(directory, OTHER_NAME));
}

/** One file of JavaScript for each thread, and one for all the rest. Not minified: a stack trace in a log is to be read.
 *  Returns what it was made of. */
async function bundle(outdir: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [MAIN, ...THREADS].map((part) => ({ in: join('dist', `${part}.js`), out: part })),
    outdir,
    bundle: true,
    platform: 'node',
    format: 'cjs', // all that a single executable can have
    target: `node${process.versions.node}`,
    alias: {
      koffi: require.resolve('koffi'),
      [KOFFI_PACKAGE]: join(process.cwd(), 'dist/executable/koffi-native.cjs'),
    },
    external: ['pg-native'], // pg asks for it only when it is told to
    // Read where a file is looked for that is none here.
    define: { 'import.meta.url': JSON.stringify('file:///'), __filename: JSON.stringify('/') },
    logLevel: 'warning',
    metafile: true,
  });
  return Object.keys(metafile.inputs);
}
