/** The order in which a worker reads its mail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mail, type Mailbox } from '../../../src/pooler/mail.js';
import type { ToPeer } from '../../../src/pooler/peers.js';
import type { ToWorker } from '../../../src/pooler/thread-messages.js';

function box<Message>(...messages: Message[]): Mailbox<Message> {
  return { take: () => messages.shift() ?? null };
}

/** What a worker is told, in order. */
function read(control: Mailbox<ToWorker>, peers: readonly (readonly [number, Mailbox<ToPeer>])[]): string[] {
  const told: string[] = [];
  const mail = new Mail(
    {
      onMessage: ({ type }) => told.push(`control: ${type}`),
      onPeerMessage: (from, { type }) => told.push(`${from}: ${type}`),
    },
    control,
  );
  for (const [worker, from] of peers) mail.comesFrom(worker, from);
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
