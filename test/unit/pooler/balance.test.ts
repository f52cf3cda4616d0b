/** Which clients move to which worker, as the seconds go by. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Balance, type MovableClient } from '../../../src/pooler/balance.js';
import { NO_WORKER, WorkerBoard, workerBoardBytes } from '../../../src/pooler/worker-board.js';

class Client implements MovableClient {
  at = NO_WORKER;
  mayMove = true;
  readonly requestsASecond: number;
  readonly statementCount: number;

  constructor(requestsASecond: number, statementCount = 0) {
    this.requestsASecond = requestsASecond;
    this.statementCount = statementCount;
  }

  noteRequests(): void {
    // they are always the same
  }

  moveTo(worker: number): void {
    this.at = worker;
  }
}

/** Workers with so many clients each, that are so busy (permille). */
function workers(fillPercent: number, clients: readonly number[], busy: readonly number[]) {
  const memory = new SharedArrayBuffer(workerBoardBytes(clients.length));
  const boards = clients.map((_, self) => new WorkerBoard(memory, self, fillPercent));
  const balances = boards.map((board, index) => {
    board.setAlive(index, true);
    for (let i = 0; i < (clients[index] ?? 0); i++) board.clientComes(index);
    return new Balance({ board, start: { index }, peers: { has: (other) => other !== NO_WORKER } });
  });
  const second = (loads = busy): void => {
    for (const [index, board] of boards.entries()) board.setBusy(loads[index] ?? 0);
    for (const each of balances) each.everySecond([]);
  };
  /** Where a client of each worker goes that has finished a transaction. */
  const moves = (): number[] =>
    balances.map((balance) => {
      const client = new Client(1);
      if (balance.isWanted) balance.consider(client);
      return client.at;
    });
  return { boards, balances, second, moves };
}

function seconds(count: number, second: () => void): void {
  for (let i = 0; i < count; i++) second();
}

const NOBODY = [NO_WORKER, NO_WORKER, NO_WORKER];

test('clients gather where most are when one worker would have it easy with all, and has for some seconds', () => {
  const { second, moves } = workers(50, [10, 30, 20], [200, 200, 250]);
  seconds(5, second);
  assert.deepEqual(moves(), NOBODY);
  second();
  assert.deepEqual(moves(), [1, NO_WORKER, 1]);
});

test('as many gather as one worker has it easy with, the smallest first', () => {
  const { second, moves } = workers(50, [10, 30, 20], [250, 300, 250]);
  seconds(6, second);
  assert.deepEqual(moves(), [1, NO_WORKER, NO_WORKER]);
});

test('when the one with most clients is too busy, the next one takes those of others', () => {
  const { second, moves } = workers(50, [10, 30, 20], [250, 500, 250]);
  seconds(6, second);
  assert.deepEqual(moves(), [2, NO_WORKER, NO_WORKER]);
});

test('a second that was not easy begins the count anew', () => {
  const { second, moves } = workers(50, [10, 30, 20], [100, 100, 100]);
  seconds(5, second);
  second([100, 690, 690]);
  seconds(5, second);
  assert.deepEqual(moves(), NOBODY);
  second();
  assert.deepEqual(moves(), [1, NO_WORKER, 1]);
});

test('with worker_fill_percent 0 nobody gathers', () => {
  const { second, moves } = workers(0, [10, 30, 20], [0, 0, 0]);
  seconds(20, second);
  assert.deepEqual(moves(), NOBODY);
});

test('who gathers does not come to a worker that would send clients away', () => {
  const { second, moves } = workers(100, [10, 30, 20], [0, 400, 350]);
  seconds(20, second);
  assert.deepEqual(moves(), [1, NO_WORKER, NO_WORKER]);
});

test('a client in a transaction, or with very many statements, stays', () => {
  const { second, balances } = workers(50, [1, 2], [10, 10]);
  seconds(6, second);
  const [balance] = balances;
  assert.ok(balance?.isWanted);
  const [busy, heavy, idle] = [new Client(1), new Client(1, 1001), new Client(0, 1000)];
  busy.mayMove = false;
  for (const each of [busy, heavy, idle]) balance.consider(each);
  assert.deepEqual([busy.at, heavy.at, idle.at], [NO_WORKER, NO_WORKER, 1]);
});

test('a worker that has too much to do gives about half of what it has more, once it knows whose that is', () => {
  const { boards, balances, second, moves } = workers(50, [10, 10, 10], [900, 300, 500]);
  boards[0]?.setRate(900);
  second();
  assert.deepEqual(moves(), NOBODY);
  second();
  const [balance] = balances;
  assert.ok(balance?.isWanted);
  // 900 × (900 − 300) ÷ (2 × 900) requests a second
  const clients = Array.from({ length: 10 }, () => new Client(100));
  for (const each of clients) if (balance.isWanted) balance.consider(each);
  assert.equal(clients.filter(({ at }) => at === 1).length, 3);
  const [silent, tooMuch] = [new Client(0), new Client(500)];
  second();
  for (const each of [silent, tooMuch]) balance.consider(each);
  assert.deepEqual([silent.at, tooMuch.at], [NO_WORKER, NO_WORKER]);
});

test('a worker that is busy stays as it is when no other is clearly less so', () => {
  const { second, moves } = workers(50, [10, 10, 10], [1000, 760, 900]);
  seconds(20, second);
  assert.deepEqual(moves(), NOBODY);
});
