/** npm run monitoring: writes the dashboard, the alerts and the manual's page of metrics anew. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GENERATED_FILES } from './files.js';

for (const [path, make] of Object.entries(GENERATED_FILES)) {
  const file = join(import.meta.dirname, '../..', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, make());
  console.log(path);
}
