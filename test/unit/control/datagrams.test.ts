/** What syslogd and the service manager get. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Taken } from '../../../src/control/log-output.js';
import { Log } from '../../../src/control/logs.js';
import { Notifier } from '../../../src/control/notify.js';
import { Syslog } from '../../../src/control/syslog.js';
import { DatagramListener } from '../../support/datagrams.js';

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-datagrams-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function listen(name: string, isDeaf = false): { path: string; listener: DatagramListener } {
  const path = join(directory, name);
  return { path, listener: new DatagramListener(path, isDeaf) };
}

describe('syslog', () => {
  const options = { level: 'debug', format: 'text', hasColor: false } as const;

  test('a line has priority, time, name and process before it, and not its own time and level', () => {
    const { path, listener } = listen('levels');
    const log = new Log({ ...options, syslog: new Syslog('doorman', path) });
    log.error('a');
    log.warn('b');
    log.info('c', { client_id: 1 });
    log.debug('d\ne');
    listener.look();
    const head = `[A-Z][a-z]{2} [ 123]\\d \\d\\d:\\d\\d:\\d\\d doorman\\[${process.pid}\\]: `;
    const expected = ['<27>', '<28>', '<30>', '<31>'].map((priority) => priority + head);
    const texts = ['a', 'b', 'c \\[client_id=1\\]', 'd e'];
    assert.equal(listener.received.length, 4);
    listener.received.forEach((line, i) => {
      assert.match(line, new RegExp(`^${expected[i]}${texts[i]}$`));
    });
    listener.close();
  });

  test('a structured line is an object behind the same head', () => {
    const { path, listener } = listen('structured');
    new Log({ ...options, format: 'structured', syslog: new Syslog('doorman', path) }).info('x', {
      user: 'u',
    });
    listener.look();
    const { level, message, user } = JSON.parse(listener.received[0]?.replace(/^.*?\]: /, '') ?? '');
    assert.deepEqual({ level, message, user }, { level: 'INFO', message: 'x', user: 'u' });
    listener.close();
  });

  test('a syslogd that is started anew gets the next line', () => {
    const { path, listener } = listen('again');
    const syslog = new Syslog('doorman', path);
    assert.equal(syslog.take('one', 'info'), Taken.Yes);
    listener.close();
    rmSync(path);
    assert.equal(syslog.take('two', 'info'), Taken.Never);
    const { listener: next } = listen('again');
    assert.equal(syslog.take('three', 'info'), Taken.Yes);
    next.look();
    assert.match(next.received.join(), /three$/);
    next.close();
  });

  test('a syslogd that does not read does not stop the writer', () => {
    const { path, listener } = listen('deaf', true);
    const syslog = new Syslog('doorman', path);
    let taken = 0;
    while (syslog.take('line', 'info') === Taken.Yes) taken++;
    assert.equal(syslog.take('line', 'info'), Taken.NotNow);
    listener.look();
    assert.equal(listener.received.length, taken);
    assert.equal(syslog.take('line', 'info'), Taken.Yes);
    listener.close();
  });

  test('where there is none it says so, with the place', () => {
    const path = join(directory, 'nothing');
    assert.equal(new Syslog('doorman', path).connect(), `connect ${path}: ENOENT`);
  });

  test('a line that no datagram has room for is cut off', () => {
    const { path, listener } = listen('long');
    assert.equal(new Syslog('doorman', path).take('x'.repeat(300_000), 'info'), Taken.Yes);
    listener.look();
    assert.equal(listener.received[0]?.length, 8192);
    listener.close();
  });
});

describe('the service manager', () => {
  for (const name of [join(directory, 'manager'), `@pg-doorman-test-${process.pid}`]) {
    test(`is told at ${name.startsWith('@') ? 'an abstract name' : 'a path'} what sd_notify(3) says`, () => {
      const listener = new DatagramListener(name);
      const notify = new Notifier(name);
      notify.ready();
      notify.reloading();
      notify.stopping();
      notify.stopping(1500);
      notify.mainPid(4711);
      notify.status('two\nlines');
      listener.look();
      const [ready, reloading, ...others] = listener.received;
      assert.equal(ready, 'READY=1');
      assert.match(reloading ?? '', /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
      assert.deepEqual(others, [
        'STOPPING=1',
        'STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000',
        'MAINPID=4711',
        'STATUS=two lines',
      ]);
      listener.close();
    });
  }

  test('that has gone, or was never there, is no error', () => {
    new Notifier(join(directory, 'no-manager')).ready();
    new Notifier('').ready();
  });
});
