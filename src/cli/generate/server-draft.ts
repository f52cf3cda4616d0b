/** From what a PostgreSQL has to a configuration for the pooler before it, and what its operator should know. */
import { randomBytes } from 'node:crypto';
import type { Draft, PoolDraft, UserDraft, Values } from '../../config/writing/annotated.js';
import { POOLER_PORT } from '../../config/writing/reference-draft.js';
import type { Target } from './connection.js';
import type { DatabaseFacts, ServerFacts, UserFacts } from './server-facts.js';

export interface DraftOptions {
  readonly poolSize: number;
  readonly isSessionMode: boolean;
  /** What the pools connect to, when it is another host than the one that was asked. */
  readonly serverHost: string | undefined;
  readonly language: 'en' | 'ru';
}

export interface DraftAndWarnings {
  readonly draft: Draft;
  readonly warnings: readonly string[];
  /** Somebody has to put something in before clients can log in. */
  readonly isIncomplete: boolean;
}

/** Names that clients reach the admin console by. */
const CONSOLES = ['pgdoorman', 'pgbouncer'];
const ADMIN_PASSWORD_BYTES = 18;
const LISTED_MAX = 10;

const WORDS = {
  en: {
    head: (target: Target) =>
      `Configuration of pg_doorman for ${target.host}:${target.port}. It holds password hashes: keep it to yourself.`,
    adminPassword: 'The password of the console was drawn for this file.',
    unknown: 'Put the hash of pg_shadow into password: it could not be read.',
    none: 'Has no password in PostgreSQL, so nobody can log in here under this name.',
    expired: 'The password has expired (VALID UNTIL).',
  },
  ru: {
    head: (target: Target) =>
      `Конфигурация pg_doorman для ${target.host}:${target.port}. Здесь хеши паролей: не показывайте файл посторонним.`,
    adminPassword: 'Пароль консоли администратора создан случайным для этого файла.',
    unknown: 'Впишите в password хеш из pg_shadow: прочитать его не удалось.',
    none: 'В PostgreSQL у него нет пароля, поэтому войти под этим именем здесь нельзя.',
    expired: 'Срок действия пароля истёк (VALID UNTIL).',
  },
} as const;

export function serverDraft(facts: ServerFacts, target: Target, options: DraftOptions): DraftAndWarnings {
  const words = WORDS[options.language];
  const databases = facts.databases.filter(({ name }) => !CONSOLES.includes(name));
  return {
    draft: {
      head: [words.head(target), words.adminPassword],
      general: generalValues(target),
      pools: databases.map((database) => poolDraft(database, facts, target, options)),
    },
    warnings: warningsOf(facts, target),
    isIncomplete: !facts.arePasswordsKnown,
  };
}

function generalValues(target: Target): Values {
  return {
    port: target.port === POOLER_PORT ? POOLER_PORT + 1 : POOLER_PORT,
    admin_password: drawnPassword(),
    ...(target.isSslModeAsked && target.sslMode !== 'disable' ? tlsValues(target) : {}),
  };
}

/** A password that nobody can guess. */
export function drawnPassword(): string {
  return randomBytes(ADMIN_PASSWORD_BYTES).toString('base64url');
}

function tlsValues({ sslMode, rootCertificate, certificate, privateKey }: Target): Values {
  return {
    server_tls_mode: sslMode,
    ...(rootCertificate === '' ? {} : { server_tls_ca_cert: rootCertificate }),
    ...(certificate === '' ? {} : { server_tls_certificate: certificate }),
    ...(privateKey === '' ? {} : { server_tls_private_key: privateKey }),
  };
}

function poolDraft(
  { name, users }: DatabaseFacts,
  { arePasswordsKnown }: ServerFacts,
  target: Target,
  { poolSize, isSessionMode, serverHost, language }: DraftOptions,
): PoolDraft {
  return {
    name,
    values: {
      server_host: serverHost ?? target.host,
      server_port: target.port,
      pool_mode: isSessionMode ? 'session' : 'transaction',
    },
    authQuery: null,
    users: users.map((user) => userDraft(user, poolSize, arePasswordsKnown, language)),
  };
}

function userDraft(
  { name, password, isExpired }: UserFacts,
  poolSize: number,
  isKnown: boolean,
  language: 'en' | 'ru',
): UserDraft {
  const words = WORDS[language];
  const notes = password === '' ? [isKnown ? words.none : words.unknown] : isExpired ? [words.expired] : [];
  return { values: { username: name, password, pool_size: poolSize }, notes };
}

function warningsOf({ databases, arePasswordsKnown }: ServerFacts, { user }: Target): string[] {
  const taken = databases.filter(({ name }) => CONSOLES.includes(name)).map(({ name }) => name);
  const nobody = databases.filter(({ users }) => users.length === 0).map(({ name }) => name);
  const users = new Map(databases.flatMap((each) => each.users.map((one) => [one.name, one])));
  const silent = [...users.values()].filter(({ password }) => password === '').map(({ name }) => name);
  const expired = [...users.values()].filter(({ isExpired }) => isExpired).map(({ name }) => name);
  const all = [
    { names: taken, what: 'left out: this name is the admin console' },
    { names: nobody, what: 'no user may connect to this database' },
    { names: expired, what: 'the password has expired (VALID UNTIL)' },
    ...(arePasswordsKnown
      ? [{ names: silent, what: 'no password in PostgreSQL, so nobody can log in under this name' }]
      : []),
  ];
  return [
    ...(arePasswordsKnown
      ? []
      : [
          `user ${user} may not read pg_shadow: the passwords in the file are empty, and nobody can log in until their hashes stand there. Run this as a superuser (--user), or use auth_query.`,
        ]),
    ...all.filter(({ names }) => names.length > 0).map(({ names, what }) => `${listed(names)}: ${what}`),
  ];
}

function listed(names: readonly string[]): string {
  const shown = names.toSorted().slice(0, LISTED_MAX).join(', ');
  return names.length > LISTED_MAX ? `${shown} and ${names.length - LISTED_MAX} more` : shown;
}
