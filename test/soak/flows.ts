/** What applications do all day, each flow with its share; every answer is checked. */
import assert from 'node:assert/strict';
import pg from 'pg';
import {
  bind,
  closeStatement,
  copyData,
  copyDone,
  execute,
  parse,
  query,
  sync,
  values,
} from '../support/messages.js';
import type { Random } from '../support/random.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';
import type { Crew } from './crew.js';

export interface Surroundings {
  readonly port: number;
  readonly random: Random;
  /** Of an ordinary driver. */
  readonly drivers: Crew<pg.Client>;
  /** Clients of bytes, for what the driver does not do. */
  readonly wires: Crew<WireClient>;
  /** A number that no other flow has had. */
  readonly stamp: number;
}

export interface Flow {
  readonly name: string;
  /** Of a hundred. */
  readonly share: number;
  /** Whether it is a short question, whose latency is looked at. */
  readonly isShort: boolean;
  run(surroundings: Surroundings): Promise<void>;
}

export const ACCOUNTS = 1000;
const PREPARED_TEXTS = 100;
const PIPELINED = 10;
const BIG_ROWS = 3000;
const COPIED_LINES = 500;

const simple: Flow = {
  name: 'simple query',
  share: 25,
  isShort: true,
  run: ({ drivers, stamp }) =>
    drivers.lend(async (client) => {
      assert.deepEqual((await client.query(`select ${stamp} as stamp`)).rows, [{ stamp }]);
    }),
};

const extended: Flow = {
  name: 'extended query',
  share: 15,
  isShort: true,
  run: ({ drivers, stamp }) =>
    drivers.lend(async (client) => {
      assert.deepEqual((await client.query('select $1::int as stamp', [stamp])).rows, [{ stamp }]);
    }),
};

const prepared: Flow = {
  name: 'prepared statement, used again',
  share: 20,
  isShort: true,
  run: ({ drivers, random, stamp }) =>
    drivers.lend(async (client) => {
      const number = random.below(PREPARED_TEXTS);
      const text = `select $1::int + ${number} as sum`;
      const { rows } = await client.query({ name: `p${number}`, text, values: [stamp] });
      assert.deepEqual(rows, [{ sum: stamp + number }]);
    }),
};

const transaction: Flow = {
  name: 'transaction',
  share: 12,
  isShort: true,
  run: ({ drivers, random, stamp }) =>
    drivers.lend(async (client) => {
      const id = random.between(1, ACCOUNTS);
      await client.query('begin');
      await client.query('update soak set stamp = $2 where id = $1', [id, stamp]);
      const { rows } = await client.query('select stamp from soak where id = $1', [id]);
      assert.deepEqual(rows, [{ stamp }]);
      assert.equal((await client.query('commit')).command, 'COMMIT');
    }),
};

const pipeline: Flow = {
  name: 'pipeline',
  share: 6,
  isShort: true,
  run: ({ wires, stamp }) =>
    wires.lend(async (client) => {
      const numbers = Array.from({ length: PIPELINED }, (_, index) => String(stamp + index));
      const requests = numbers.flatMap((number) => [
        parse('', 'select $1::text'),
        bind('', '', [number]),
        execute(),
      ]);
      client.send(...requests, sync());
      assert.deepEqual(texts(await client.until('Z')), numbers);
    }),
};

/** Fills the caches over and over. */
const newStatement: Flow = {
  name: 'statement of a new text',
  share: 4,
  isShort: true,
  run: ({ wires, stamp }) =>
    wires.lend(async (client) => {
      client.send(parse('new', `select ${stamp}`), bind('', 'new'), execute(), closeStatement('new'), sync());
      assert.deepEqual(texts(await client.until('Z')), [String(stamp)]);
    }),
};

const error: Flow = {
  name: 'error, alone and in a transaction',
  share: 4,
  isShort: true,
  run: ({ drivers }) =>
    drivers.lend(async (client) => {
      await assert.rejects(client.query('select $1::int / 0', [1]), { code: '22012' });
      await client.query('begin');
      await assert.rejects(client.query('select no_such_column'), { code: '42703' });
      await assert.rejects(client.query('select 1'), { code: '25P02' });
      assert.equal((await client.query('commit')).command, 'ROLLBACK');
    }),
};

/** Not the drivers': one that keeps statements does not expect DISCARD ALL. */
const settings: Flow = {
  name: 'SET, LISTEN, DISCARD ALL',
  share: 3,
  isShort: true,
  run: ({ wires }) =>
    wires.lend(async (client) => {
      await client.query("set work_mem = '5MB'");
      await client.query('listen soak');
      assert.equal(await client.value('show work_mem'), '4MB');
      assert.equal(tagsOf(await client.query('discard all')), 'CZ');
    }),
};

const bigResult: Flow = {
  name: 'large result',
  share: 3,
  isShort: false,
  run: ({ drivers, stamp }) =>
    drivers.lend(async (client) => {
      const text = "select i + $1::int as i, repeat('x', 200) as x from generate_series(1, $2::int) i";
      const { rows } = await client.query(text, [stamp, BIG_ROWS]);
      assert.equal(rows.length, BIG_ROWS);
      assert.equal(
        rows.every((row, index) => row.i === stamp + index + 1 && row.x.length === 200),
        true,
      );
    }),
};

const copyIn: Flow = {
  name: 'COPY FROM into a temporary table',
  share: 2,
  isShort: false,
  run: ({ wires, stamp }) =>
    wires.lend(async (client) => {
      await client.query('begin; create temp table copied (i int) on commit drop');
      client.send(query('copy copied from stdin'));
      assert.equal(tagsOf(await client.until('G')), 'G');
      for (let i = 0; i < COPIED_LINES; i++) client.send(copyData(`${stamp + i}\n`));
      client.send(copyDone());
      assert.equal(tagsOf(await client.until('Z')), 'CZ');
      const count = await client.value(`select count(*) from copied where i >= ${stamp}`);
      assert.equal(count, String(COPIED_LINES));
      await client.query('commit');
    }),
};

const copyOut: Flow = {
  name: 'COPY TO',
  share: 2,
  isShort: false,
  run: ({ wires, stamp }) =>
    wires.lend(async (client) => {
      client.send(query(`copy (select i + ${stamp} from generate_series(1, ${COPIED_LINES}) i) to stdout`));
      const lines = (await client.until('Z'))
        .filter(({ tag }) => tag === 'd')
        .map(({ body }) => Number(body));
      assert.equal(lines.length, COPIED_LINES);
      assert.equal(
        lines.every((line, index) => line === stamp + index + 1),
        true,
      );
    }),
};

export const ORDINARY_FLOWS: readonly Flow[] = [
  simple,
  extended,
  prepared,
  transaction,
  pipeline,
  newStatement,
  error,
  settings,
  bigResult,
  copyIn,
  copyOut,
];

/** The first column of all rows. */
function texts(answer: Awaited<ReturnType<WireClient['until']>>): (string | null | undefined)[] {
  assert.equal(sqlstateOf(answer), '');
  return answer.filter(({ tag }) => tag === 'D').map((row) => values(row)[0]);
}
