/** What a worker does every second: sees how much it has to do, tells the others by its place on the board, and gives
 *  back what is not needed any more. */
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { Counter } from './counters.js';
import type { DataPlane } from './data-plane.js';

const SECOND_MS = 1000;
/** So many clients at a time leave enough behind to be worth a collection, once no more than a few come in a second: it
 *  also has V8 compile anew what was made for objects of which none was left. */
const MANY_CLIENTS = 1000;
const FEW_CLIENTS = 10;

export class Pulse implements TimerTarget {
  /** Called every second. */
  onSecond: () => void = () => undefined;
  /** Many clients have left and few are there: a good moment to give memory back. */
  onManyLeft: () => void = () => undefined;
  /** In this second. */
  clientsCome = 0;
  /** Most that a second has ended with since the last such moment. */
  private clientsMost = 0;
  private readonly plane: DataPlane;
  private readonly timer: Timer = new Timer(this);
  private assignmentsBefore = 0;
  private cpuBeforeMs = 0;
  private countedMs = 0;

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  begin(): void {
    const { reactor } = this.plane;
    this.cpuBeforeMs = reactor.cpuMs();
    this.countedMs = reactor.nowMs;
    reactor.setTimer(this.timer, SECOND_MS);
  }

  onTimer(): void {
    const { plane } = this;
    const { reactor, board } = plane;
    reactor.setTimer(this.timer, SECOND_MS);
    plane.workerLog.everySecond(reactor.nowMs);
    this.onSecond();
    let assignments = 0;
    for (const pool of plane.allPools()) {
      assignments += pool.counters.get(Counter.Assignments);
      pool.mayBeClosed();
    }
    board.setRate(Math.max(0, assignments - this.assignmentsBefore)); // a pool may have gone
    this.assignmentsBefore = assignments;
    const { nowMs } = reactor;
    const cpuMs = reactor.cpuMs();
    board.setBusy(Math.round(((cpuMs - this.cpuBeforeMs) * 1000) / Math.max(1, nowMs - this.countedMs)));
    this.cpuBeforeMs = cpuMs;
    this.countedMs = nowMs;
    plane.balance.everySecond(plane.allClients());
    const isQuiet = this.clientsCome <= FEW_CLIENTS;
    this.clientsCome = 0;
    this.clientsMost = Math.max(this.clientsMost, plane.clientCount);
    if (!isQuiet || this.clientsMost < MANY_CLIENTS || this.clientsMost < 4 * plane.clientCount) return;
    this.clientsMost = plane.clientCount;
    this.onManyLeft();
  }
}
