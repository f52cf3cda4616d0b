/** Clients that do not stay: they come and go, vanish in the middle of something, or cancel what they asked. */
import assert from 'node:assert/strict';
import { CANCEL_REQUEST, packet, parse, query, startup, terminate } from '../support/messages.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';
import type { Flow } from './flows.js';

const USER = { user: 'postgres', database: 'postgres' };

/** What a client that vanishes has sent last. */
const LAST_WORDS = [
  { bytes: query('select pg_sleep(0.1)'), isAnswered: true },
  { bytes: query('select * from generate_series(1, 100000)'), isAnswered: true },
  { bytes: query('begin; select 1'), isAnswered: true },
  { bytes: query('copy soak to stdout'), isAnswered: true },
  { bytes: query('copy soak from stdin'), isAnswered: true },
  { bytes: parse('lost', 'select 1'), isAnswered: false },
  { bytes: query(`select '${'x'.repeat(10_000)}'`).subarray(0, 5_000), isAnswered: false },
];

const visit: Flow = {
  name: 'a client comes, asks and goes',
  share: 2,
  isShort: false,
  run: async ({ port, stamp }) => {
    const client = await login(port);
    assert.equal(await client.value(`select ${stamp}`), String(stamp));
    client.send(terminate());
    await client.closed();
  },
};

const vanish: Flow = {
  name: 'a client vanishes',
  share: 1,
  isShort: false,
  run: async ({ port, random }) => {
    const client = await login(port);
    const { bytes, isAnswered } = random.pick(LAST_WORDS);
    client.send(bytes);
    if (isAnswered && random.chance(0.5)) await client.next();
    client.vanish();
  },
};

/** The cancel and the end of the query may cross: both are right. */
const cancel: Flow = {
  name: 'a query is cancelled',
  share: 1,
  isShort: false,
  run: async ({ port }) => {
    const client = await WireClient.open(port);
    client.send(startup(USER));
    const key = (await client.until('Z')).find(({ tag }) => tag === 'K');
    if (key === undefined) throw new Error('no key');
    client.send(query('select pg_sleep(0.5)'));
    const bringer = await WireClient.open(port);
    bringer.send(packet(CANCEL_REQUEST, key.body));
    await bringer.closed();
    const answer = await client.until('Z');
    if (sqlstateOf(answer) === '') assert.equal(tagsOf(answer), 'TDCZ');
    else assert.equal(sqlstateOf(answer), '57014');
    client.send(terminate());
    await client.closed();
  },
};

export const ROUGH_FLOWS: readonly Flow[] = [visit, vanish, cancel];

function login(port: number): Promise<WireClient> {
  return WireClient.login(port, USER.user, USER.database);
}
