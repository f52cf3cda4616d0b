/** The pages that people read, for tests of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export interface Page {
  /** Its path in the project. */
  readonly name: string;
  readonly text: string;
}

/** Those of docs/. */
export const MANUAL: readonly Page[] = readdirSync(`${ROOT}docs`, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => page(`docs/${name}`));

/** … and the others. */
export const PAGES: readonly Page[] = [
  ...MANUAL,
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'bench/README.md'].map(page),
  page('test/drivers/README.md'),
];

function page(name: string): Page {
  return { name, text: readFileSync(ROOT + name, 'utf8') };
}
