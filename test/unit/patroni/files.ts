/** Configuration files of patroni_proxy for the tests, written where they are read from. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, complaintText } from '../../../src/config/complaints.js';
import { loadProxySettings, type ProxySettings } from '../../../src/patroni/load.js';

export const folder = mkdtempSync(join(tmpdir(), 'patroni-proxy-settings-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** Loads a text as a file; returns the settings, or the complaints without the file's name. */
export function loadText(text: string): ProxySettings | string[] {
  const file = join(folder, `${files++}.yaml`);
  writeFileSync(file, text);
  try {
    return loadProxySettings(file);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.complaints.map((each) => complaintText(each).replace(`${file}:`, ''));
  }
}

/** The settings of a text that is right. */
export function settingsOf(text: string): ProxySettings {
  const loaded = loadText(text);
  if (Array.isArray(loaded)) throw new Error(loaded.join('\n'));
  return loaded;
}
