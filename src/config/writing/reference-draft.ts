/** The draft of the reference configuration: one pool with one user, and everything else as it is by default. */
import { type Draft, examplesOf } from './annotated.js';

/** PostgreSQL has 5432 on most machines; 6432 is where poolers are looked for. */
export const POOLER_PORT = 6432;

const HEADS = {
  en: 'Reference configuration of pg_doorman: all settings, with their defaults or an example.',
  ru: 'Справочная конфигурация pg_doorman: все настройки со значениями по умолчанию или с примером.',
} as const;

export function referenceDraft(language: 'en' | 'ru'): Draft {
  return {
    head: [HEADS[language]],
    general: { port: POOLER_PORT },
    pools: [
      {
        name: 'exampledb',
        values: {},
        authQuery: null,
        users: [{ values: examplesOf('user'), notes: [] }],
      },
    ],
  };
}
