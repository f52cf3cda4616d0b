/** The reference of all settings as Markdown, made of the schema. */
import {
  type Language,
  type Section,
  type Setting,
  settingsOf,
  type ValueType,
} from './settings/describe.js';

interface Words {
  readonly title: string;
  readonly intro: string;
  readonly sections: Readonly<Record<Section, readonly [heading: string, text: string]>>;
  readonly kinds: Readonly<Record<ValueType['kind'], string>>;
  readonly reloads: Readonly<Record<Setting['reload'], string>>;
  readonly byDefault: string;
  readonly required: string;
  readonly from: string;
  readonly to: string;
  readonly secret: string;
  readonly changes: string;
}

const WORDS: Readonly<Record<Language, Words>> = {
  en: {
    title: 'Settings of pg_doorman',
    intro: `A file is YAML (\`.yaml\`, \`.yml\`) or TOML (\`.toml\`); its ending says which. \`include: { files: […] }\` takes in others of either kind, looked for beside the file that names them; what comes later wins. A duration is milliseconds as a number, or a number with a unit: \`100us\`, \`0.1ms\`, \`5s\`, \`10m\`, \`1h\`, \`1d\`. A size is bytes as a number, or with \`K\`, \`M\` or \`G\`, each 1024 times the one before: \`256MB\`. \`pg_doorman -t FILE\` checks a file and says everything that is wrong with it.

All settings in one file: [pg_doorman.yaml](pg_doorman.yaml), [pg_doorman.toml](pg_doorman.toml). For editors: [config.schema.json](config.schema.json).`,
    sections: {
      general: ['general', 'The process as a whole.'],
      pool: ['pools.NAME', 'A database under the name that clients know.'],
      user: [
        'pools.NAME.users',
        'Who may use the pool: a list; in TOML `[[pools.NAME.users]]`, or the older `[pools.NAME.users.0]`. Without `server_username` the client’s own login is passed through to PostgreSQL: its MD5 hash, or the key of its SCRAM exchange; no plain password is needed.',
      ],
      auth_query: ['pools.NAME.auth_query', 'Users that are not listed are looked up in PostgreSQL.'],
      prometheus: ['prometheus', 'Metrics for Prometheus.'],
    },
    kinds: {
      text: 'text',
      boolean: 'true or false',
      list: 'list',
      table: 'table',
      choice: 'one of',
      integer: 'whole number',
      duration: 'duration',
      size: 'size',
    },
    reloads: {
      'at once': 'act at once',
      'new connections': 'act on new connections',
      restart: 'want a restart',
    },
    byDefault: 'default',
    required: 'must be there',
    from: 'from',
    to: 'to',
    secret: 'never shown',
    changes: 'changes',
  },
  ru: {
    title: 'Настройки pg_doorman',
    intro: `Файл пишется на YAML (\`.yaml\`, \`.yml\`) или TOML (\`.toml\`); формат определяется по расширению. \`include: { files: […] }\` подключает другие файлы любого из форматов; они ищутся рядом с тем файлом, в котором названы, и более поздние значения заменяют прежние. Длительность — число миллисекунд или число с единицей: \`100us\`, \`0.1ms\`, \`5s\`, \`10m\`, \`1h\`, \`1d\`. Размер — число байтов или число с \`K\`, \`M\`, \`G\`, где каждая следующая единица в 1024 раза больше: \`256MB\`. \`pg_doorman -t ФАЙЛ\` проверяет файл и сообщает сразу обо всех ошибках.

Все настройки в одном файле: [pg_doorman.ru.yaml](pg_doorman.ru.yaml). Для редакторов: [config.schema.json](config.schema.json).`,
    sections: {
      general: ['general', 'Процесс в целом.'],
      pool: ['pools.ИМЯ', 'База данных под тем именем, под которым её знают клиенты.'],
      user: [
        'pools.ИМЯ.users',
        'Кто может пользоваться пулом: список; в TOML — `[[pools.ИМЯ.users]]` или прежняя запись `[pools.ИМЯ.users.0]`. Если `server_username` не указан, PostgreSQL получает то, чем доказал себя сам клиент: хеш MD5 или ключ обмена SCRAM; пароль открытым текстом не нужен.',
      ],
      auth_query: ['pools.ИМЯ.auth_query', 'Пользователи, которых нет в списке, ищутся в PostgreSQL.'],
      prometheus: ['prometheus', 'Метрики для Prometheus.'],
    },
    kinds: {
      text: 'текст',
      boolean: 'true или false',
      list: 'список',
      table: 'таблица',
      choice: 'одно из',
      integer: 'целое число',
      duration: 'длительность',
      size: 'размер',
    },
    reloads: {
      'at once': 'действуют сразу',
      'new connections': 'действуют на новые соединения',
      restart: 'требуют перезапуска',
    },
    byDefault: 'по умолчанию',
    required: 'указывать обязательно',
    from: 'от',
    to: 'до',
    secret: 'никогда не показывается',
    changes: 'изменения',
  },
};

/** The page in a language. */
export function referencePage(language: Language): string {
  const words = WORDS[language];
  const sections = (['general', 'pool', 'user', 'auth_query', 'prometheus'] as const).map((section) => {
    const [heading, text] = words.sections[section];
    const settings = settingsOf(section).map((setting) => settingText(setting, language));
    return [`## ${heading}`, text, ...settings].join('\n\n');
  });
  return `${[`# ${words.title}`, words.intro, ...sections].join('\n\n')}\n`;
}

function settingText(setting: Setting, language: Language): string {
  const { name, texts, type, default: preset, isRequired, isSecret, reload } = setting;
  const words = WORDS[language];
  const facts = [
    typeText(type, words),
    ...(preset === undefined ? [] : [`${words.byDefault} \`${JSON.stringify(preset)}\``]),
    ...(isRequired ? [words.required] : []),
    ...(isSecret ? [words.secret] : []),
    `${words.changes} ${words.reloads[reload]}`,
  ];
  return `### ${name}\n\n${texts[language]}\n\n*${facts.join('; ')}*`;
}

function typeText(type: ValueType, words: Words): string {
  const kind = words.kinds[type.kind];
  switch (type.kind) {
    case 'choice':
      return `${kind} ${type.choices.map((each) => `\`${each}\``).join(', ')}`;
    case 'integer':
    case 'duration':
    case 'size': {
      const to = type.max === '' ? '' : ` ${words.to} ${type.max}`;
      return type.min === '' ? kind : `${kind} ${words.from} ${type.min}${to}`;
    }
    default:
      return kind;
  }
}
