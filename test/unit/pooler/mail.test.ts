/** The order in which a worker reads its mail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientRecord } from '../../../src/pooler/hand-over.js';
import { Mail, type Mailbox } from '../../../src/pooler/mail.js';
import type { ToPeer } from '../../../src/pooler/peers.js';
import { PoolMode } from '../../../src/pooler/settings.js';
import type { ToWorker } from '../../../src/pooler/thread-messages.js';

function box<Message>(...messages: Message[]): Mailbox<Message> {
  return { take: () => messages.shift() ?? null };
}

/** A worker's mail, and what it is told of it, in order. */
function mailOf(
  control: Mailbox<ToWorker>,
  peers: readonly (readonly [number, Mailbox<ToPeer>])[],
): { mail: Mail; told: string[] } {
  const told: string[] = [];
  const mail = new Mail(
    {
      onMessage: ({ type }) => told.push(`control: ${type}`),
      onPeerMessage: (from, { type }) => told.push(`${from}: ${type}`),
    },
    control,
  );
  for (const [worker, from] of peers) mail.comesFrom(worker, from);
  return { mail, told };
}

function read(...parts: Parameters<typeof mailOf>): string[] {
  const { mail, told } = mailOf(...parts);
  mail.read(() => told.push('meets'));
  return told;
}

const LOOK: ToPeer = { type: 'look', pool: 0 };

test('the control plane comes first, then each of the others', () => {
  assert.deepEqual(
    read(box<ToWorker>({ type: 'fill', pool: 0 }), [
      [1, box(LOOK)],
      [2, box(LOOK)],
    ]),
    ['control: fill', '1: look', '2: look'],
  );
});

test('what a worker had sent before it died is taken before it is forgotten: connections may be among it', () => {
  const died: ToWorker = { type: 'peerDied', worker: 1 };
  assert.deepEqual(read(box(died), [[1, box(LOOK, LOOK)]]), ['1: look', '1: look', 'control: peerDied']);
});

test('a dying worker takes the clients that it has been sent, and nothing else', () => {
  const client: ClientRecord = {
    pool: 0,
    database: 'postgres',
    user: 'postgres',
    applicationName: '',
    address: '127.0.0.1:1',
    seed: { id: 1, random: 1, isLong: false },
    mode: PoolMode.Transaction,
    connectedMs: 0,
    queries: 0,
    transactions: 0,
    errors: 0,
    statements: [],
    parameters: null,
  };
  const detached = { fd: 1, ssl: 0 };
  const { mail, told } = mailOf(
    box<ToWorker>(
      { type: 'predecessorEnded' },
      {
        type: 'clientArrives',
        detached,
        client: { ...client, beginIsDeferred: false, unread: new Uint8Array() },
      },
    ),
    [[1, box<ToPeer>(LOOK, { type: 'client', detached, record: client }, LOOK)]],
  );
  mail.readClients();
  assert.deepEqual(told, ['control: clientArrives', '1: client']);
});
