/** pg_doorman generate: a configuration out of a PostgreSQL, a pgbouncer.ini, or nothing but the reference. */
import { extname } from 'node:path';
import { configurationSchema } from '../../config/settings/configuration.js';
import { annotated, type Draft } from '../../config/writing/annotated.js';
import { dataOf, plain } from '../../config/writing/outline.js';
import { referenceDraft } from '../../config/writing/reference-draft.js';
import { tomlText } from '../../config/writing/toml-text.js';
import { yamlText } from '../../config/writing/yaml-text.js';
import { convertPgBouncer } from '../pgbouncer/convert.js';
import { CannotReadPgBouncer } from '../pgbouncer/ini-file.js';
import { CannotConnect, connect, targetOf } from './connection.js';
import { Messages } from './messages.js';
import type { Format, GenerateOptions } from './options.js';
import { CannotWrite, writeSecretFile } from './output.js';
import { type DraftAndWarnings, serverDraft } from './server-draft.js';
import { factsOf } from './server-facts.js';

/** Returns the exit status: 1 when there is no configuration, or one that somebody must complete. */
export async function generate(options: GenerateOptions, environment: NodeJS.ProcessEnv): Promise<number> {
  const messages = new Messages(process.stderr, environment);
  try {
    const { draft, warnings, isIncomplete } = await draftFor(options, environment, messages);
    const complaints = write(draft, options, messages);
    for (const each of [...warnings, ...complaints]) messages.warning(each);
    return isIncomplete || complaints.length > 0 ? 1 : 0;
  } catch (error) {
    if (!isExpected(error)) throw error;
    messages.error(error.message);
    return 1;
  }
}

/** Of us, of PostgreSQL, or of the file system: the message is for the operator. */
function isExpected(error: unknown): error is Error {
  if (error instanceof CannotConnect || error instanceof CannotReadPgBouncer) return true;
  if (error instanceof CannotWrite) return true;
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

async function draftFor(
  options: GenerateOptions,
  environment: NodeJS.ProcessEnv,
  messages: Messages,
): Promise<DraftAndWarnings> {
  const language = languageOf(options);
  if (options.reference === true) {
    return { draft: referenceDraft(language), warnings: [], isIncomplete: false };
  }
  if (options.fromPgbouncer !== undefined) return convertPgBouncer(options.fromPgbouncer, language);
  const target = targetOf(options, environment);
  messages.progress(`connecting to ${target.user}@${target.host}:${target.port}/${target.database}`);
  const client = await connect(target);
  try {
    const facts = await factsOf(client);
    return serverDraft(facts, target, {
      poolSize: options.poolSize,
      isSessionMode: options.sessionPoolMode === true,
      serverHost: options.serverHost,
      language,
    });
  } finally {
    await client.end();
  }
}

function languageOf({ russianComments }: GenerateOptions): 'en' | 'ru' {
  return russianComments === true ? 'ru' : 'en';
}

/** Writes the file, and returns why pg_doorman would not start with it. */
function write(draft: Draft, options: GenerateOptions, messages: Messages): string[] {
  const { output, comments } = options;
  const full = annotated(draft, languageOf(options));
  const outline = comments ? full : plain(full);
  const format = options.format ?? formatOf(output) ?? 'yaml';
  const text = format === 'toml' ? tomlText(outline) : yamlText(outline);
  const { error } = configurationSchema.safeParse(dataOf(outline));
  const complaints = (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
  if (output === undefined) {
    process.stdout.write(text);
    return complaints;
  }
  const backup = writeSecretFile(output, text);
  const users = draft.pools.reduce((sum, pool) => sum + pool.users.length, 0);
  messages.progress(`wrote ${output}: ${draft.pools.length} pools, ${users} users in them`);
  if (backup !== '') messages.progress(`the former file is ${backup}`);
  if (formatOf(output) !== format && !output.startsWith('/dev/')) {
    messages.warning(`${output} holds ${format}: pg_doorman wants a name that ends in .${format}`);
  }
  return complaints;
}

function formatOf(file = ''): Format | undefined {
  const extension = extname(file).toLowerCase();
  if (extension === '.toml') return 'toml';
  return extension === '.yaml' || extension === '.yml' ? 'yaml' : undefined;
}
