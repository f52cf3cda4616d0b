/** Writes docs/reference anew from the schema and the command line: `npm run docs:reference`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referenceFiles } from './reference-files.js';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
for (const [name, content] of Object.entries(referenceFiles())) {
  mkdirSync(dirname(name), { recursive: true });
  writeFileSync(name, content);
}
