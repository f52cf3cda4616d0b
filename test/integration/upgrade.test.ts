/** Binary upgrade: another process takes this one's place, and whoever can does not notice. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Authority, secretFile } from '../support/certificates.js';
import {
  ADMIN_PASSWORD,
  COMMAND,
  Doorman,
  type DoormanOptions,
  type Section,
  UNTRACED,
} from '../support/doorman.js';
import { freePort } from '../support/free-port.js';
import {
  bind,
  CANCEL_REQUEST,
  execute,
  type Message,
  packet,
  parse,
  query,
  startup,
  sync,
} from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { logInOverTls } from '../support/tls-client.js';
import { UpgradeLoad } from '../support/upgrade-load.js';
import { sqlstateOf, tagsOf, WireClient } from '../support/wire-client.js';

const authority = new Authority('CA of the tests');
const server = authority.signLocal();
const TLS: Section = {
  tls_certificate: secretFile(server.certificate),
  tls_private_key: secretFile(server.privateKey),
};
/** On a machine that is busy with other things a new process needs seconds. */
const PATIENT: Section = { query_wait_timeout: 60_000, shutdown_timeout: 60_000 };
const LOOKS_MAX = 2000;
const WHO = { user: 'postgres', database: 'postgres' };
const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-upgrade-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Works with a doorman of its own. */
async function withDoorman(
  work: (doorman: Doorman) => Promise<void>,
  general: Section = {},
  pools: DoormanOptions['pools'] = { postgres: pool() },
  more: Partial<DoormanOptions> = {},
): Promise<void> {
  const doorman = await Doorman.start({ general: { ...PATIENT, ...general }, pools, ...more });
  try {
    await work(doorman);
  } finally {
    await doorman.stop();
  }
}

function login({ port }: Doorman, more: Record<string, string> = {}): Promise<WireClient> {
  return WireClient.login(port, 'postgres', 'postgres', more);
}

function keyOf(greeting: readonly Message[]): Buffer {
  const key = greeting.find(({ tag }) => tag === 'K');
  assert.ok(key);
  return key.body;
}

/** Logs in, and returns the cancel key as well. */
async function loginWithKey({ port }: Doorman): Promise<{ client: WireClient; key: Buffer }> {
  const client = await WireClient.open(port);
  return { client, key: keyOf(await client.logIn(WHO.user, WHO.database)) };
}

async function cancel({ port }: Doorman, key: Buffer): Promise<void> {
  const bringer = await WireClient.open(port);
  bringer.send(packet(CANCEL_REQUEST, key));
  await bringer.closed();
}

/** Runs a prepared statement that the client has under this name. */
async function run(client: WireClient, name: string): Promise<string> {
  client.send(bind('', name), execute(), sync());
  return tagsOf(await client.until('Z'));
}

