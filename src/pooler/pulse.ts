/** What a worker does every second: sees how much it has to do, tells the others by its place on the board, and gives
 *  back what is not needed any more. */
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { Counter } from './counters.js';
import type { DataPlane } from './data-plane.js';
import { Exodus } from './exodus.js';

const SECOND_MS = 1000;

export class Pulse implements TimerTarget {
  /** Called every second. */
  onSecond: () => void = () => undefined;
  /** Many clients have left and few are there: a good moment to give memory back. */
  onManyLeft: () => void = () => undefined;
  readonly exodus = new Exodus();
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
    if (this.exodus.isOver(plane.clientCount)) this.onManyLeft();
  }
}
