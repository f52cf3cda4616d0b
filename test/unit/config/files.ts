/** Configuration files in a directory of their own, which is gone when the test is over. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { ConfigurationError } from '../../../src/config/complaints.js';
import { type LoadedConfiguration, loadConfiguration } from '../../../src/config/load.js';

/** Writes files (name to content) and returns the path of the first one. */
export function written(context: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'pg_doorman-config-'));
  context.after(() => rmSync(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  return join(directory, Object.keys(files)[0] ?? '');
}

/** Loads the first of the files. */
export function loaded(context: TestContext, files: Readonly<Record<string, string>>): LoadedConfiguration {
  return loadConfiguration(written(context, files));
}

export const loadedYaml = (context: TestContext, content: string): LoadedConfiguration =>
  loaded(context, { 'pg_doorman.yaml': content });

export const loadedToml = (context: TestContext, content: string): LoadedConfiguration =>
  loaded(context, { 'pg_doorman.toml': content });

/** What is said of the first of the files, without the directory: "a.yaml:3: general.port: …"; nothing when it is in
 *  order. */
export function complaints(context: TestContext, files: Readonly<Record<string, string>>): string[] {
  const path = written(context, files);
  try {
    loadConfiguration(path);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.message.replaceAll(`${dirname(path)}/`, '').split('\n');
  }
}

export const yamlComplaints = (context: TestContext, content: string): string[] =>
  complaints(context, { 'a.yaml': content });

export const tomlComplaints = (context: TestContext, content: string): string[] =>
  complaints(context, { 'a.toml': content });

export const nameOf = (path: string): string => basename(path);
