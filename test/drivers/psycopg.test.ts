/** psycopg 3, on libpq. It is Python's: where it is missing this says so, and tries nothing. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Doorman } from '../support/doorman.js';
import { pool } from '../support/shared-postgres.js';

const isHere = spawnSync('python3', ['-c', 'import psycopg']).status === 0;

test(
  isHere ? 'an application with psycopg' : 'NOT TRIED: python3 with psycopg is not on this machine',
  async () => {
    if (!isHere) return;
    const doorman = await Doorman.start({ pools: { postgres: pool({ pool_size: 4 }) } });
    const script = fileURLToPath(new URL('psycopg_application.py', import.meta.url));
    const child = spawn('python3', [script, String(doorman.port)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    await once(child, 'close');
    assert.equal(output, 'ok\n');
    await doorman.stop();
  },
);
