/** Links of the pages lead somewhere: to a file that there is, and to a heading that it has. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { CONTENTS } from '../../../site/contents.js';
import { slug } from '../../../site/slug.js';
import { MANUAL, PAGES, ROOT } from './manual.js';

const LINK = /\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g;
const HEADING = /^#{1,6} (.*)$/gm;
const BLOCK = /^```[\s\S]*?^```$/gm;

for (const { name, text } of PAGES) {
  test(`links of ${name}`, () => {
    const dead = [...text.replace(BLOCK, '').matchAll(LINK)]
      .filter(([, target = '']) => !/^[a-z]+:/.test(target))
      .filter(([, target = '', anchor = '']) => {
        const file = target === '' ? name : join(dirname(name), target);
        return !existsSync(ROOT + file) || (anchor !== '' && !anchorsOf(file).includes(anchor));
      })
      .map(([link]) => link);
    assert.deepEqual(dead, []);
  });
}

test('every page of the manual stands in the contents of the site and in index.md, and nothing else does', () => {
  const pages = MANUAL.map(({ name }) => name.replace(/^docs\/(.*)\.md$/, '$1')).filter(
    (name) => name !== 'index',
  );
  const contents = Object.values(CONTENTS).flatMap((titles) => Object.values(titles));
  const above = ['ARCHITECTURE', 'CONTRIBUTING', 'CHANGELOG'];
  assert.deepEqual(contents.toSorted(), [...pages, ...above].toSorted());
  const index = readFileSync(`${ROOT}docs/index.md`, 'utf8');
  assert.deepEqual(
    pages.filter((page) => !index.includes(`(${page}.md)`)),
    [],
  );
});

test('no page names a path of somebody’s machine or a place that packages come from', () => {
  const own = PAGES.filter(({ text }) =>
    /\/work\/|\/root\/|\/tmp\/w\/|registry\.\w|npmjs|pypi\.org/.test(text),
  );
  assert.deepEqual(
    own.map(({ name }) => name),
    [],
  );
});

function anchorsOf(file: string): string[] {
  const text = readFileSync(ROOT + file, 'utf8').replace(BLOCK, '');
  return [...text.matchAll(HEADING)].map(([, heading = '']) =>
    slug(heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')),
  );
}
