import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROUPS } from '../../../scripts/errors-page.js';
import * as authentication from '../../../src/wire/authentication-errors.js';
import * as facing from '../../../src/wire/client-facing-error.js';

test('every error that clients see is explained', () => {
  const explained = new Set(Object.values(GROUPS).flatMap((group) => group.map(({ error }) => error.name)));
  const classes = [...Object.keys(facing), ...Object.keys(authentication)];
  assert.deepEqual(
    classes.filter((name) => name !== 'ClientFacingError' && !explained.has(name)),
    [],
  );
});
