/** Run-time parameters: SET, SET LOCAL, RESET, and what ParameterStatus says of them. PostgreSQL manual, SET; its
 *  src/backend/utils/misc/guc.c. */
import { SqlError } from './model-error.js';

interface Setting {
  /** As it is reported and shown. */
  readonly name: string;
  readonly isReported: boolean;
  readonly initial: string;
  /** The value as it is shown; null when it is not one. */
  readonly spell: (value: string) => string | null;
}

interface Value {
  readonly ofSession: string;
  /** Until the transaction ends. */
  readonly ofTransaction: string | null;
}

/** What a rollback goes back to. */
export type SettingsSnapshot = ReadonlyMap<string, Value>;

const ZONES = [
  ...['UTC', 'GMT', 'Europe/Berlin', 'Europe/London', 'Europe/Moscow', 'Europe/Paris', 'Africa/Cairo'],
  ...['America/New_York', 'America/Los_Angeles', 'Asia/Tokyo', 'Asia/Kolkata', 'Australia/Sydney'],
];

const SETTINGS: readonly Setting[] = [
  { name: 'application_name', isReported: true, initial: '', spell: asItIs },
  { name: 'client_encoding', isReported: true, initial: 'UTF8', spell: oneOf('UTF8') },
  { name: 'DateStyle', isReported: true, initial: 'ISO, MDY', spell: oneOf('ISO, MDY', 'ISO, DMY') },
  { name: 'default_transaction_read_only', isReported: true, initial: 'off', spell: oneOf('on', 'off') },
  {
    name: 'IntervalStyle',
    isReported: true,
    initial: 'postgres',
    spell: oneOf('postgres', 'sql_standard', 'iso_8601', 'postgres_verbose'),
  },
  { name: 'search_path', isReported: true, initial: '"$user", public', spell: asItIs },
  { name: 'standard_conforming_strings', isReported: true, initial: 'on', spell: oneOf('on') },
  { name: 'TimeZone', isReported: true, initial: 'UTC', spell: oneOf(...ZONES) },
  { name: 'work_mem', isReported: false, initial: '4MB', spell: kilobytes },
];

/** Reported at login, and never changed here. */
const CONSTANTS: Readonly<Record<string, string>> = {
  in_hot_standby: 'off',
  integer_datetimes: 'on',
  is_superuser: 'on',
  scram_iterations: '4096',
  server_encoding: 'UTF8',
};

/** server_version of a host. */
export function versionOf(host = ''): string {
  return host === '' ? '18.0' : `18.0 (${host})`;
}

const settingByName = new Map(SETTINGS.map((setting) => [setting.name.toLowerCase(), setting]));

export class Settings {
  private values: ReadonlyMap<string, Value>;
  /** As they were at login. */
  private readonly initialValues: ReadonlyMap<string, Value>;
  /** What RESET goes back to: the StartupMessage may have chosen. */
  private readonly initial = new Map<string, string>();
  private readonly reported = new Map<string, string>();
  private valuesReported: SettingsSnapshot | null = null;
  /** Whether something may be LOCAL. */
  private hasLocal = false;

  constructor(startup: Readonly<Record<string, string>>) {
    for (const setting of SETTINGS) this.initial.set(setting.name, setting.initial);
    for (const [name, value] of Object.entries(startup)) {
      const setting = settingByName.get(name.toLowerCase());
      if (setting !== undefined) this.initial.set(setting.name, spelled(setting, value));
    }
    this.values = new Map(
      [...this.initial].map(([name, value]) => [name, { ofSession: value, ofTransaction: null }]),
    );
    this.initialValues = this.values;
  }

  /** The canonical name; fails if there is none. */
  nameOf(name: string): string {
    return settingNamed(name).name;
  }

  shown(name: string): string {
    return this.current(settingNamed(name).name);
  }

  /** null: DEFAULT. */
  set(name: string, value: string | null, isLocal: boolean): void {
    const setting = settingNamed(name);
    const text = value === null ? this.initialOf(setting.name) : spelled(setting, value);
    const { ofSession } = this.valueOf(setting.name);
    this.put(
      setting.name,
      isLocal ? { ofSession, ofTransaction: text } : { ofSession: text, ofTransaction: null },
    );
  }

