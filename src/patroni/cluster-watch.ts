/** What is known of one cluster: asks Patroni again and again, and when it is told to. A poll that fails changes
 *  nothing but the counts of failures. */
import { Addresses } from './addresses.js';
import type { ClusterSettings } from './load.js';
import { type Member, portRole } from './member.js';
import { PatroniApi } from './patroni-api.js';

export interface WatchEvents {
  /** A poll has brought an answer. Awaited, so that `update` returns when it is in force. */
  onMembers(watch: ClusterWatch): Promise<void>;
  log(level: 'warn' | 'info', text: string): void;
}

export class ClusterWatch {
  readonly name: string;
  readonly addresses = new Addresses();
  /** As of the last poll that succeeded; null before the first. */
  members: readonly Member[] | null = null;
  /** The API that told of them. */
  answeredBy = '';
  /** When they were told of, in `nowMs`'s milliseconds. */
  answeredMs = 0;
  polls = 0;
  pollFailures = 0;
  /** Why the last poll failed; empty when it did not. */
  failure = '';
  /** How often the leader has changed. */
  failovers = 0;
  private leader = '';
  private api: PatroniApi;
  private intervalMs: number;
  private readonly events: WatchEvents;
  private readonly nowMs: () => number;
  private isStopped = false;
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();
  private following: Promise<void> | null = null;

  constructor(
    cluster: ClusterSettings,
    intervalMs: number,
    events: WatchEvents,
    nowMs = () => performance.now(),
  ) {
    this.name = cluster.name;
    this.intervalMs = intervalMs;
    this.events = events;
    this.nowMs = nowMs;
    this.api = new PatroniApi(cluster, nowMs);
  }

  /** Other APIs to ask, or another interval. What is known stays. */
  change(cluster: ClusterSettings, intervalMs: number): void {
    this.api = new PatroniApi(cluster, this.nowMs);
    this.intervalMs = intervalMs;
  }

  /** Asks now; after the question that is under way, whose answer may be older. Returns when the answer is in force
   *  or the poll has failed. */
  update(): Promise<void> {
    this.following ??= this.running.then(() => {
      this.following = null;
      this.running = this.poll();
      return this.running;
    });
    return this.following;
  }

  stop(): void {
    this.isStopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private async poll(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    const begunMs = this.nowMs();
    this.polls++;
    try {
      const { members, host } = await this.api.ask();
      await this.addresses.refresh(members.map((member) => member.host));
      if (this.isStopped) return;
      this.succeeded(members, host);
      await this.events.onMembers(this);
    } catch (error) {
      if (this.isStopped) return;
      this.failed(error instanceof Error ? error.message : String(error));
    }
    const waitMs = Math.max(0, this.intervalMs - (this.nowMs() - begunMs));
    this.timer = setTimeout(() => void this.update(), waitMs);
  }

  private succeeded(members: readonly Member[], host: string): void {
    if (this.failure !== '') this.events.log('info', `${this.name}: Patroni answers again (${host})`);
    this.failure = '';
    this.members = members;
    this.answeredBy = host;
    this.answeredMs = this.nowMs();
    const leader = members.find((member) => portRole(member) === 'leader')?.name ?? '';
    if (leader === '' || leader === this.leader) return;
    if (this.leader !== '') {
      this.failovers++;
      this.events.log('info', `${this.name}: the leader is ${leader}, no longer ${this.leader}`);
    } else this.events.log('info', `${this.name}: the leader is ${leader}`);
    this.leader = leader;
  }

  private failed(why: string): void {
    this.pollFailures++;
    // Once, and again when the reason is another one.
    if (why !== this.failure) this.events.log('warn', `${this.name}: Patroni cannot be asked: ${why}`);
    this.failure = why;
  }
}
