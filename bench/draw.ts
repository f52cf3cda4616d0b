/** `npm run bench:plots -- FILE…`: draws docs/benchmarks anew from what `npm run bench -- --json FILE` has written. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchDocument, merged, pageWith, plotsOf } from './plots.js';

const DOCS = join(import.meta.dirname, '../docs');
const FOLDER = join(DOCS, 'benchmarks');
const PAGE = join(DOCS, 'benchmarks.md');

const documents = process.argv.slice(2).map((file): BenchDocument => JSON.parse(readFileSync(file, 'utf8')));
const document = merged(documents);
mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, 'figures.json'), `${JSON.stringify(document, null, 2)}\n`);
for (const [name, content] of Object.entries(plotsOf(document))) writeFileSync(join(FOLDER, name), content);
writeFileSync(PAGE, pageWith(document, readFileSync(PAGE, 'utf8')));
