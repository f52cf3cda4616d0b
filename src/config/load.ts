/** From a file's name to a configuration that is right, or to everything that is wrong with it. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Complaint, ConfigurationError, type Path } from './complaints.js';
import { complaintAt, complaintsOf, isTable, valueAt } from './explain.js';
import { type HbaRule, parsePgHba, ruleOfNetwork } from './hba.js';
import { pamComplaints } from './pam.js';
import { type Configuration, configurationSchema, include } from './settings/configuration.js';
import { readSource, type Source } from './source.js';
import { readTlsFiles, type TlsFiles } from './tls-files.js';
import { readTokenKeys, type TokenKeys } from './token-keys.js';

export type { Configuration };

export interface LoadedConfiguration {
  readonly configuration: Configuration;
  /** null: no rules, everybody may try. */
  readonly accessRules: readonly HbaRule[] | null;
  /** Certificates and keys. */
  readonly tlsFiles: TlsFiles;
  readonly tokenKeys: TokenKeys;
  /** The files that it came from, the first one first. */
  readonly files: readonly string[];
}

/** An include may include, but not for ever. */
const INCLUDE_DEPTH_MAX = 8;

/** Reads a configuration file and what it includes. Throws ConfigurationError with all complaints. `wantsPools`: a file
 *  that says nothing of pools is one. */
export function loadConfiguration(path: string, wantsPools = false): LoadedConfiguration {
  const { sources, complaints } = readAll(path);
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  const merged = sources.map(({ data }) => filledSections(data)).reduce(merge, {});
  const parsed = configurationSchema.safeParse(merged);
  const ruleFile = readRuleFile(merged, sources);
  const tls = readTlsFiles(merged, sources);
  const tokens = readTokenKeys(merged, sources);
  const wrong = [
    ...(parsed.error?.issues ?? []).flatMap((issue) => complaintsOf(issue, sources, merged)),
    ...tls.complaints,
    ...tokens.complaints,
    ...(parsed.success ? pamComplaints(parsed.data, sources) : []),
  ];
  const all = [...inReadingOrder(wrong, sources), ...ruleFile.complaints];
  if (!parsed.success || all.length > 0) throw new ConfigurationError(all);
  const lack = lackOf(merged, wantsPools);
  if (lack !== null) throw new ConfigurationError([{ file: path, line: 0, ...lack }]);
  return {
    configuration: parsed.data,
    accessRules: accessRulesOf(parsed.data, ruleFile.rules),
    tlsFiles: tls.files,
    tokenKeys: tokens.keys,
    files: sources.map(({ file }) => file),
  };
}

/** Of a file that may be written just now. */
function lackOf(merged: unknown, wantsPools: boolean): Pick<Complaint, 'field' | 'what'> | null {
  if (isTable(merged) && Object.keys(merged).length === 0) {
    return { field: '', what: 'is empty; is it still being written?' };
  }
  if (!wantsPools || valueAt(merged, ['pools']) !== undefined) return null;
  return { field: 'pools', what: 'is missing, which would end them all; {} stands for none' };
}

interface Reading {
  readonly sources: Source[];
  readonly complaints: Complaint[];
}

function readAll(path: string): Reading {
  const reading: Reading = { sources: [], complaints: [] };
  readInto(reading, path, []);
  return reading;
}

/** `above`: the files that led here, as absolute paths; `naming`: who names this one, for a complaint of it as a whole. */
function readInto(reading: Reading, path: string, above: readonly string[], naming = ''): void {
  const source = sourceOrComplaints(path, naming, reading.complaints);
  if (source === null) return;
  reading.sources.push(source);
  const section = include.safeParse(valueAt(source.data, ['include']) ?? {});
  if (!section.success) {
    for (const issue of section.error.issues) {
      const inFile = { ...issue, path: ['include', ...issue.path] };
      reading.complaints.push(...complaintsOf(inFile, [source], source.data));
    }
    return;
  }
  const here = [...above, resolve(path)];
  section.data.files.forEach((each, index) => {
    const file = resolve(dirname(path), each);
    const field = ['include', 'files', index];
    const complain = (what: string): void => {
      reading.complaints.push(complaintAt(field, what, [source]));
    };
    if (here.includes(file)) complain('includes itself');
    else if (here.length === INCLUDE_DEPTH_MAX) complain(`is more than ${INCLUDE_DEPTH_MAX} files deep`);
    else readInto(reading, file, here, `; it is included by ${path}:${source.lineOf(field)}`);
  });
}

/** null when the file is no table of settings; why has then joined the complaints. */
function sourceOrComplaints(path: string, naming: string, complaints: Complaint[]): Source | null {
  try {
    const source = readSource(path);
    if (isTable(source.data)) return source;
    complaints.push({ file: path, line: 1, field: '', what: 'is no table of settings' });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const named = error.complaints.map((each) =>
      each.line === 0 ? { ...each, what: each.what + naming } : each,
    );
    complaints.push(...named);
  }
  return null;
}

/** In YAML a section is null when all its lines are comments. Pools are no such section: they may not be written yet. */
function filledSections(data: unknown): unknown {
  if (!isTable(data)) return data;
  return Object.fromEntries(Object.entries(data).filter(([key, value]) => value !== null || key === 'pools'));
}

/** Tables are joined, everything else is replaced by what comes later; `include` belongs to its own file. */
function merge(earlier: unknown, later: unknown): unknown {
  if (!isTable(earlier) || !isTable(later)) return later;
  const joined = new Map(Object.entries(earlier));
  for (const [key, value] of Object.entries(later)) {
    joined.set(key, joined.has(key) ? merge(joined.get(key), value) : value);
  }
  return Object.fromEntries(joined);
}

/** File by file, each from its top. */
function inReadingOrder(complaints: readonly Complaint[], sources: readonly Source[]): Complaint[] {
  const order = sources.map(({ file }) => file);
  return complaints.toSorted((a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line);
}

/** Rules that stand in the file general.pg_hba.path, beside the one that names it; null when there is no such setting. */
function readRuleFile(
  merged: unknown,
  sources: readonly Source[],
): { readonly rules: HbaRule[] | null; readonly complaints: Complaint[] } {
  const field: Path = ['general', 'pg_hba', 'path'];
  const path = valueAt(merged, field);
  if (typeof path !== 'string' || path === '') return { rules: null, complaints: [] };
  const source = sources.findLast(({ data }) => valueAt(data, field) !== undefined);
  const file = resolve(dirname(source?.file ?? ''), path);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { rules: null, complaints: [complaintAt(field, `${file} cannot be read (${why})`, sources)] };
  }
  const { rules, complaints } = parsePgHba(text);
  return { rules, complaints: complaints.map(({ line, what }) => ({ file, line, field: '', what })) };
}

function accessRulesOf(
  { general: { hba, pg_hba } }: Configuration,
  ofFile: readonly HbaRule[] | null,
): readonly HbaRule[] | null {
  if (pg_hba !== undefined) {
    return ofFile ?? parsePgHba(typeof pg_hba === 'string' ? pg_hba : (pg_hba.content ?? '')).rules;
  }
  if (hba.length === 0) return null;
  return hba.map(ruleOfNetwork).filter((rule) => typeof rule !== 'string');
}
