/** The command line of patroni_proxy: which level the log has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProxyCommandLine } from '../../../src/cli/proxy-options.js';

function levelWith(environment: NodeJS.ProcessEnv, args: string[] = []): string {
  return readProxyCommandLine(['node', 'patroni_proxy', ...args, 'file.yaml'], environment).logLevel;
}

for (const [text, level] of [
  ['', 'info'],
  ['debug', 'debug'],
  ['TRACE', 'debug'],
  ['off', 'error'],
  ['warn,patroni_proxy=debug', 'debug'],
  ['patroni_proxy=error,debug', 'error'],
  ['hyper=debug', 'info'],
  ['hyper=debug,warn', 'warn'],
  ['loud', 'info'],
] as const) {
  test(`RUST_LOG=${text} is the level ${level}`, () => {
    assert.equal(levelWith({ RUST_LOG: text }), level);
  });
}

test('the argument goes before RUST_LOG', () => {
  assert.equal(levelWith({ RUST_LOG: 'debug' }, ['--log-level', 'warn']), 'warn');
});

test('the file is what follows', () => {
  assert.equal(readProxyCommandLine(['node', 'patroni_proxy', '/etc/p.yaml'], {}).configFile, '/etc/p.yaml');
});
