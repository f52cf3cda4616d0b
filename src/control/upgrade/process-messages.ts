/** All that the old process and the new one say to each other: JSON on Node.js's channel between parent and child, so that
 *  programs of different versions understand each other. Descriptors come on a pipe of their own, each before the message
 *  that tells of it. */
import { z } from 'zod';
import { PoolMode } from '../../pooler/settings.js';

/** Changed when a program that knows only the older messages could not take the place of one that sends the newer. */
export const PROTOCOL = 1;

const isBytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const bytes = z.codec(z.string(), isBytes, {
  decode: (text) => Buffer.from(text, 'base64'),
  encode: (value) => Buffer.from(value).toString('base64'),
});
const address = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tcp'), host: z.string(), port: z.int() }),
  z.object({ kind: z.literal('unix'), path: z.string() }),
]);
const cancelKey = z.object({ processId: z.int(), secret: bytes });
const serverCounts = z.array(z.object({ database: z.string(), user: z.string(), servers: z.int() }));

const begin = z.object({
  type: z.literal('begin'),
  protocol: z.literal(PROTOCOL),
  listening: z.object({ port: z.int(), address }),
  statementKey: bytes,
  cancelSigningKey: bytes,
  ticketKeys: bytes,
  lastIds: z.tuple([z.int(), z.int()]).readonly(),
});

const travellingClient = z.object({
  database: z.string(),
  user: z.string(),
  seed: z.object({ id: z.int(), random: z.int(), isLong: z.boolean() }),
  applicationName: z.string(),
  address: z.string(),
  mode: z.literal([PoolMode.Transaction, PoolMode.Session]),
  connectedMs: z.number(),
  queries: z.number(),
  transactions: z.number(),
  errors: z.number(),
  statements: z.array(z.object({ name: bytes, content: bytes })).readonly(),
  parameters: z.array(z.string().nullable()).readonly().nullable(),
  beginIsDeferred: z.boolean(),
  unread: bytes,
});

const provenLogin = z.object({
  user: z.string(),
  database: z.string(),
  applicationName: z.string(),
  minorVersion: z.int(),
  others: z.array(z.tuple([z.string(), z.string()]).readonly()).readonly(),
  method: z.literal(['talos', 'pam', 'jwt']).nullable(),
  rule: z.string(),
});

const toSuccessor = z.discriminatedUnion('type', [
  begin,
  z.object({
    type: z.literal('poolFacts'),
    facts: z.object({
      database: z.string(),
      user: z.string(),
      /** One that does not tell it does not tell what its parameters are of: they are found out anew. */
      origin: z.string().default(''),
      parameters: z.array(z.tuple([z.string(), z.string()]).readonly()).readonly(),
      clientKey: bytes.nullable(),
    }),
  }),
  /** Clients are yours from now on; the servers that are still the old process's count in their pools. */
  z.object({
    type: z.literal('accept'),
    counts: serverCounts,
    paused: z.array(z.string().nullable()).readonly().default([]), // an older program says nothing of it
  }),
  z.object({ type: z.literal('servers'), counts: serverCounts }),
  z.object({ type: z.literal('client'), number: z.int(), client: travellingClient }),
  z.object({
    type: z.literal('login'),
    number: z.int(),
    unread: bytes,
    proven: provenLogin.nullable().default(null), // an older program sends only those that have said nothing yet
  }),
  z.object({ type: z.literal('cancelEnded'), request: z.int() }),
]);

const toPredecessor = z.discriminatedUnion('type', [
  /** It could serve. */
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('taken'), number: z.int() }),
  /** Its descriptor did not come. */
  z.object({ type: z.literal('notTaken'), number: z.int() }),
  z.object({ type: z.literal('cancel'), request: z.int(), key: cancelKey }),
]);

export type Begin = z.output<typeof begin>;
export type ToSuccessor = z.output<typeof toSuccessor>;
export type ToPredecessor = z.output<typeof toPredecessor>;
export type Accept = Pick<Extract<ToSuccessor, { type: 'accept' }>, 'counts' | 'paused'>;
/** What goes along with a descriptor. */
export type Travelling = Extract<ToSuccessor, { type: 'client' | 'login' }>;

export const ToSuccessor = codec(toSuccessor);
export const ToPredecessor = codec(toPredecessor);

/** There and back; null for what is no such message, since the other program may be of another version. */
function codec<Schema extends z.ZodType>(schema: Schema) {
  return {
    encode: (message: z.output<Schema>): object => z.encode(schema, message) as object,
    decode: (received: unknown): z.output<Schema> | null => z.safeParse(schema, received).data ?? null,
  };
}
