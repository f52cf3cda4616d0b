/** What SIGINT means, by who may have sent it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interruptEnds } from '../../../src/control/upgrade/interrupt.js';

test('at a terminal SIGINT ends the process, whatever else is redirected', () => {
  assert.equal(interruptEnds(200, [{ isTTY: true }, {}, { isTTY: false }]), true);
  assert.equal(interruptEnds(200, [{}, {}, { isTTY: true }]), true);
});

test('without a terminal SIGINT asks for an upgrade', () => {
  assert.equal(interruptEnds(200, [{}, { isTTY: false }, {}]), false);
});

test('a container’s first process cannot be replaced: SIGINT ends it', () => {
  assert.equal(interruptEnds(1, [{}, {}, {}]), true);
});
