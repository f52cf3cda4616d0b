/** `GET /clusters`: everything that is known, as JSON for people and scripts. Names of fields are those of the
 *  configuration file and of Patroni where they have one. */
import type { ClusterWatch } from './cluster-watch.js';
import { listenText } from './listen-address.js';
import type { ClusterSettings, PortSettings } from './load.js';
import type { PortSnapshot } from './relay/thread-messages.js';
import { verdictsOf } from './routes.js';

/** The page. */
export function clusterReport(
  clusters: readonly ClusterSettings[],
  watches: ReadonlyMap<string, ClusterWatch>,
  snapshots: readonly PortSnapshot[],
  nowMs: number,
): string {
  const reports = clusters.map((cluster) => {
    const watch = watches.get(cluster.name);
    if (watch === undefined) return [cluster.name, {}];
    const ports = cluster.ports.map((port) => {
      const snapshot = snapshots.find((each) => each.cluster === cluster.name && each.port === port.name);
      return [port.name, portReport(port, watch, snapshot)];
    });
    const report = {
      updated_seconds_ago: watch.members === null ? null : Math.round(nowMs - watch.answeredMs) / 1000,
      updated_from: watch.answeredBy,
      failure: watch.failure,
      failovers: watch.failovers,
      members: (watch.members ?? []).map(({ name, role, state, host, lag, noLoadBalance }) => ({
        name,
        role,
        state,
        host,
        lag,
        noloadbalance: noLoadBalance,
      })),
      ports: Object.fromEntries(ports),
    };
    return [cluster.name, report];
  });
  return `${JSON.stringify(Object.fromEntries(reports), null, 2)}\n`;
}

function portReport(port: PortSettings, watch: ClusterWatch, snapshot: PortSnapshot | undefined): object {
  const connectionsOf = (name: string): number =>
    snapshot?.backends.find((backend) => backend.name === name)?.connections ?? 0;
  return {
    listen: listenText({ host: port.listen.host, port: snapshot?.listenPort ?? port.listen.port }),
    roles: port.roles,
    host_port: port.hostPort,
    max_lag_in_bytes: port.maxLag,
    backends: verdictsOf(port, watch).map(({ member, exclusion }) => ({
      name: member.name,
      connections: connectionsOf(member.name),
      excluded_by: exclusion,
    })),
  };
}
