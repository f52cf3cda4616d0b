/** A configuration that is read anew: what of it can come into force at once, and what waits for a restart. */
import { statSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { ConfigurationError } from '../config/complaints.js';
import { type LoadedConfiguration, loadConfiguration } from '../config/load.js';
import { docs } from '../config/settings/fields.js';
import { fieldsOf } from '../config/settings/keys.js';
import type { ClientTlsSettings } from '../pooler/settings.js';
import type { PoolChanges } from './pools.js';

export interface ReadAnew {
  /** With the present values of what needs a restart. */
  readonly loaded: LoadedConfiguration;
  /** Settings that stand otherwise in the file and need one. */
  readonly needRestart: readonly string[];
}

/** Reads the files of the present configuration again. Throws ConfigurationError. */
export function readAnew(present: LoadedConfiguration): ReadAnew {
  const hasPools = Object.keys(present.configuration.pools).length > 0;
  const loaded = loadConfiguration(present.files[0] ?? '', hasPools);
  const empty = loaded.files.filter((file) => statSync(file).size === 0);
  if (empty.length > 0) {
    const what = 'is empty; is it still being written?';
    throw new ConfigurationError(empty.map((file) => ({ file, line: 0, field: '', what })));
  }
  const needRestart: string[] = [];
  const withPresent = <Section extends object>(
    name: 'general' | 'prometheus',
    now: Section,
    next: Section,
  ) => {
    const kept = fieldsOf(name)
      .filter(([, field]) => docs.get(field)?.reload === 'restart')
      .map(([key]) => [key, Reflect.get(now, key)] as const);
    for (const [key, value] of kept) {
      if (!isDeepStrictEqual(value, Reflect.get(next, key))) needRestart.push(`${name}.${key}`);
    }
    return { ...next, ...Object.fromEntries(kept) };
  };
  const { general, prometheus } = present.configuration;
  const { configuration } = loaded;
  return {
    loaded: {
      ...loaded,
      configuration: {
        ...configuration,
        general: withPresent('general', general, configuration.general),
        prometheus: withPresent('prometheus', prometheus, configuration.prometheus),
      },
    },
    needRestart,
  };
}

/** What next connections get: with the present keys of session tickets when all else is the same, so that they can be
 *  resumed. */
export function nextClientTls(present: ClientTlsSettings, next: ClientTlsSettings): ClientTlsSettings {
  const { ticketKeys } = present;
  return isDeepStrictEqual({ ...next, ticketKeys }, present) ? present : next;
}

/** For the log: which pools are touched. */
export function changesText({ added, changed, removed }: PoolChanges): string {
  const parts = [
    ['added', added] as const,
    ['changed', changed] as const,
    ['removed', removed] as const,
  ].flatMap(([what, pools]) => {
    if (pools.length === 0) return [];
    return [`${what} ${pools.map(({ user, database }) => `${user}@${database}`).join(', ')}`];
  });
  return parts.length === 0 ? 'no pool is touched' : `pools: ${parts.join('; ')}`;
}
