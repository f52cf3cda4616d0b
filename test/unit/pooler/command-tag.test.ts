/** What a command leaves behind in its session, told by its tag. The tags are those of PostgreSQL 18. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dirtFromTag, ServerDirt } from '../../../src/pooler/command-tag.js';

const ALL_DIRT = ServerDirt.Set | ServerDirt.Declare | ServerDirt.Prepare | ServerDirt.Listen;
const someDirt = fc.integer({ min: 0, max: ALL_DIRT });

interface After {
  readonly dirt: number;
  /** How often the server was told that its statements are gone. */
  readonly forgot: number;
}

/** What is left after a command, by the text of its CommandComplete. The body stands somewhere in a buffer. */
function after(before: number, text: string): After {
  return afterBody(before, Buffer.from(`${text}\0`));
}

function afterBody(before: number, body: Uint8Array): After {
  const bytes = Buffer.concat([Buffer.from('SET\0'), body, Buffer.from('\0 ALL\0')]);
  let forgot = 0;
  const server = {
    forgetStatements: () => {
      forgot++;
      return 0;
    },
    schemaChanged: () => undefined,
  };
  return { dirt: dirtFromTag(before, bytes, 4, 4 + body.length, server), forgot };
}

const DIRTY: readonly [string, ServerDirt][] = [
  ['SET', ServerDirt.Set],
  ['DECLARE CURSOR', ServerDirt.Declare],
  ['PREPARE', ServerDirt.Prepare],
  ['LISTEN', ServerDirt.Listen],
];
for (const [tag, dirt] of DIRTY) {
  test(`${tag} leaves something behind, and what was there stays`, () => {
    fc.assert(
      fc.property(someDirt, (before) =>
        assert.deepEqual(after(before, tag), { dirt: before | dirt, forgot: 0 }),
      ),
    );
  });
}

test('DEALLOCATE ALL takes the prepared statements away, and those of the pooler with them', () => {
  fc.assert(
    fc.property(someDirt, (before) => {
      const left = { dirt: before & ~ServerDirt.Prepare, forgot: 1 };
      assert.deepEqual(after(before, 'DEALLOCATE ALL'), left);
    }),
  );
});

test('DISCARD ALL leaves nothing, not even the statements of the pooler', () => {
  fc.assert(
    fc.property(someDirt, (before) => assert.deepEqual(after(before, 'DISCARD ALL'), { dirt: 0, forgot: 1 })),
  );
});

test('CLOSE ALL takes the cursors away and nothing else', () => {
  fc.assert(
    fc.property(someDirt, (before) => {
      assert.deepEqual(after(before, 'CLOSE CURSOR ALL'), { dirt: before & ~ServerDirt.Declare, forgot: 0 });
    }),
  );
});

/** Tags that begin like those that say something. */
const ALIKE = [
  'SET CONSTRAINTS',
  'SELECT 1',
  'SECURITY LABEL',
  'SHOW',
  'SAVEPOINT',
  'START TRANSACTION',
  'PREPARE TRANSACTION',
  'DEALLOCATE', // one of them: others may be left
  'DELETE 3',
  'DISCARD PLANS',
  'DISCARD SEQUENCES',
  'DISCARD TEMP',
  'DO',
  'LISTENING',
  'LOAD',
  'LOCK TABLE',
  'LOGIN',
  'CLOSE CURSOR', // one of them
  'CALL',
  'CHECKPOINT',
  'CLUSTER',
  'COMMENT',
  'COMMIT',
  'COMMIT PREPARED',
  'COPY 10000000',
  'RESET', // of one parameter, perhaps: others stay as they are
];

const OTHERS = [
  'ANALYZE',
  'BEGIN',
  'EXECUTE',
  'EXPLAIN',
  'FETCH 1',
  'GRANT',
  'GRANT ROLE',
  'IMPORT FOREIGN SCHEMA',
  'INSERT 0 1',
  'MERGE 0',
  'MOVE 2',
  'NOTIFY',
  'REASSIGN OWNED',
  'REFRESH MATERIALIZED VIEW',
  'REINDEX',
  'RELEASE',
  'REVOKE',
  'REVOKE ROLE',
  'ROLLBACK',
  'ROLLBACK PREPARED',
  'TRUNCATE TABLE',
  'UNLISTEN', // of one channel, perhaps
  'UPDATE 4',
  'VACUUM',
];

