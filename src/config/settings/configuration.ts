/** The whole file: what `general`, `pools`, `prometheus` and `include` make together. */
import { z } from 'zod';
import { ALTHOUGH_WRONG } from './fields.js';
import { type GeneralSettings, general, prometheus } from './general.js';
import { pool } from './pool.js';

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
    const { hba, pg_hba, tls_mode, tls_ca_cert, tls_certificate, tls_private_key } = settings;
    if (Array.isArray(hba) && hba.length > 0 && pg_hba !== undefined) {
      complain('hba', 'and pg_hba exclude each other: keep pg_hba');
    }
    if (tls_certificate === undefined && tls_private_key !== undefined) {
      complain('tls_certificate', 'is missing beside tls_private_key');
    }
    if (tls_private_key === undefined && tls_certificate !== undefined) {
      complain('tls_private_key', 'is missing beside tls_certificate');
    }
    if (tls_mode === 'verify-full' && tls_ca_cert === undefined) complain('tls_mode', 'needs tls_ca_cert');
    const needsCertificate = tls_mode === 'require' || tls_mode === 'verify-full';
    if (needsCertificate && tls_certificate === undefined && tls_private_key === undefined) {
      complain('tls_mode', 'needs tls_certificate and tls_private_key');
    }
  }, ALTHOUGH_WRONG);

export type Configuration = z.output<typeof configurationSchema>;