describe('a client without TLS that has no transaction', () => {
  const upgraded = (async () => {
    const doorman = await Doorman.start({
      general: { sync_server_parameters: true },
      pools: { postgres: pool() },
    });
    const { client, key } = await loginWithKey(doorman);
    client.send(parse('mine', 'select 1'), parse('', 'select 2'), sync());
    await client.until('Z');
    const named = await login(doorman, { application_name: 'a name of its own' });
    await named.query("set timezone to 'Asia/Tokyo'");
    const begun = await login(doorman);
    await begun.query('begin');
    const old = doorman.pid;
    await doorman.upgrade();
    await doorman.isReplaced(old);
    return { doorman, client, key, named, begun };
  })();
  after(async () => {
    const { doorman, client, named, begun } = await upgraded;
    for (const each of [client, named, begun]) each.close();
    await doorman.stop();
  });

  test('goes on in the new process on the same connection, with its prepared statements', async () => {
    const { client } = await upgraded;
    assert.equal(await run(client, 'mine'), '2DCZ');
    assert.equal(await run(client, ''), '2DCZ');
  });

  test('keeps the parameters that it had set, and its name', async () => {
    const { doorman, named } = await upgraded;
    assert.equal(await named.value('show timezone'), 'Asia/Tokyo');
    assert.equal(await named.value('show application_name'), 'a name of its own');
    const names = (await doorman.admin('show clients')).map(({ application_name }) => application_name);
    assert.ok(names.includes('a name of its own'));
  });

  test('goes on with the BEGIN that no server has heard of', async () => {
    const { begun } = await upgraded;
    await begun.query('create temporary table of_this_transaction () on commit drop');
    assert.equal(await begun.value('select count(*) from of_this_transaction'), '0');
    const answer = await begun.query('commit');
    assert.match(String(answer.find(({ tag }) => tag === 'C')?.body), /COMMIT/);
  });

  test('can be cancelled by the key that it was greeted with', async () => {
    const { doorman, client, key } = await upgraded;
    client.send(query('select pg_sleep(60)'));
    await isActive(doorman);
    await cancel(doorman, key);
    assert.equal(sqlstateOf(await client.until('Z')), '57014');
  });

  test('shares its id with nobody: those of the new process are higher', async () => {
    const { doorman, key } = await upgraded;
    const next = await loginWithKey(doorman);
    assert.ok(next.key.readInt32BE(0) > key.readInt32BE(0));
    next.client.close();
  });

  test('that waits for a server waits in the new process', async () => {
    await withDoorman(
      async (doorman) => {
        const [holder, waiting] = [await login(doorman), await login(doorman)];
        await holder.query('begin; select 1');
        waiting.send(query('select 7'));
        await hasWaiting(doorman);
        const old = doorman.pid;
        await doorman.upgrade();
        await hasWaiting(doorman);
        await holder.query('commit');
        assert.equal(tagsOf(await waiting.until('Z')), 'TDCZ');
        await doorman.isReplaced(old);
        holder.close();
        waiting.close();
      },
      {},
      { postgres: pool({ pool_size: 1 }) },
    );
  });
});

describe('a client that cannot go at once', () => {
  test('finishes its transaction in the old process, and goes on in the new one', async () => {
    await withDoorman(async (doorman) => {
      const client = await login(doorman);
      await client.query('begin');
      const pid = await client.value('select pg_backend_pid()');
      const old = doorman.pid;
      await doorman.upgrade();
      assert.equal(await client.value('select pg_backend_pid()'), pid);
      await client.query('commit');
      assert.notEqual(await client.value('select pg_backend_pid()'), pid);
      await doorman.isReplaced(old);
      client.close();
    });
  });

  test('is cancelled by who connects to the new process', async () => {
    await withDoorman(async (doorman) => {
      const { client, key } = await loginWithKey(doorman);
      client.send(query('select pg_sleep(60)'));
      await isActive(doorman);
      await doorman.upgrade();
      await cancel(doorman, key);
      assert.equal(sqlstateOf(await client.until('Z')), '57014');
      client.close();
    });
  });

  test('counts in pool_size: no server is opened in the new process in its place', async () => {
    await withDoorman(
      async (doorman) => {
        const [holder, other] = [await login(doorman), await login(doorman)];
        await holder.query('begin; select 1');
        await doorman.upgrade();
        other.send(query('select pg_backend_pid()'));
        await hasWaiting(doorman);
        const [row] = (await doorman.admin('show pools')).filter(({ database }) => database === 'postgres');
        assert.deepEqual([row?.sv_active, row?.sv_idle, row?.sv_login], ['0', '0', '0']);
        await holder.query('commit');
        assert.equal(tagsOf(await other.until('Z')), 'TDCZ');
        holder.close();
        other.close();
      },
      {},
      { postgres: pool({ pool_size: 1 }) },
    );
  });

  test('because it has TLS is told 58006 when its transaction has ended; at once when it waits or asks', async () => {
    await withDoorman(
      async (doorman) => {
        const logIn = () => logInOverTls(doorman.port, { ca: authority.pem });
        const [busy, idle, waiting] = [await logIn(), await logIn(), await logIn()];
        await busy.query('begin; select 1');
        waiting.send(query('select 1'));
        await hasWaiting(doorman);
        await doorman.upgrade();
        assert.equal(sqlstateOf(await waiting.closed()), '58006');
        assert.equal(await busy.value('select 2'), '2');
        busy.send(query('commit'));
        assert.equal(sqlstateOf(await busy.closed()), '58006');
        idle.send(query('select 1'));
        const answer = await idle.closed();
        assert.deepEqual([tagsOf(answer), sqlstateOf(answer)], ['E', '58006']);
      },
      TLS,
      { postgres: pool({ pool_size: 1 }) },
    );
  });

  test('because the session is its own keeps it until shutdown_timeout, and is told 58006 then', async () => {
    await withDoorman(
      async (doorman) => {
        const client = await login(doorman);
        await client.query('create temporary table t as select 5 as five');
        await doorman.upgrade();
        assert.equal(await client.value('select five from t'), '5');
        assert.equal(sqlstateOf(await client.closed()), '58006');
      },
      { shutdown_timeout: 1000 },
      { postgres: pool({ pool_mode: 'session' }) },
    );
  });

  test('because it is the console’s is told 58006', async () => {
    await withDoorman(async (doorman) => {
      const console = doorman.client('admin', 'pgdoorman', { password: ADMIN_PASSWORD });
      const ended = new Promise<unknown>((resolve) => console.on('error', resolve));
      await console.connect();
      await doorman.upgrade();
      const error = await ended;
      assert.ok(error instanceof Error && 'code' in error);
      assert.equal(error.code, '58006');
    });
  });

  test('because the new configuration has no such pool is told 58006', async () => {
    await withDoorman(
      async (doorman) => {
        const client = await WireClient.login(doorman.port, 'postgres', 'other');
        const settings = readFileSync(doorman.file, 'utf8');
        writeFileSync(doorman.file, settings.replace('other:', 'another:'));
        await doorman.upgrade();
        assert.equal(sqlstateOf(await client.closed()), '58006');
      },
      {},
      { postgres: pool(), other: pool() },
    );
  });
});