const OBJECTS = [
  ...['ACCESS METHOD', 'AGGREGATE', 'CAST', 'COLLATION', 'CONVERSION', 'DATABASE', 'DOMAIN'],
  ...['EVENT TRIGGER', 'EXTENSION', 'FOREIGN DATA WRAPPER', 'FOREIGN TABLE', 'FUNCTION', 'INDEX', 'LANGUAGE'],
  ...['MATERIALIZED VIEW', 'OPERATOR', 'OPERATOR CLASS', 'OPERATOR FAMILY', 'POLICY', 'PROCEDURE'],
  ...['PUBLICATION', 'ROLE', 'ROUTINE', 'RULE', 'SCHEMA', 'SEQUENCE', 'SERVER', 'STATISTICS', 'SUBSCRIPTION'],
  ...['TABLE', 'TABLESPACE', 'TEXT SEARCH CONFIGURATION', 'TEXT SEARCH DICTIONARY', 'TEXT SEARCH PARSER'],
  ...['TEXT SEARCH TEMPLATE', 'TRANSFORM', 'TRIGGER', 'TYPE', 'USER MAPPING', 'VIEW'],
];
const OF_OBJECTS = [
  ...OBJECTS.flatMap((object) => [`CREATE ${object}`, `ALTER ${object}`, `DROP ${object}`]),
  ...['ALTER DEFAULT PRIVILEGES', 'ALTER LARGE OBJECT', 'ALTER SYSTEM', 'CREATE TABLE AS', 'DROP OWNED'],
];

test('every other tag of PostgreSQL 18 changes nothing', () => {
  for (const tag of [...ALIKE, ...OTHERS, ...OF_OBJECTS]) {
    for (const before of [0, ALL_DIRT])
      assert.deepEqual(after(before, tag), { dirt: before, forgot: 0 }, tag);
  }
});

const TELLING = [...DIRTY.map(([tag]) => tag), 'DEALLOCATE ALL', 'DISCARD ALL', 'CLOSE CURSOR ALL'];

test('a tag counts only in full: cut, longer, or in small letters it says nothing', () => {
  for (const tag of TELLING) {
    const wrong = [tag.slice(0, -1), `${tag}S`, `${tag} 1`, ` ${tag}`, tag.toLowerCase()];
    for (const each of wrong) {
      assert.deepEqual(after(ALL_DIRT - 1, each), { dirt: ALL_DIRT - 1, forgot: 0 }, each);
      assert.deepEqual(after(0, each), { dirt: 0, forgot: 0 }, each);
    }
  }
});

test('a body without a terminating zero, or without anything, says nothing', () => {
  for (const tag of ['', ...TELLING]) {
    assert.deepEqual(afterBody(0, Buffer.from(tag)), { dirt: 0, forgot: 0 }, tag);
    assert.deepEqual(afterBody(ALL_DIRT, Buffer.from(tag)), { dirt: ALL_DIRT, forgot: 0 }, tag);
  }
});

test('the server is told of a changed schema', () => {
  const tags = ['ALTER TABLE', 'ALTER VIEW', 'DROP TYPE', 'DROP TABLE', 'CREATE TYPE', 'CREATE EXTENSION'];
  const others = [
    'DROP INDEX',
    'CREATE TABLE',
    'ANALYZE',
    'ALTERED',
    'DROPPED',
    'DELETE 1',
    'SELECT 1',
    'COMMIT',
  ];
  const told = [...tags, ...others].filter((tag) => {
    let times = 0;
    const body = Buffer.from(`${tag}\0`);
    dirtFromTag(0, body, 0, body.length, { forgetStatements: () => 0, schemaChanged: () => times++ });
    return times > 0;
  });
  assert.deepEqual(told, tags);
});
