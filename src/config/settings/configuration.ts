/** The whole file: what `general`, `pools`, `prometheus` and `include` make together. */
import { z } from 'zod';
import { general, prometheus } from './general.js';
import { pool } from './pool.js';

export const include = z.strictObject({ files: z.array(z.string().min(1)).default([]) });

export const configurationSchema = z
  .strictObject({
    include: include.optional(),
    general: general.prefault({}),
    pools: z.record(z.string().min(1), pool).default({}),
    prometheus: prometheus.prefault({}),
  })
  .superRefine(({ general: settings }, context) => {
    const complain = (field: string, message: string): void => {
      context.addIssue({ code: 'custom', path: ['general', field], message });
    };
    if (settings.hba.length > 0 && settings.pg_hba !== undefined) {
      complain('hba', 'and pg_hba exclude each other: keep pg_hba');
    }
    if ((settings.tls_certificate === undefined) !== (settings.tls_private_key === undefined)) {
      complain('tls_certificate', 'and tls_private_key go together');
    }
    if (settings.tls_mode === 'verify-full' && settings.tls_ca_cert === undefined) {
      complain('tls_mode', 'verify-full needs tls_ca_cert');
    }
    const needsCertificate = settings.tls_mode === 'require' || settings.tls_mode === 'verify-full';
    if (needsCertificate && settings.tls_certificate === undefined) {
      complain('tls_mode', `${settings.tls_mode} needs tls_certificate and tls_private_key`);
    }
  });

export type Configuration = z.output<typeof configurationSchema>;
