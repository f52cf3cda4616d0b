/** A PAM service: how many are asked at a time, who waits, and what becomes of those who get no answer. A stand-in for
 *  the program that asks PAM does what the password says. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PamUnavailable } from '../../../../src/control/authentication/pam-process.js';
import { type PamLimits, PamService } from '../../../../src/control/authentication/pam-service.js';
import type { PamAnswer } from '../../../../src/pam/libpam.js';
import { eventually } from '../../../faults/support/eventually.js';

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-pam-'));
after(() => rmSync(directory, { recursive: true }));
const PROGRAM = join(directory, 'stand-in.mjs');
writeFileSync(
  PROGRAM,
  `process.on('message', ({ password }) => {
    const [word, number] = Buffer.from(password).toString().split(' ');
    if (word === 'hang') for (;;);
    if (word === 'crash') process.kill(process.pid, 'SIGSEGV');
    else process.send({ isAccepted: word === 'right', why: String(process.pid), delayMs: Number(number ?? 0) });
  });
  process.on('disconnect', () => process.exit());`,
);
const LONG = 60_000;
const NEVER = new AbortController().signal;

function service(limits: Partial<PamLimits> = {}): PamService {
  const all = { processes: 1, queued: 10, waitMs: LONG, answerMs: LONG, idleMs: 10, ...limits };
  return new PamService('x', all, PROGRAM);
}

function ask(of: PamService, password: string, signal = NEVER): Promise<PamAnswer> {
  return of.check({ user: 'u', address: '', password: Buffer.from(password) }, signal);
}

function unavailable(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof PamUnavailable && message.test(error.message);
}

test('one process answers one question after the other', async () => {
  const one = service({ idleMs: LONG / 60 });
  const answers = await Promise.all(['right', 'wrong', 'right'].map((word) => ask(one, word)));
  assert.deepEqual(
    answers.map(({ isAccepted }) => isAccepted),
    [true, false, true],
  );
  assert.equal(new Set(answers.map(({ why }) => why)).size, 1);
});

test('so many processes answer at once', async () => {
  const three = service({ processes: 3 });
  const answers = await Promise.all(Array.from({ length: 9 }, () => ask(three, 'right')));
  assert.equal(new Set(answers.map(({ why }) => why)).size, 3);
});

test('an answer that takes too long is given up, and whoever waits has his turn', async () => {
  const one = service({ answerMs: 3000 });
  const hangs = ask(one, 'hang');
  const waits = ask(one, 'right');
  await assert.rejects(hangs, unavailable(/has not answered for 3000 ms/));
  assert.equal((await waits).isAccepted, true);
});

test('a module that crashes takes nobody else along', async () => {
  const one = service();
  const crash = ask(one, 'crash');
  const waits = ask(one, 'right');
  await assert.rejects(crash, unavailable(/ended with SIGSEGV/));
  assert.equal((await waits).isAccepted, true);
});

test('nobody waits for longer than the limit', async () => {
  const one = service({ waitMs: 50, answerMs: 2000 });
  const hangs = ask(one, 'hang');
  await assert.rejects(ask(one, 'right'), unavailable(/was busy with others for 50 ms/));
  await assert.rejects(hangs);
});

test('one more than may wait is refused at once', async () => {
  const one = service({ queued: 1, answerMs: 3000 });
  const hangs = ask(one, 'hang');
  const waits = ask(one, 'right');
  await assert.rejects(ask(one, 'right'), unavailable(/1 others are waiting/));
  await assert.rejects(hangs);
  assert.equal((await waits).isAccepted, true);
});

test('whoever goes leaves his place in the queue to others', async () => {
  const one = service({ queued: 1, answerMs: 3000 });
  const hangs = ask(one, 'hang');
  const goes = new AbortController();
  const gone = ask(one, 'right', goes.signal);
  goes.abort();
  await assert.rejects(gone, unavailable(/has gone/));
  const waits = ask(one, 'right');
  await assert.rejects(hangs);
  assert.equal((await waits).isAccepted, true);
});

test('a refusal that a module wants to be held back holds back nobody else', async () => {
  const one = service();
  const order: string[] = [];
  const note = (what: string) => () => order.push(what);
  await Promise.all([ask(one, 'wrong 1500').then(note('refused')), ask(one, 'right').then(note('accepted'))]);
  assert.deepEqual(order, ['accepted', 'refused']);
});

test('a process that nobody needs ends, and the next question gets another', async () => {
  const one = service({ idleMs: 10 });
  const { why: pid } = await ask(one, 'right');
  await eventually(
    'it has ended',
    LONG,
    () => isThere(Number(pid)),
    (found) => !found,
  );
  const { why: next } = await ask(one, 'right');
  assert.notEqual(next, pid);
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a program that cannot be started is told', async () => {
  const none = new PamService(
    'x',
    { processes: 1, queued: 1, waitMs: LONG, answerMs: LONG, idleMs: 1 },
    '/nonesuch',
  );
  await assert.rejects(ask(none, 'right'), unavailable(/ended with status 1/));
});
