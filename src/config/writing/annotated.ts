/** From the settings that somebody wants to the outline of a file: with all other settings beside them, each explained
 *  once, in English or Russian. */
import { type Language, type Section, type Setting, settingsOf } from '../settings/describe.js';
import { entry, type Node, type Outline, type Table } from './outline.js';

export type Values = Readonly<Record<string, unknown>>;

/** What a file is to say; what is not in it is as it is by default. */
export interface Draft {
  readonly head: readonly string[];
  readonly general: Values;
  readonly pools: readonly PoolDraft[];
}

export interface PoolDraft {
  readonly name: string;
  readonly values: Values;
  readonly authQuery: Values | null;
  readonly users: readonly UserDraft[];
}

export interface UserDraft {
  readonly values: Values;
  /** What is to be known of this user. */
  readonly notes: readonly string[];
}

/** Settings that have a default and are not to be written for it: they change what the process is, or mean nothing. */
const OFF_UNLESS_WANTED = ['daemon_pid_file', 'clock_resolution_statistics'];
const COMMENT_WIDTH = 96;
/** A blank that no line ends at. */
const NO_BREAK = '\u00a0';

const WORDS = {
  en: {
    byDefault: 'Default',
    required: 'Must be there.',
    pools: 'Databases as clients name them.',
    users: 'Who may use this pool.',
    authQuery: 'Users that are not listed are looked up in PostgreSQL.',
    general: 'The process as a whole. Durations: 5000 (ms), "5s", "100us"; sizes: 1048576 (bytes), "1MB".',
    prometheus: 'Metrics for Prometheus.',
    off: 'A line that begins with # and a name is a setting that is off: take the # away to use it.',
  },
  ru: {
    byDefault: 'По умолчанию',
    required: 'Указывать обязательно.',
    pools: 'Базы данных под теми именами, под которыми их знают клиенты.',
    users: 'Кто может пользоваться этим пулом.',
    authQuery: 'Пользователи, которых нет в списке, ищутся в PostgreSQL.',
    general: 'Процесс в целом. Длительности: 5000 (мс), "5s", "100us"; размеры: 1048576 (байт), "1MB".',
    prometheus: 'Метрики для Prometheus.',
    off: 'Строка, начинающаяся с # и имени, — выключенная настройка: чтобы включить её, уберите #.',
  },
} as const;

export function annotated(draft: Draft, language: Language): Outline {
  const words = WORDS[language];
  return {
    head: [...draft.head, words.off].flatMap(wrapped),
    tables: [
      table('general', explained('general', draft.general, language), wrapped(words.general)),
      table(
        'pools',
        draft.pools.map((pool, index) => poolTable(pool, index === 0, language)),
        wrapped(words.pools),
      ),
      table('prometheus', explained('prometheus', {}, language), [words.prometheus]),
    ],
  };
}

/** The first pool is where everything is explained; the others have only what is wanted of them. */
function poolTable(pool: PoolDraft, isFirst: boolean, language: Language): Table {
  const settings = isFirst ? explained('pool', pool.values, language) : given(pool.values);
  const words = WORDS[language];
  const nodes: Node[] = [...settings, ...authQueryNodes(pool.authQuery, isFirst, language)];
  const comment = isFirst ? [words.users] : [];
  if (pool.users.length === 0) nodes.push(entry('users', [], comment));
  else {
    const items = pool.users.map(({ values, notes }, index) =>
      withNotes(isFirst && index === 0 ? explained('user', values, language) : given(values), notes),
    );
    nodes.push({ kind: 'list', key: 'users', items, comment, isOff: false });
  }
  return table(pool.name, nodes, []);
}

function authQueryNodes(values: Values | null, isFirst: boolean, language: Language): Node[] {
  if (!isFirst) return values === null ? [] : [table('auth_query', given(values), [])];
  const shown = values ?? examplesOf('auth_query');
  const nodes = explained('auth_query', shown, language).filter(({ isOff }) => values !== null || !isOff);
  return [{ ...table('auth_query', nodes, [WORDS[language].authQuery]), isOff: values === null }];
}

/** What settings of a section that must be there look like. */
export function examplesOf(section: Section): Values {
  const settings = settingsOf(section).filter(({ isRequired }) => isRequired);
  return Object.fromEntries(settings.map(({ name, example }) => [name, example]));
}

/** All settings of a section, each with its text. */
function explained(section: Section, values: Values, language: Language): Node[] {
  return settingsOf(section).map((setting) => {
    const isWanted = setting.name in values;
    const preset = setting.default;
    const isOff = !isWanted && (preset === undefined || OFF_UNLESS_WANTED.includes(setting.name));
    const value = isWanted ? values[setting.name] : (preset ?? setting.example);
    return entry(setting.name, value, textsOf(setting, language), isOff);
  });
}

function textsOf({ texts, default: preset, isRequired }: Setting, language: Language): string[] {
  const { byDefault, required } = WORDS[language];
  const isTold = preset !== undefined && preset !== '' && !Array.isArray(preset);
  const said = isTold ? `${byDefault}: ${JSON.stringify(preset)}.` : isRequired ? required : '';
  const more = said === '' ? '' : ` ${said.replaceAll(' ', NO_BREAK)}`;
  return wrapped(`${texts[language]}${more}`);
}

function given(values: Values): Node[] {
  return Object.entries(values).map(([key, value]) => entry(key, value));
}

function withNotes([first, ...rest]: readonly Node[], notes: readonly string[]): Node[] {
  if (first === undefined) return [];
  return [{ ...first, comment: [...notes.flatMap(wrapped), ...first.comment] }, ...rest];
}

function table(key: string, nodes: readonly Node[], comment: readonly string[]): Table {
  return { kind: 'table', key, nodes, comment, isOff: false };
}

/** Lines of at most so many characters; a word that is longer stays whole. Names may have characters that would end a
 *  remark. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const paragraph of text.replaceAll(/[^\P{Cc}\n]/gu, '?').split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      const longer = line === '' ? word : `${line} ${word}`;
      if (line !== '' && longer.length > COMMENT_WIDTH) lines.push(line);
      line = line !== '' && longer.length > COMMENT_WIDTH ? word : longer;
    }
    lines.push(line);
  }
  return lines.map((line) => line.replaceAll(NO_BREAK, ' '));
}
