/** What of its memory the process gives back. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { eventually } from '../faults/support/eventually.js';
import { Doorman, UNTRACED } from '../support/doorman.js';
import { pool } from '../support/shared-postgres.js';
import { WireClient } from '../support/wire-client.js';

const LOGINS = 400;
const WITHIN_MS = 20_000;
const MEGABYTE = 1024 * 1024;

const doorman = await Doorman.start({
  general: { pg_hba: 'host all all 127.0.0.1/32 trust' },
  pools: { postgres: pool() },
  args: UNTRACED,
});
after(() => doorman.stop());

test('pages of the executable that compiling the logins needed are given back', async () => {
  let most = 0;
  const now = (): number => {
    const bytes = fileBytesOf(doorman.pid);
    most = Math.max(most, bytes);
    return bytes;
  };
  for (let i = 0; i < LOGINS; i++) {
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    assert.equal(await client.value('select 1'), '1');
    client.close();
    now();
  }
  await eventually('3 MB less', WITHIN_MS, now, (bytes) => bytes < most - 3 * MEGABYTE);
});

/** Resident bytes that are of files. proc_pid_status(5). */
function fileBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^RssFile:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}
