/** A large answer costs less in a few receives than in many: a socket whose large buffer was not half filled is left alone
 *  for a moment, in which the peer sends a good part of what fills one. */
import type { KernelSocket } from './kernel-socket.js';

const LARGE_PAUSE_MS = 0.08;

export class LargePause {
  private readonly sockets: KernelSocket[] = [];
  private readonly sessionFailed: (socket: KernelSocket, error: unknown) => void;
  private dueMs = 0;

  constructor(sessionFailed: (socket: KernelSocket, error: unknown) => void) {
    this.sessionFailed = sessionFailed;
  }

  begin(socket: KernelSocket, nowMs: number): void {
    if (this.isEmpty) this.dueMs = nowMs + LARGE_PAUSE_MS;
    this.sockets.push(socket);
  }

  get isEmpty(): boolean {
    return this.sockets.length === 0;
  }

  /** How long a wait for events may take that was to take so long. Milliseconds. */
  limit(timeoutMs: number): number {
    return this.isEmpty ? timeoutMs : Math.min(timeoutMs, LARGE_PAUSE_MS);
  }

  /** Has everybody receive when the moment is over by now. */
  end(nowMs: number): void {
    if (nowMs < this.dueMs) return;
    for (let left = this.sockets.length; left > 0; left--) {
      const socket = this.sockets.shift();
      try {
        socket?.receiveAfterPause();
      } catch (error) {
        if (socket !== undefined) this.sessionFailed(socket, error);
      }
    }
  }
}
