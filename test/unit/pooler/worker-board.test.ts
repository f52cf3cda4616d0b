/** Who gets the next client, and what is counted for the whole process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerBoard, workerBoardBytes } from '../../../src/pooler/worker-board.js';

function boardsOf(workers: number, fillPercent: number): WorkerBoard[] {
  const memory = new SharedArrayBuffer(workerBoardBytes(workers));
  const boards = Array.from({ length: workers }, (_, self) => new WorkerBoard(memory, self, fillPercent));
  for (const [worker, board] of boards.entries()) board.setAlive(worker, true);
  return boards;
}

/** So many clients come to the first worker; how many each of them gets. */
function spread(boards: WorkerBoard[], clients: number): number[] {
  const [door] = boards;
  assert.ok(door);
  for (let i = 0; i < clients; i++) door.clientComes(door.nextServing);
  return boards.map((_, worker) => door.clientsOf(worker));
}

test('without filling, clients are spread evenly', () => {
  assert.deepEqual(spread(boardsOf(4, 0), 10), [3, 3, 2, 2]);
});

test('one worker gets the clients while it has it easy, and then the next', () => {
  const boards = boardsOf(3, 50);
  assert.deepEqual(spread(boards, 40), [40, 0, 0]);
  boards[0]?.setBusy(600);
  assert.deepEqual(spread(boards, 10), [40, 10, 0]);
  boards[1]?.setBusy(100);
  boards[2]?.setBusy(300); // has fewer
  assert.deepEqual(spread(boards, 5), [40, 15, 0]);
});

test('a storm of clients fills one after another before anybody knows how busy they will be', () => {
  const [first, second, third] = spread(boardsOf(3, 50), 1200);
  assert.deepEqual([first, second, third], [500, 500, 200]);
});

test('when nobody has it easy, the one with least to do is next', () => {
  const boards = boardsOf(3, 50);
  for (const [worker, permille] of [900, 700, 800].entries()) boards[worker]?.setBusy(permille);
  assert.deepEqual(spread(boards, 1), [0, 1, 0]);
});

test('a worker that is away gets nobody', () => {
  const boards = boardsOf(3, 0);
  boards[0]?.setAlive(1, false);
  assert.deepEqual(spread(boards, 4), [2, 0, 2]);
});

test('those who are sent on count where they go for who is next', () => {
  const [door, other] = boardsOf(2, 0);
  assert.ok(door && other);
  door.clientComesFor(1);
  door.clientComesFor(1);
  assert.equal(door.nextServing, 0);
  door.clientComes(0);
  assert.deepEqual([door.clientsOf(0), door.clientsOf(1)], [1, 2]);
});

test('clients are counted where they are, whichever way they take', () => {
  const [one, other] = boardsOf(2, 0);
  assert.ok(one && other);
  const counted = (): number[] => [one.clients, one.clientsOf(0), one.clientsOf(1)];
  one.clientComes(0);
  one.clientIsToMove(1);
  assert.deepEqual(counted(), [1, 0, 1]);
  one.clientStays(1);
  assert.deepEqual(counted(), [1, 1, 0]);
  one.clientIsToMove(1);
  one.clientMoves(1);
  assert.deepEqual(counted(), [1, 0, 1]);
  other.clientLeaves();
  assert.deepEqual(counted(), [0, 0, 0]);
});

test('a worker dies with clients that were to move: they are counted nowhere', () => {
  const [one, other] = boardsOf(2, 0);
  assert.ok(one && other);
  one.clientComes(0);
  one.clientIsToMove(1);
  one.clientComesFor(1);
  one.forget(0);
  assert.deepEqual([one.clients, one.clientsOf(0), one.clientsOf(1)], [0, 0, 0]);
});

test('a client was to move to a worker that died and is there again: it stays, and that one’s own too', () => {
  const [one, other] = boardsOf(2, 0);
  assert.ok(one && other);
  one.clientComes(0);
  one.clientIsToMove(1);
  one.forget(1);
  one.clientComes(1);
  one.clientStays(1);
  assert.deepEqual([one.clients, one.clientsOf(0), one.clientsOf(1)], [2, 1, 1]);
});

test('what messages may take together is one limit for all workers', () => {
  const [one, other] = boardsOf(2, 0);
  assert.ok(one && other);
  assert.ok(one.takeMemory(60, 100));
  assert.equal(other.takeMemory(60, 100), false);
  assert.ok(other.takeMemory(40, 100));
  one.forget(0);
  assert.ok(other.takeMemory(60, 100));
});

test('numbers of clients are the process’s, and never 0', () => {
  const [one, other] = boardsOf(2, 0);
  assert.ok(one && other);
  assert.deepEqual([one.nextClientId(), other.nextClientId(), one.nextServerId()], [1, 2, 1]);
});