describe('a client that connects meanwhile', () => {
  test('is never refused', async () => {
    await withDoorman(async (doorman) => {
      let isOver = false;
      const connect = async (): Promise<number> => {
        let count = 0;
        while (!isOver) {
          const client = await login(doorman);
          assert.equal(await client.value('select 1'), '1');
          client.close();
          count++;
        }
        return count;
      };
      const all = Promise.all([connect(), connect(), connect()]);
      const old = doorman.pid;
      await doorman.upgrade();
      await doorman.isReplaced(old);
      isOver = true;
      assert.ok((await all).every((count) => count > 0));
    });
  });

  test('and logs in when the new process serves goes on there, whatever it has sent', async () => {
    await withDoorman(async (doorman) => {
      const client = await WireClient.open(doorman.port);
      const packet = startup(WHO);
      client.send(packet.subarray(0, 10));
      const old = doorman.pid;
      await doorman.upgrade();
      client.send(packet.subarray(10));
      assert.ok(tagsOf(await client.until('Z')).startsWith('R'));
      await doorman.isReplaced(old);
      client.close();
    });
  });

  test('finds a unix socket where it was', async () => {
    const host = mkdtempSync(join(tmpdir(), 'pg-doorman-socket-'));
    const port = 6543;
    await withDoorman(
      async (doorman) => {
        const path = join(host, `.s.PGSQL.${port}`);
        const client = await WireClient.login({ path }, 'postgres', 'postgres');
        const old = doorman.pid;
        await doorman.upgrade();
        await doorman.isReplaced(old);
        assert.equal(await client.value('select 1'), '1');
        const other = await WireClient.login({ path }, 'postgres', 'postgres');
        assert.equal(await other.value('select 1'), '1');
        client.close();
        other.close();
      },
      { host, port },
    );
    rmSync(host, { recursive: true, force: true });
  });
});

