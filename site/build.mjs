/** npm run docs:site: makes the manual a static site, site/dist, by VitePress, which is installed here when it is not.
 *  `-- --preview` serves it on this machine afterwards. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '..');
const PAGES = join(HERE, 'pages');
const VITEPRESS = join(HERE, 'node_modules/vitepress/bin/vitepress.js');
/** Pages that do not lie in docs/. */
const MORE_PAGES = [
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'bench/README.md',
  'test/drivers/README.md',
];
const LINK = /(!?)(\[[^\]]*\])\(([^)#\s]+)(#[^)\s]*)?\)/g;

if (!existsSync(VITEPRESS)) run('npm', ['install', '--no-save', '--loglevel=error']);
rmSync(PAGES, { recursive: true, force: true });
const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
for (const source of [...pages, ...MORE_PAGES]) {
  const text = readFileSync(join(ROOT, source), 'utf8');
  const place = join(PAGES, placeOf(source));
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(
    place,
    text.replace(LINK, (...link) => linkInSite(source, ...link)),
  );
}
run(process.execPath, [VITEPRESS, 'build', HERE]);
console.log('\nThe site is in site/dist. `npm run docs:site -- --preview` serves it on this machine.');
if (process.argv.includes('--preview')) run(process.execPath, [VITEPRESS, 'preview', HERE]);

/** Where a file of the project lies in the site. */
function placeOf(file) {
  return file.replace(/^docs\//, '');
}

/** The same link, from the page to where its target lies in the site. Files that are no pages come along; a folder has
 *  no place there, and only its name is left. */
function linkInSite(source, link, image, text, target, anchor = '') {
  if (/^[a-z]+:/.test(target)) return link;
  const file = join(dirname(source), target);
  if (image === '' && file.endsWith('.md')) {
    const way = relative(dirname(placeOf(source)), placeOf(file));
    return `${text}(${way.startsWith('.') ? way : `./${way}`}${anchor})`;
  }
  if (statSync(join(ROOT, file)).isDirectory()) return text.slice(1, -1);
  cpSync(join(ROOT, file), join(PAGES, image === '' ? 'public/files' : '', placeOf(file)));
  return image === '' ? `<a href="/files/${placeOf(file)}" download>${text.slice(1, -1)}</a>` : link;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd: HERE });
  if (error !== undefined) console.error(`${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}
