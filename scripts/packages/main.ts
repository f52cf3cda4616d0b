/** Makes packages in build/: `npm run package:executable`, `npm run package:deb`. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VERSION } from '../../src/control/version.js';
import { buildDeb } from './deb.js';
import { buildExecutable, EXECUTABLE } from './executable.js';

const DIRECTORY = 'build';

process.chdir(fileURLToPath(new URL('../..', import.meta.url)));
await buildExecutable(DIRECTORY);
console.log(
  process.argv[2] === 'deb' ? buildDeb(DIRECTORY, DIRECTORY, VERSION) : join(DIRECTORY, EXECUTABLE),
);