describe('an upgrade that fails changes nothing', () => {
  const program = join(directory, 'pg_doorman.mjs');
  const IMPORT = `await import(${JSON.stringify(COMMAND)});\n`;
  const isCheck = "process.argv.includes('--test-config')";

  /** A program in whose place another one is put, which is then tried. */
  async function replacing(
    other: string,
    complaint: RegExp,
    work?: (doorman: Doorman) => void,
  ): Promise<void> {
    writeFileSync(program, IMPORT);
    await withDoorman(
      async (doorman) => {
        const client = await login(doorman);
        const { pid } = doorman;
        writeFileSync(program, other);
        work?.(doorman);
        await assert.rejects(doorman.upgrade(), complaint);
        assert.equal(doorman.pid, pid);
        assert.equal(await client.value('select 1'), '1');
        const next = await login(doorman);
        assert.equal(await next.value('select 2'), '2');
        client.close();
        next.close();
      },
      {},
      { postgres: pool() },
      { program: [process.execPath, program] },
    );
  }

  test('the new program ends at once', async () => {
    await replacing(
      `if (${isCheck}) ${IMPORT} else process.exit(7);`,
      /ended before it served: exit status 7/,
    );
  });

  test('the new program is of another kind, and says what nobody understands', async () => {
    const other = `process.send({ type: 'hello' }); process.send('ready'); setInterval(() => undefined, 1000);`;
    await replacing(
      `if (${isCheck}) ${IMPORT} else { ${other} }`,
      /it says what this process does not understand/,
    );
  });

  test('the new program is no program any more', async () => {
    await replacing('this is no JavaScript', /does not accept its configuration.*SyntaxError/s);
  });

  test('the new configuration is wrong: its complaints are in the log', async () => {
    const spoil = ({ file }: Doorman): void =>
      writeFileSync(file, readFileSync(file, 'utf8').replace('worker_threads', 'worker_treads'));
    await replacing(IMPORT, /does not accept its configuration.*/, spoil);
  });

  test('another upgrade is under way', async () => {
    await withDoorman(async (doorman) => {
      const upgraded = doorman.upgrade();
      await doorman.logged(/checks its configuration/);
      doorman.signal('SIGUSR2');
      await assert.rejects(upgraded, /another upgrade is under way/);
      await doorman.replaced(doorman.log.length);
    });
  });

  test('the process that was replaced still has clients', async () => {
    await withDoorman(async (doorman) => {
      const client = await login(doorman);
      await client.query('begin; select 1');
      const old = doorman.pid;
      await doorman.upgrade();
      await assert.rejects(doorman.upgrade(), /still has clients/);
      await client.query('commit');
      await doorman.isReplaced(old);
      assert.equal(await client.value('select 3'), '3');
      client.close();
    });
  });
});

test('when the new process dies while the old one still has clients, the old one serves again', async () => {
  await withDoorman(async (doorman) => {
    const client = await login(doorman);
    await client.query('begin; select 1');
    const old = doorman.pid;
    await doorman.upgrade();
    doorman.signal('SIGKILL');
    await doorman.logged(/new process has failed \(SIGKILL\): this one goes on/);
    doorman.serves(old);
    const next = await login(doorman);
    assert.equal(await next.value('select 1'), '1');
    await client.query('commit');
    assert.equal(await client.value('select 2'), '2');
    await doorman.upgrade();
    await doorman.isReplaced(old);
    for (const each of [client, next]) assert.equal(await each.value('select 3'), '3');
    client.close();
    next.close();
  });
});

test('when the new process is told to end, the old one ends as well', async () => {
  const doorman = await Doorman.start({ general: PATIENT, pools: { postgres: pool() } });
  const client = await login(doorman);
  await client.query('begin; select 1');
  await doorman.upgrade();
  await doorman.stop(); // returns when nobody writes to the log any more
  await client.closed();
});

test('the address of the metrics goes over without a complaint, and the console tells a failure to the log, too', async () => {
  const port = await freePort();
  const prometheus = { enabled: true, host: '127.0.0.1', port };
  await withDoorman(
    async (doorman) => {
      const old = doorman.pid;
      await doorman.upgrade();
      await doorman.isReplaced(old);
      await doorman.logged(/metrics on.*serves in place of.*metrics on/s);
      assert.doesNotMatch(doorman.log, /ERROR/);
      assert.equal((await fetch(`http://127.0.0.1:${port}/ready`)).status, 200);
      writeFileSync(doorman.file, 'pools: 5');
      await assert.rejects(doorman.admin('UPGRADE'), /the upgrade has failed/);
      await doorman.logged(/ERROR upgrade: nothing has changed.*does not accept its configuration: .*pools/);
    },
    {},
    { postgres: pool() },
    { prometheus },
  );
});

