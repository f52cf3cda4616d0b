/** What most tests begin with: a stand-in cluster `c` and a proxy before it; all of it ends with the test. */
import { test } from 'node:test';
import type { Section } from '../support/doorman.js';
import { ProxyProcess } from './proxy-process.js';
import { StandInApi, type Trio, threeMembers } from './stand-in.js';

const TEST_TIMEOUT_MS = 60_000;

export interface Scene {
  readonly api: StandInApi;
  readonly members: Trio;
  /** The port that every member listens on. */
  readonly memberPort: number;
  readonly proxy: ProxyProcess;
  /** The section of the cluster as it is in the file, with other ports when these are given. */
  cluster(ports?: Section): Section;
}

/** A port of the file, listening wherever it can. */
export function portSection(memberPort: number, roles: string[], more: Section = {}): Section {
  return { listen: '127.0.0.1:0', roles, host_port: memberPort, ...more };
}

/** Ports for each role: leader, sync, async, replicas (sync and async) and any. */
export function allRoles(memberPort: number): Section {
  return {
    leader: portSection(memberPort, ['leader']),
    sync: portSection(memberPort, ['sync']),
    async: portSection(memberPort, ['async']),
    replicas: portSection(memberPort, ['sync', 'async']),
    any: portSection(memberPort, ['any']),
  };
}

/** Declares a test with a cluster of three and a proxy with a port for each role. */
export function sceneTest(
  name: string,
  body: (scene: Scene) => Promise<void>,
  options: { ports?: (memberPort: number) => Section; settings?: Section } = {},
): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, async () => {
    const { port: memberPort, members, facts } = await threeMembers();
    const api = await StandInApi.start(facts());
    const ports = options.ports ?? allRoles;
    const cluster = (other?: Section): Section => ({ hosts: [api.url], ports: other ?? ports(memberPort) });
    const proxy = await ProxyProcess.start({ ...options.settings, clusters: { c: cluster() } });
    try {
      await body({ api, members, memberPort, proxy, cluster });
    } finally {
      await proxy.stop();
      api.close();
      for (const member of members) member.stop();
    }
  });
}
