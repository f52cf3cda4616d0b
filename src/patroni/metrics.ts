/** `GET /metrics`: what the worker has counted and what is known of the clusters, in Prometheus's text format. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { ClusterWatch } from './cluster-watch.js';
import type { PortSnapshot } from './relay/thread-messages.js';

const PREFIX = 'patroni_proxy_';

/** The page. `version` is the program's. */
export function metricsText(
  ports: readonly PortSnapshot[],
  watches: readonly ClusterWatch[],
  nowMs: number,
  version: string,
): Promise<string> {
  // Everything is counted elsewhere: a registry for each page, filled once.
  const registers = [new Registry()];
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new Gauge({ name: `${PREFIX}${name}`, help, labelNames, registers });
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `${PREFIX}${name}_total`, help, labelNames, registers });
  const ofBackend = ['cluster', 'port', 'backend'];
  const ofPort = ['cluster', 'port'];

  gauge('build_info', 'Always 1; the version is a label.', ['version']).set({ version }, 1);
  const connections = gauge('connections', 'Connections now, those being opened included.', ofBackend);
  const opened = counter('connections', 'Connections that a member has taken.', ofBackend);
  const failures = counter('connect_failures', 'Attempts to connect that failed.', ofBackend);
  const serving = gauge('backends', 'Members that get clients of a port.', ofPort);
  const accepted = counter('clients', 'Clients that were accepted.', ofPort);
  const turnedAway = counter('clients_turned_away', 'Clients for whom there was no member.', ofPort);
  const closed = counter('connections_closed_by_update', 'Connections whose member went away.', ofPort);
  const bytes = counter('bytes', 'Bytes passed on.', [...ofPort, 'direction']);
  for (const each of ports) {
    const { cluster, port } = each;
    serving.set({ cluster, port }, each.backends.length);
    accepted.inc({ cluster, port }, each.accepted);
    turnedAway.inc({ cluster, port }, each.turnedAway);
    closed.inc({ cluster, port }, each.closedByUpdate);
    bytes.inc({ cluster, port, direction: 'received' }, each.bytesReceived);
    bytes.inc({ cluster, port, direction: 'sent' }, each.bytesSent);
    for (const backend of each.backends) {
      const labels = { cluster, port, backend: backend.name };
      connections.set(labels, backend.connections);
      opened.inc(labels, backend.connectionsTotal);
      failures.inc(labels, backend.connectFailures);
    }
  }

  const members = gauge('members', 'Members by what Patroni says of them.', ['cluster', 'role', 'state']);
  const lag = gauge('member_lag_bytes', 'How far a replica is behind, as Patroni says.', [
    'cluster',
    'member',
  ]);
  const polls = counter('polls', 'Questions to Patroni.', ['cluster']);
  const pollFailures = counter('poll_failures', 'Questions that no Patroni API has answered.', ['cluster']);
  const age = gauge('poll_age_seconds', 'Time since the last answer of Patroni.', ['cluster']);
  const failovers = counter('failovers', 'How often the leader has changed.', ['cluster']);
  for (const watch of watches) {
    const cluster = watch.name;
    polls.inc({ cluster }, watch.polls);
    pollFailures.inc({ cluster }, watch.pollFailures);
    failovers.inc({ cluster }, watch.failovers);
    if (watch.members === null) continue;
    age.set({ cluster }, (nowMs - watch.answeredMs) / 1000);
    for (const { name, role, state, lag: behind } of watch.members) {
      members.inc({ cluster, role, state });
      if (behind !== null) lag.set({ cluster, member: name }, behind);
    }
  }
  return registers[0]?.metrics() ?? Promise.resolve('');
}
