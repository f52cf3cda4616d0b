/** The version in package.json, which is the only place that says it. */
import { readFileSync } from 'node:fs';

const description: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

export const VERSION =
  typeof description === 'object' && description !== null && 'version' in description
    ? String(description.version)
    : 'unknown';
