/** How much memory the messages that clients are still sending may take together, in all workers: max_memory_usage. */
import type { WorkerBoard } from './worker-board.js';

const KILOBYTE = 1024;

export class MemoryBudget {
  private readonly board: WorkerBoard;
  private limitKb = 0;

  /** `limit` in bytes; it is kept to the kilobyte. */
  constructor(board: WorkerBoard, limit: number) {
    this.board = board;
    this.limit = limit;
  }

  /** Bytes. */
  set limit(limit: number) {
    this.limitKb = Math.floor(limit / KILOBYTE);
  }

  /** Takes so many bytes; false when there are not so many left. */
  take(bytes: number): boolean {
    return this.board.takeMemory(kilobytes(bytes), this.limitKb);
  }

  giveBack(bytes: number): void {
    this.board.giveMemoryBack(kilobytes(bytes));
  }

  /** Taken by this worker. Kilobytes. */
  get takenKb(): number {
    return this.board.memoryTakenKb;
  }
}

function kilobytes(bytes: number): number {
  return Math.ceil(bytes / KILOBYTE);
}