  resetAll(): void {
    this.values = this.initialValues;
  }

  get snapshot(): SettingsSnapshot {
    return this.values;
  }

  restore(snapshot: SettingsSnapshot): void {
    this.values = snapshot;
  }

  /** The transaction has ended: what was LOCAL is undone. */
  endTransaction(): void {
    if (!this.hasLocal) return;
    this.hasLocal = false;
    for (const [name, { ofSession, ofTransaction }] of this.values) {
      if (ofTransaction !== null) this.put(name, { ofSession, ofTransaction: null });
    }
  }

  /** Names and values of what ParameterStatus says at login. */
  takeFirstReport(username: string, host?: string): [string, string][] {
    const constants = Object.entries({
      ...CONSTANTS,
      server_version: versionOf(host),
      session_authorization: username,
    });
    return [...constants, ...this.takeReport()].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  /** … and before each ReadyForQuery: what is not as it was reported last. */
  takeReport(): [string, string][] {
    if (this.values === this.valuesReported) return [];
    this.valuesReported = this.values;
    const changes = SETTINGS.filter(({ isReported }) => isReported)
      .map(({ name }): [string, string] => [name, this.current(name)])
      .filter(([name, value]) => this.reported.get(name) !== value);
    for (const [name, value] of changes) this.reported.set(name, value);
    return changes;
  }

  /** Whether none has been changed, or all were reset together. */
  get areInitial(): boolean {
    return this.values === this.initialValues;
  }

  /** The names of those that are not as they were at login. */
  get changed(): string[] {
    return SETTINGS.map(({ name }) => name).filter((name) => this.current(name) !== this.initialOf(name));
  }

  private put(name: string, value: Value): void {
    const { ofSession, ofTransaction } = this.valueOf(name);
    if (value.ofSession === ofSession && value.ofTransaction === ofTransaction) return;
    if (value.ofTransaction !== null) this.hasLocal = true;
    this.values = new Map([...this.values, [name, value]]);
  }

  private current(name: string): string {
    const { ofSession, ofTransaction } = this.valueOf(name);
    return ofTransaction ?? ofSession;
  }

  private valueOf(name: string): Value {
    return this.values.get(name) ?? { ofSession: this.initialOf(name), ofTransaction: null };
  }

  private initialOf(name: string): string {
    return this.initial.get(name) ?? '';
  }
}

function settingNamed(name: string): Setting {
  const setting = settingByName.get(name.toLowerCase());
  if (setting === undefined) {
    throw new SqlError('42704', `unrecognized configuration parameter "${name}"`);
  }
  return setting;
}

function spelled(setting: Setting, value: string): string {
  const text = setting.spell(value);
  if (text === null) {
    throw new SqlError('22023', `invalid value for parameter "${setting.name}": "${value}"`);
  }
  return text;
}

function asItIs(value: string): string {
  return value;
}

function oneOf(...values: string[]): (value: string) => string | null {
  return (value) => values.find((each) => each.toLowerCase() === value.toLowerCase()) ?? null;
}

const KILOBYTES_BY_UNIT = new Map([
  ['GB', 1024 * 1024],
  ['MB', 1024],
  ['kB', 1],
]);
const WORK_MEM_MIN_KILOBYTES = 64;

/** An amount of memory with the largest unit in which it is whole. */
function kilobytes(value: string): string | null {
  const [, amount, unit = 'kB'] = /^\s*(\d+)\s*(kB|MB|GB)?\s*$/.exec(value) ?? [];
  const total = Number(amount) * (KILOBYTES_BY_UNIT.get(unit) ?? 1);
  if (!(total >= WORK_MEM_MIN_KILOBYTES && total < 2 ** 31)) return null;
  for (const [name, size] of KILOBYTES_BY_UNIT) if (total % size === 0) return `${total / size}${name}`;
  return null;
}
