/** The members of a cluster as Patroni's `GET /cluster` tells of them, and whether one may serve a port. */
import { z } from 'zod';
import type { PortSettings } from './load.js';
import type { PortRole } from './settings.js';

export interface Member {
  readonly name: string;
  /** As Patroni says it. */
  readonly role: string;
  readonly state: string;
  /** The host that PostgreSQL is reached at: an address or a name; empty while Patroni knows none. */
  readonly host: string;
  /** Bytes behind the leader; null when it is not known. */
  readonly lag: number | null;
  readonly noLoadBalance: boolean;
}

/** Why a member does not get a port's clients: a closed set, for the log, `GET /clusters` and metrics. */
export type Exclusion = 'role' | 'state' | 'noloadbalance' | 'lag' | 'host';

/** What was answered is no cluster. */
export class NotACluster extends Error {
  override readonly name = 'NotACluster';
}

const clusterAnswer = z.object({
  members: z.array(
    z.object({
      name: z.string(),
      role: z.string(),
      state: z.string().default(''),
      host: z.string().default(''),
      lag: z.union([z.number(), z.string()]).nullish(),
      tags: z.record(z.string(), z.unknown()).nullish(),
    }),
  ),
});

/** Reads the answer. Throws NotACluster, also for one without members: it is no reason to close anything. */
export function parseMembers(json: string): Member[] {
  const parsed = clusterAnswer.safeParse(asJson(json));
  if (!parsed.success) throw new NotACluster('its answer is not that of GET /cluster');
  if (parsed.data.members.length === 0) throw new NotACluster('it knows of no members');
  return parsed.data.members.map(({ lag, tags, ...member }) => ({
    ...member,
    lag: parseLag(lag),
    noLoadBalance: String(tags?.noloadbalance) === 'true',
  }));
}

const ROLE_OF: Readonly<Record<string, PortRole>> = {
  leader: 'leader',
  standby_leader: 'leader',
  sync_standby: 'sync',
  quorum_standby: 'sync',
  replica: 'async',
};
/** Newer Patroni says `streaming` of a healthy replica. */
const HEALTHY = ['running', 'streaming'];

/** The role by which ports ask for it; null for one that is nobody's. */
export function portRole({ role }: Member): PortRole | null {
  return ROLE_OF[role] ?? null;
}

/** Why the member may not get the port's clients; null when it may. */
export function exclusionOf(member: Member, { roles, maxLag }: PortSettings): Exclusion | null {
  const role = portRole(member);
  if (role === null || !(roles.includes(role) || roles.includes('any'))) return 'role';
  if (!HEALTHY.includes(member.state)) return 'state';
  if (member.noLoadBalance) return 'noloadbalance';
  if (member.host === '') return 'host';
  const isBehind = role !== 'leader' && maxLag !== null && (member.lag === null || member.lag > maxLag);
  return isBehind ? 'lag' : null;
}

function parseLag(lag: number | string | null | undefined): number | null {
  if (typeof lag === 'number') return lag;
  return typeof lag === 'string' && /^\d+$/.test(lag) ? Number(lag) : null;
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