test('what is paused stays paused, and who waits for it goes on waiting', async () => {
  await withDoorman(async (doorman) => {
    const client = await login(doorman);
    await doorman.admin('PAUSE postgres');
    const answer = client.value('select 1');
    await waits(doorman);
    const old = doorman.pid;
    await doorman.upgrade();
    await doorman.isReplaced(old);
    await waits(doorman);
    await doorman.admin('RESUME postgres');
    assert.equal(await answer, '1');
    client.close();
  });
});

/** Returns when a client waits for a server. */
async function waits(doorman: Doorman): Promise<void> {
  while ((await doorman.admin('SHOW WAITS')).length === 0) await setImmediate();
}

test('who logs in to a paused pool of which nothing is known waits for its greeting in the new process', async () => {
  await withDoorman(async (doorman) => {
    await doorman.admin('PAUSE postgres');
    const client = await WireClient.open(doorman.port);
    // What it sends ahead, and half of a message, goes along.
    const next = query('select 1');
    client.send(startup(WHO), next, next.subarray(0, 7));
    const old = doorman.pid;
    await doorman.upgrade();
    await doorman.isReplaced(old);
    await doorman.admin('RESUME postgres');
    assert.ok(tagsOf(await client.until('Z', 'E')).endsWith('Z'));
    assert.equal(tagsOf(await client.until('Z', 'E')), 'TDCZ');
    client.send(next.subarray(7));
    assert.equal(tagsOf(await client.until('Z', 'E')), 'TDCZ');
    client.close();
  });
});

test('SIGINT without a terminal is an upgrade', async () => {
  await withDoorman(async (doorman) => {
    const client = await login(doorman);
    const old = doorman.pid;
    await doorman.upgrade('SIGINT');
    await doorman.isReplaced(old);
    assert.equal(await client.value('select 1'), '1');
    client.close();
  });
});

test('the new process has no descriptor more than one that was started by hand', async () => {
  await withDoorman(async (doorman) => {
    const kinds = (): string[] =>
      readdirSync(`/proc/${doorman.pid}/fd`)
        .map((fd) => kindOf(`/proc/${doorman.pid}/fd/${fd}`))
        .filter((kind) => !kind.startsWith('/proc/')) // read for a moment when it has begun to serve
        .sort();
    const before = kinds();
    for (let generation = 2; generation <= 3; generation++) {
      const old = doorman.pid;
      await doorman.upgrade();
      await doorman.isReplaced(old);
    }
    // What was between the two processes closes in a moment.
    for (let look = 0; look < LOOKS_MAX && kinds().length > before.length; look++) await setImmediate();
    assert.deepEqual(kinds(), before);
  });
});

test('three upgrades in a row under load: who can move does not notice, who cannot is told to connect again', async () => {
  await withDoorman(
    async (doorman) => {
      const load = new UpgradeLoad(doorman, { plain: 30, tls: 3, authority: authority.pem, pauseMs: 5 });
      for (let upgrade = 0; upgrade < 3; upgrade++) {
        const old = doorman.pid;
        await doorman.upgrade();
        await doorman.isReplaced(old);
      }
      const { errors, requests } = await load.end();
      assert.deepEqual(errors, []);
      assert.ok(requests.every((count) => count > 0));
    },
    { sync_server_parameters: true, ...TLS },
    { postgres: pool() },
    { args: UNTRACED },
  );
});

/** A socket is a socket, whichever it is. */
function kindOf(path: string): string {
  try {
    return readlinkSync(path).replace(/\[?\d+\]?$/, '');
  } catch {
    return 'of this look';
  }
}

function isActive(doorman: Doorman): Promise<void> {
  return shows(doorman, 'clients', ({ database, state }) => database === 'postgres' && state === 'active');
}

function hasWaiting(doorman: Doorman): Promise<void> {
  return shows(doorman, 'pools', ({ cl_waiting }) => cl_waiting === '1');
}

/** Asks the console until it has such a row. */
async function shows(
  doorman: Doorman,
  what: string,
  isWanted: (row: Record<string, string>) => boolean,
): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look++)
    if ((await doorman.admin(`show ${what}`)).some(isWanted)) return;
  throw new Error(`SHOW ${what} has not come to what was expected`);
}
