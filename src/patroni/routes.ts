/** From what Patroni says to what the worker is to do: which members serve which port now, and why not the others. */
import type { ClusterWatch } from './cluster-watch.js';
import type { ClusterSettings, PortSettings } from './load.js';
import { type Exclusion, exclusionOf, type Member } from './member.js';
import type { Route } from './relay/thread-messages.js';

export interface Verdict {
  readonly member: Member;
  /** The IP address; empty when the member is excluded. */
  readonly address: string;
  /** null: it gets clients. */
  readonly exclusion: Exclusion | null;
}

/** What becomes of every member at a port. Nothing is known before the first answer. */
export function verdictsOf(port: PortSettings, watch: ClusterWatch): Verdict[] {
  return (watch.members ?? []).map((member) => {
    const exclusion = exclusionOf(member, port);
    const address = exclusion === null ? watch.addresses.of(member.host) : '';
    return address === null ? { member, address: '', exclusion: 'host' } : { member, address, exclusion };
  });
}

/** The cluster's ports as the worker is to have them. */
export function routesOf(cluster: ClusterSettings, watch: ClusterWatch): Route[] {
  return cluster.ports.map((port) => ({
    cluster: cluster.name,
    port: port.name,
    listen: port.listen,
    backends: verdictsOf(port, watch)
      .filter(({ exclusion }) => exclusion === null)
      .map(({ member, address }) => ({ name: member.name, host: member.host, port: port.hostPort, address })),
  }));
}

/** For the log: who serves a port, and why the others do not. */
export function routeText(port: PortSettings, watch: ClusterWatch): string {
  const verdicts = verdictsOf(port, watch);
  const serving = verdicts.filter(({ exclusion }) => exclusion === null).map(({ member }) => member.name);
  const others = verdicts
    .filter(({ exclusion }) => exclusion !== null && exclusion !== 'role')
    .map(({ member, exclusion }) => `${member.name} (${exclusionText(member, exclusion)})`);
  const who = serving.length === 0 ? 'nobody' : serving.join(', ');
  return `${watch.name}/${port.name}: served by ${who}${others.length === 0 ? '' : `, not by ${others.join(', ')}`}`;
}

function exclusionText({ state, lag, host }: Member, exclusion: Exclusion | null): string {
  switch (exclusion) {
    case 'state':
      return `its state is ${state === '' ? 'unknown' : state}`;
    case 'lag':
      return lag === null ? 'its lag is unknown' : `${lag} bytes behind`;
    case 'host':
      return host === '' ? 'its host is unknown' : `nobody knows the host ${host}`;
    default:
      return String(exclusion);
  }
}
