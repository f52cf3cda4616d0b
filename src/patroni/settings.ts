/** The configuration file of patroni_proxy: what may stand in it. 3.3.1 documentation, "Patroni Proxy". */
import { z } from 'zod';
import { nearest } from '../config/complaints.js';
import { ALTHOUGH_WRONG, docs, duration, integer, port, word } from '../config/settings/fields.js';
import { parseDuration } from '../config/units.js';
import { type ListenAddress, listenText, parseListenAddress } from './listen-address.js';

const ROLES = ['leader', 'sync', 'async', 'any'] as const;
export type PortRole = (typeof ROLES)[number];

const INTERVAL_MIN_MS = 100;
const HOUR_MS = 3_600_000;

/** Milliseconds; a plain number in the file is seconds. */
const interval = z.union([z.number(), z.string()]).transform((value, context) => {
  const hasUnit = typeof value === 'string' && /[a-z]/i.test(value);
  const milliseconds = parseDuration(typeof value === 'number' || !hasUnit ? `${value}s` : value);
  if (milliseconds === null) {
    context.addIssue('is no interval; seconds as a number, or a number with ms, s or m: "500ms"');
    return z.NEVER;
  }
  if (milliseconds < INTERVAL_MIN_MS || milliseconds > HOUR_MS) {
    context.addIssue('must be between 0.1 s and 1 h');
    return z.NEVER;
  }
  return milliseconds;
});

const listenAddress = z.string().transform((text, context): ListenAddress => {
  const address = parseListenAddress(text);
  if (address !== null) return address;
  context.addIssue('is no address to listen on; an IP address and a port: "0.0.0.0:6432", "[::]:6432"');
  return z.NEVER;
});

/** A wrong address is not repeated: there may be a password in it. */
const patroniUrl = z.string().superRefine((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (isHttp && url?.search === '' && url.hash === '') return;
  context.addIssue('is no address of a Patroni API; as "http://192.168.1.1:8008" or with https');
});

const role = z.string().superRefine((text, context) => {
  if (ROLES.some((each) => each === text)) return;
  const meant = nearest(text, ROLES);
  context.addIssue(
    `${JSON.stringify(text)} is no role: leader, sync, async or any${meant === '' ? '' : `; did you mean ${meant}?`}`,
  );
});

const portSection = z.strictObject({
  listen: listenAddress.register(docs, {
    en: 'Address and port that clients connect to.',
    reload: 'at once',
  }),
  roles: listOf(role, 'role')
    .transform((names) => ROLES.filter((each) => names.includes(each)))
    .register(docs, { en: 'The roles whose members get the clients.', reload: 'at once' }),
  host_port: port.register(docs, {
    en: 'Port of PostgreSQL, or of the pooler before it, on every member.',
    reload: 'at once',
  }),
  max_lag_in_bytes: integer(0, Number.MAX_SAFE_INTEGER).optional().register(docs, {
    en: 'A replica further behind gets no clients and loses those that it has. Absent: no limit.',
    reload: 'at once',
  }),
});

const tls = z
  .strictObject({
    ca_cert: word.optional().register(docs, {
      en: 'File with the CA that the Patroni APIs are checked with.',
      reload: 'at once',
    }),
    client_cert: word.optional().register(docs, {
      en: 'File with the certificate that is shown to the Patroni APIs.',
      reload: 'at once',
    }),
    client_key: word.optional().register(docs, { en: 'File with its private key.', reload: 'at once' }),
    skip_verify: z.boolean().default(false).register(docs, {
      en: 'Believe a Patroni API whatever certificate it shows.',
      reload: 'at once',
    }),
  })
  .superRefine(({ client_cert, client_key }, context) => {
    if (client_cert === undefined && client_key !== undefined) {
      context.addIssue({ code: 'custom', path: ['client_cert'], message: 'is missing beside client_key' });
    }
    if (client_key === undefined && client_cert !== undefined) {
      context.addIssue({ code: 'custom', path: ['client_key'], message: 'is missing beside client_cert' });
    }
  }, ALTHOUGH_WRONG);

const cluster = z.strictObject({
  hosts: listOf(patroniUrl, 'Patroni API').register(docs, {
    en: 'Addresses of the Patroni APIs; the first that answers is believed.',
    reload: 'at once',
  }),
  tls: tls.optional(),
  ports: tableOf(portSection, 'port'),
});

export const proxyFileSchema = z
  .strictObject({
    cluster_update_interval: interval.default(3000).register(docs, {
      en: 'Seconds between two questions to Patroni.',
      reload: 'at once',
    }),
    listen_address: listenAddress.default({ host: '127.0.0.1', port: 8009 }).register(docs, {
      en: 'Address and port of the HTTP API.',
      reload: 'at once',
    }),
    connect_timeout: duration({ min: 10, max: HOUR_MS }).default(3000).register(docs, {
      en: 'How long a member has to take a connection, then the next one is tried.',
      reload: 'new connections',
    }),
    shutdown_timeout: duration({ max: HOUR_MS }).default(10_000).register(docs, {
      en: 'How long SIGTERM lets connections go on before they are closed.',
      reload: 'at once',
    }),
    io_backend: z.enum(['auto', 'io_uring', 'epoll']).default('auto').register(docs, {
      en: 'How the kernel is asked for I/O. auto: io_uring where it is allowed, else epoll.',
      reload: 'restart',
    }),
    clusters: tableOf(cluster, 'cluster'),
  })
  .superRefine(({ clusters }, context) => {
    const seen = new Map<string, string>();
    for (const [clusterName, section] of Object.entries(Object(clusters))) {
      for (const [name, each] of Object.entries(Object(Object(section).ports))) {
        const { listen }: { listen?: ListenAddress } = Object(each);
        if (listen === undefined || listen.port === 0) continue;
        const first = seen.get(listenText(listen));
        seen.set(listenText(listen), first ?? `clusters.${clusterName}.ports.${name}`);
        if (first === undefined) continue;
        const path = ['clusters', clusterName, 'ports', name, 'listen'];
        context.addIssue({ code: 'custom', path, message: `is the address of ${first} as well` });
      }
    }
  }, ALTHOUGH_WRONG);

export type ProxyFile = z.output<typeof proxyFileSchema>;

function listOf<Element extends z.ZodType>(element: Element, what: string) {
  return z.array(element).superRefine((list, context) => {
    if (list.length === 0) context.addIssue(`names no ${what}`);
  });
}

function tableOf<Section extends z.ZodType>(section: Section, what: string) {
  return z.record(z.string().min(1), section).superRefine((table, context) => {
    if (Object.keys(table).length === 0) context.addIssue(`names no ${what}`);
  });
}
