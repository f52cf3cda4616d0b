/** The version in package.json, which is the only place that says it. */
import { packageText } from '../program/parts.js';

const description: unknown = JSON.parse(packageText());

export const VERSION =
  typeof description === 'object' && description !== null && 'version' in description
    ? String(description.version)
    : 'unknown';
