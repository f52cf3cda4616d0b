/** What OpenSSL has freed goes back to the system when it is told to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trimHeap } from '../../../src/reactor/libc.js';
import { accepting } from './tls-pair.js';

const CONNECTIONS = 10_000;

test('memory of connections with TLS that have ended goes back', () => {
  const engines = Array.from({ length: CONNECTIONS }, () => accepting.engine());
  const last = accepting.engine(); // behind the others: what is free then is not the end of the heap
  const most = process.memoryUsage.rss();
  for (const engine of engines) engine.free();
  trimHeap();
  const gone = most - process.memoryUsage.rss();
  last.free();
  assert.ok(gone > CONNECTIONS * 1000, `${gone} bytes have gone back`);
});
