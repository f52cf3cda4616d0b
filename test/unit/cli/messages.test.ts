/** What generate says on a terminal and elsewhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Messages } from '../../../src/cli/generate/messages.js';

/** All that is written when everything is said. */
function said(isTTY: boolean, environment: NodeJS.ProcessEnv = {}): string {
  let text = '';
  const stream = {
    isTTY,
    write: (more: string) => {
      text += more;
    },
  };
  const messages = new Messages(stream, environment);
  messages.progress('on the way');
  messages.warning('look');
  messages.error('no');
  return text;
}

const PLAIN = 'pg_doorman: warning: look\npg_doorman: error: no\n';

test('away from a terminal there are warnings and errors only, without colours', () => {
  assert.equal(said(false), PLAIN);
});

test('on a terminal there is progress, and colours', () => {
  assert.equal(
    said(true),
    'on the way\npg_doorman: \u001b[33mwarning\u001b[39m: look\npg_doorman: \u001b[31merror\u001b[39m: no\n',
  );
});

test('NO_COLOR takes the colours away, unless it is empty', () => {
  assert.equal(said(true, { NO_COLOR: '1' }), `on the way\n${PLAIN}`);
  assert.equal(said(true, { NO_COLOR: '' }), said(true));
});
