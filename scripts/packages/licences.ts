/** The licences of all that is in the single executable: ours, those of the packages that were bundled, Node.js's. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where distributions of Node.js put it. */
const NODE_PLACES = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE'];

/** `inputs`: the files that were bundled. */
export function licences(inputs: readonly string[]): string {
  const packages = new Set(inputs.flatMap((file) => /^node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []));
  return [
    ['pg_doorman', readFileSync('LICENSE', 'utf8')],
    ...[...packages].sort().map((folder) => [folder.slice('node_modules/'.length), licenceIn(folder)]),
    ['Node.js', licenceOfNode()],
  ]
    .map(([name, text]) => `==== ${name} ====\n\n${text?.trim()}\n`)
    .join('\n');
}

/** A package without a file for it names it in its description. */
function licenceIn(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8');
  const { license, author }: { license?: string; author?: string | { name: string } } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  );
  if (license === undefined) throw new Error(`${folder} names no licence`);
  return `${license}${author === undefined ? '' : `, ${typeof author === 'string' ? author : author.name}`}`;
}

function licenceOfNode(): string {
  const prefix = join(dirname(process.execPath), '..');
  const file = NODE_PLACES.map((place) => join(prefix, place)).find(existsSync);
  return file === undefined
    ? `Version ${process.versions.node}, MIT and others: https://github.com/nodejs/node/blob/v${process.versions.node}/LICENSE`
    : readFileSync(file, 'utf8');
}
