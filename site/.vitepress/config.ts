/** The site is made of pages/, which build.mjs fills. Nothing in it is fetched from elsewhere: fonts, search and all. */
import { CONTENTS } from '../contents.js';
import { slug } from '../slug.js';

export default {
  title: 'pg_doorman',
  description: 'Connection pooler for PostgreSQL',
  srcDir: 'pages',
  outDir: 'dist',
  cleanUrls: false,
  lastUpdated: false,
  markdown: { anchor: { slugify: slug } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: Object.entries({ Start: 'quick-start', Reference: 'reference/configuration', Errors: 'errors' }).map(
      item,
    ),
    sidebar: Object.entries(CONTENTS).map(([text, pages]) => ({
      text,
      items: Object.entries(pages).map(item),
    })),
  },
};

function item([text, page]: [string, string]): { text: string; link: string } {
  return { text, link: `/${page}` };
}
