/** The whole file: what `general`, `pools`, `prometheus` and `include` make together. */
import { z } from 'zod';
import { ALTHOUGH_WRONG } from './fields.js';
import { type GeneralSettings, general, prometheus } from './general.js';
import { pool } from './pool.js';
import { tlsContradictions } from './tls.js';

export const include = z.strictObject({ files: z.array(z.string().min(1)).default([]) });

export const configurationSchema = z
  .strictObject({
    include: include.optional(),
    general: general.prefault({}),
    pools: z.record(z.string().min(1), pool).default({}),
    prometheus: prometheus.prefault({}),
  })
  .superRefine((value, context) => {
    const settings: Partial<GeneralSettings> = Object(value.general);
    const complain = (field: string, message: string): void => {
      context.addIssue({ code: 'custom', path: ['general', field], message });
    };
    const { hba, pg_hba } = settings;
    if (Array.isArray(hba) && hba.length > 0 && pg_hba !== undefined) {
      complain('hba', 'and pg_hba exclude each other: keep pg_hba');
    }
    for (const { path, what } of tlsContradictions(settings, Object(value.pools))) {
      context.addIssue({ code: 'custom', path: [...path], message: what });
    }
  }, ALTHOUGH_WRONG);

export type Configuration = z.output<typeof configurationSchema>;
