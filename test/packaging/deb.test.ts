/** The .deb from its installation to its purge, on a machine of its own; the pooler that it has works before the real
 *  PostgreSQL. There is no systemd: what the maintainer scripts ask of it is asked of a stand-in. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { buildDeb } from '../../scripts/packages/deb.js';
import { buildExecutable } from '../../scripts/packages/executable.js';
import { Output } from '../support/doorman.js';
import { freePort } from '../support/free-port.js';
import { bind, execute, parse, sync } from '../support/messages.js';
import { pool } from '../support/shared-postgres.js';
import { tagsOf, WireClient } from '../support/wire-client.js';
import { Machine } from './machine.js';

const NEXT = '4.9.0';
const CONFIGURATION = '/etc/pg_doorman/pg_doorman.yaml';
/** Nothing need survive this machine, and nobody looks for manual pages by words. */
const DPKG = 'dpkg --force-unsafe-io --no-triggers';
/** Notes what it is asked; pg_doorman.service is active, its reload is what the unit says. */
const SYSTEMCTL = `#!/bin/sh
echo "$*" >>/run/asked
case "$*" in
*is-active*pg_doorman.service) ;;
*is-active*) exit 3 ;;
*reload*pg_doorman.service) MAINPID=$(cat /run/main-pid) sh -ec "$(sed -n 's/^ExecReload=//p' /usr/lib/systemd/system/pg_doorman.service)" ;;
*stop*pg_doorman.service*) kill $(cat /run/main-pid) ;;
esac
`;

const missing = Machine.missing();
if (missing !== false) console.error(`\n*** test/packaging/deb.test.ts: ${missing} ***\n`);

describe('the .deb', { skip: missing }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-deb-'));
  let machine: Machine;
  let first: string;
  let next: string;
  let service: Output;
  let port: number;
  let client: WireClient;

  before(async () => {
    const description = JSON.parse(readFileSync('package.json', 'utf8'));
    first = await build(String(description.version), 'package.json');
    const other = join(directory, 'package.json');
    writeFileSync(other, JSON.stringify({ ...description, version: NEXT }));
    next = await build(NEXT, other);
    machine = await Machine.start(directory);
  });
  after(async () => {
    client.close();
    await machine.end();
    rmSync(directory, { recursive: true });
  });

  async function build(version: string, description: string): Promise<string> {
    const executables = join(directory, version);
    mkdirSync(executables);
    await buildExecutable(executables, description);
    return buildDeb(executables, directory, version);
  }

  test('installs both commands, their units, and a configuration for root and the account only', () => {
    machine.run(`${DPKG} --install ${first}`);
    assert.match(machine.run('pg_doorman --version'), /^pg_doorman 4/);
    assert.match(machine.run('patroni_proxy --version'), /^patroni_proxy 4/);
    const modes = machine.run('stat -c "%a %U:%G %n" /etc/pg_doorman /etc/pg_doorman/*');
    assert.equal(
      modes,
      `750 root:pg_doorman /etc/pg_doorman
640 root:pg_doorman /etc/pg_doorman/patroni_proxy.yaml
640 root:pg_doorman ${CONFIGURATION}
`,
    );
    assert.match(machine.run('getent passwd pg_doorman'), /:\/nonexistent:\/usr\/sbin\/nologin\n$/);
    machine.run('man --warnings=all --encoding=ascii pg_doorman patroni_proxy >/dev/null');
    assert.equal(machine.run('dpkg --verify pg-doorman'), '');
  });

  test('has units that systemd understands', () => {
    const units = 'pg_doorman.service patroni_proxy.service';
    assert.equal(
      machine.run(`! command -v systemd-analyze >/dev/null || systemd-analyze verify ${units}`),
      '',
    );
  });

  test('has examples that the programs understand, as the account', () => {
    assert.match(asAccount(`pg_doorman -t ${CONFIGURATION}`), /is in order/);
    assert.match(asAccount('patroni_proxy -t /etc/pg_doorman/patroni_proxy.yaml'), /is in order/);
  });

  test('starts as its unit says', async () => {
    port = await freePort();
    const general = {
      host: '127.0.0.1',
      port,
      pg_hba: 'host all all 127.0.0.1/32 trust\n',
      admin_password: 'x',
    };
    writeFileSync(join(directory, 'mine.yaml'), stringify({ general, pools: { postgres: pool() } }));
    machine.run(`cp ${directory}/mine.yaml ${CONFIGURATION}`);
    const [, command = ''] =
      /^ExecStart=(.*)$/m.exec(machine.run('cat /usr/lib/systemd/system/pg_doorman.service')) ?? [];
    service = new Output(machine.spawn('setpriv', ...ACCOUNT, ...command.split(' ')));
    const [, pid] = await service.find(/listening on .*, pid (\d+)/);
    machine.run(`echo ${pid} >/run/main-pid`);
    client = await WireClient.login(port, 'postgres', 'postgres');
    client.send(parse('mine', 'select 1'), sync());
    assert.equal(tagsOf(await client.until('Z')), '1Z');
  });

  test('an upgrade without systemd leaves the running one and the configuration as they are', async () => {
    machine.run(`${DPKG} --install ${next}`);
    assert.match(machine.run('pg_doorman --version'), new RegExp(NEXT));
    assert.equal(await run(client), '2DCZ');
    assert.equal(machine.run(`cat ${CONFIGURATION}`), readFileSync(join(directory, 'mine.yaml'), 'utf8'));
    assert.doesNotMatch(service.text, /upgrade/);
  });

  test('an upgrade with systemd has the running one replaced, and its clients go on', async () => {
    writeFileSync(join(directory, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
    machine.run(`cp ${directory}/systemctl /usr/bin/systemctl; mkdir -p /run/systemd/system`);
    machine.run(`${DPKG} --install ${next}`);
    await service.find(/upgrade: process \d+ has ended; 1 of its clients went on here/);
    const [, pid] = await service.find(new RegExp(`pg_doorman ${NEXT}, pid (\\d+)`));
    machine.run(`echo ${pid} >/run/main-pid`);
    assert.equal(await run(client), '2DCZ');
    assert.match(machine.run('cat /run/asked'), /daemon-reload\n.*\nreload pg_doorman.service\n/s);
  });

  test('its removal stops the services and keeps the configuration', async () => {
    machine.run(`${DPKG} --remove pg-doorman`);
    assert.match(machine.run('cat /run/asked'), /\nstop pg_doorman.service patroni_proxy.service\n/);
    await service.closed();
    machine.run(`test ! -e /usr/bin/pg_doorman -a ! -e /usr/bin/patroni_proxy -a -e ${CONFIGURATION}`);
  });

  test('its purge leaves nothing', () => {
    machine.run(`mkdir /var/cache/pg_doorman; ${DPKG} --purge pg-doorman`);
    const left = 'ls -d /etc/pg_doorman* /var/cache/pg_doorman /usr/share/doc/pg-doorman || true';
    assert.doesNotMatch(machine.run(left), /^\//m);
    assert.equal(machine.run('getent passwd pg_doorman || getent group pg_doorman || true'), '');
  });

  const ACCOUNT = ['--reuid', 'pg_doorman', '--regid', 'pg_doorman', '--clear-groups'];

  function asAccount(command: string): string {
    return machine.run(`setpriv ${ACCOUNT.join(' ')} ${command}`);
  }
});

async function run(client: WireClient): Promise<string> {
  client.send(bind('', 'mine'), execute(), sync());
  return tagsOf(await client.until('Z'));
}
