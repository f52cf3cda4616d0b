/** Asking several Patroni APIs: the first that answers, and those that are left alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterWatch } from '../../../src/patroni/cluster-watch.js';
import type { ClusterSettings } from '../../../src/patroni/load.js';
import { ClusterUnreachable, PatroniApi } from '../../../src/patroni/patroni-api.js';
import { StandInApi } from '../../patroni/stand-in.js';

const MEMBERS = [{ name: 'a', host: '127.0.0.1', role: 'leader', state: 'running' }];

function clusterOf(apis: readonly StandInApi[]): ClusterSettings {
  return { name: 'c', hosts: apis.map(({ url }) => url), tls: null, ports: [] };
}

async function withApis(body: (first: StandInApi, second: StandInApi) => Promise<void>): Promise<void> {
  const apis = [await StandInApi.start(MEMBERS), await StandInApi.start(MEMBERS)] as const;
  await body(...apis);
  for (const api of apis) api.close();
}

test('the first API that answers is believed, and the others are not asked', () =>
  withApis(async (first, second) => {
    const api = new PatroniApi(clusterOf([first, second]), () => 0);
    const { host, members } = await api.ask();
    assert.deepEqual([host, members.length], [first.url, 1]);
    assert.equal(second.questions, 0);
  }));

test('one that has failed is left alone for ten seconds', () =>
  withApis(async (first, second) => {
    let nowMs = 0;
    const api = new PatroniApi(clusterOf([first, second]), () => nowMs);
    first.instead = { status: 503, body: '' };
    assert.equal((await api.ask()).host, second.url);
    first.instead = null;
    nowMs = 9999;
    assert.equal((await api.ask()).host, second.url);
    assert.equal(first.questions, 1);
    nowMs = 10_000;
    assert.equal((await api.ask()).host, first.url);
  }));

test('when all have failed all are asked again at once', () =>
  withApis(async (first, second) => {
    const api = new PatroniApi(clusterOf([first, second]), () => 0);
    first.instead = { status: 503, body: '' };
    second.instead = { status: 200, body: '{}' };
    await assert.rejects(api.ask(), (error) => {
      assert.ok(error instanceof ClusterUnreachable);
      assert.equal(
        error.message,
        `${first.url}: it answers with status 503; ${second.url}: its answer is not that of GET /cluster`,
      );
      return true;
    });
    second.instead = null;
    assert.equal((await api.ask()).host, second.url);
  }));

test('credentials in an address are used and not shown', () =>
  withApis(async (first) => {
    const withPassword = first.url.replace('http://', 'http://me:secret@');
    const cluster = { ...clusterOf([]), hosts: [withPassword] };
    assert.equal((await new PatroniApi(cluster, () => 0).ask()).host, first.url);
    first.instead = { status: 503, body: '' };
    await assert.rejects(new PatroniApi(cluster, () => 0).ask(), (error) => !/secret/.test(String(error)));
  }));

test('who asks for an update during a poll waits for the next one; all who do wait for the same', () =>
  withApis(async (first) => {
    let answers = 0;
    const events = {
      onMembers: async () => {
        answers++;
      },
      log: () => undefined,
    };
    const watch = new ClusterWatch(clusterOf([first]), 3_600_000, events);
    const under = watch.update();
    await Promise.resolve(); // it is under way
    await Promise.all([watch.update(), watch.update(), watch.update()]);
    await under;
    watch.stop();
    assert.deepEqual([first.questions, answers], [2, 2]);
  }));
