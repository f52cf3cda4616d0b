/** The log: levels, formats, and that a line is a line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LOG_FORMATS, LOG_LEVELS, Log, type LogOptions } from '../../../src/control/logs.js';
import type { LogLevel } from '../../../src/pooler/thread-messages.js';

/** What a log writes while it is used. */
function written(options: Partial<LogOptions>, use: (log: Log) => void): string[] {
  const lines: string[] = [];
  use(new Log({ level: 'info', format: 'text', hasColor: false, ...options }, (line) => lines.push(line)));
  return lines;
}

const TIME = '\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z';

test('a line of text has time, level and what happened', () => {
  const [line] = written({}, (log) => log.info('listening'));
  assert.match(line ?? '', new RegExp(`^${TIME} INFO  listening$`));
});

test('a line for debugging has the process and the thread, too', () => {
  const lines = written({ format: 'debug' }, (log) => {
    log.warn('slow');
    log.log('warn', 'slow', {}, 3);
  });
  assert.match(lines[0] ?? '', new RegExp(`^${TIME} WARN  \\[${process.pid} main\\] slow$`));
  assert.match(lines[1] ?? '', new RegExp(`^${TIME} WARN  \\[${process.pid} worker 3\\] slow$`));
});

test('whom a line is about stands behind the text, in quotes where it must', () => {
  const [line] = written({}, (log) =>
    log.info('client connected', {
      client_id: 17,
      user: 'alice',
      database: '',
      application_name: 'a "b" c=d]\n2026-01-01T00:00:00.000Z ERROR forged',
    }),
  );
  assert.match(
    line ?? '',
    / client connected \[client_id=17 user=alice database="" application_name="a \\"b\\" c=d\]\\n2026-.* forged"\]$/,
  );
});

test('in a structured line it is fields of the object', () => {
  const [line] = written({ format: 'structured' }, (log) =>
    log.info('client disconnected', { client_id: 17, user: 'a b', duration_ms: 12 }),
  );
  const { timestamp, ...rest } = JSON.parse(line ?? '');
  assert.match(timestamp, new RegExp(`^${TIME}$`));
  assert.deepEqual(rest, {
    level: 'INFO',
    message: 'client disconnected',
    client_id: 17,
    user: 'a b',
    duration_ms: 12,
  });
});

test('a level that is changed while the log is used is that of the next line, and others are told', () => {
  const told: LogLevel[] = [];
  const lines = written({ level: 'warn' }, (log) => {
    log.onLevel = (level) => told.push(level);
    log.info('before');
    log.setLevel('debug');
    log.debug('after');
    assert.equal(log.level, 'debug');
    log.setLevel('error');
    log.warn('at last');
  });
  assert.deepEqual(
    lines.map((line) => line.split(' ').at(-1)),
    ['after'],
  );
  assert.deepEqual(told, ['debug', 'error']);
});

test('a structured line is one JSON object', () => {
  const [line] = written({ format: 'structured' }, (log) => log.error('a "quoted"\nword'));
  const entry: unknown = JSON.parse(line ?? '');
  assert.ok(typeof entry === 'object' && entry !== null && 'timestamp' in entry);
  assert.match(String(entry.timestamp), new RegExp(`^${TIME}$`));
  assert.deepEqual(entry, { timestamp: entry.timestamp, level: 'ERROR', message: 'a "quoted"\nword' });
});

const OF_LEVEL: Readonly<Record<string, readonly string[]>> = {
  error: ['error'],
  warn: ['error', 'warn'],
  info: ['error', 'warn', 'info'],
  debug: ['error', 'warn', 'info', 'debug'],
};
for (const level of LOG_LEVELS) {
  test(`at level ${level} the log has ${OF_LEVEL[level]?.join(', ')}`, () => {
    const lines = written({ level }, (log) => {
      log.debug('debug');
      log.info('info');
      log.warn('warn');
      log.error('error');
    });
    assert.deepEqual(lines.map((line) => line.split(' ').at(-1)).toReversed(), OF_LEVEL[level]);
  });
}

test('log() writes what the method of its level writes', () => {
  for (const level of LOG_LEVELS) {
    const texts = written({ level: 'debug' }, (log) => {
      log.log(level, 'x');
      log[level]('x');
    }).map((line) => line.split(' ').slice(1).join(' '));
    assert.equal(texts[0], texts[1]);
  }
});

test('with colours the level has one of its own, and ends it', () => {
  const colours = LOG_LEVELS.map((level) => {
    const [line = ''] = written({ level: 'debug', hasColor: true }, (log) => log.log(level, 'x'));
    return line.split(' ')[1]?.split(level.toUpperCase())[0];
  });
  assert.equal(new Set(colours).size, LOG_LEVELS.length);
  const [line] = written({ hasColor: true }, (log) => log.info('x'));
  assert.ok(line?.endsWith('INFO \x1b[0m x'), line);
});

test('without colours, and in structured lines, there is no escape sequence', () => {
  const plain = written({}, (log) => log.info('x'));
  const structured = written({ format: 'structured', hasColor: true }, (log) => log.info('x'));
  for (const line of [...plain, ...structured]) assert.ok(!line.includes('\x1b'), line);
});

test('a text of several lines cannot look like entries of its own', () => {
  for (const format of LOG_FORMATS) {
    const [line = ''] = written({ format }, (log) => log.info('one\n2026-01-01T00:00:00.000Z ERROR forged'));
    for (const continued of line.split('\n').slice(1)) assert.match(continued, /^ {4}/);
  }
});

test('whatever is logged, each entry is written at once and no line but its first begins without blanks', () => {
  const unit = fc.constantFrom('a', '\n', '\r', '"', '\\', '\u2028', '\u{1F418}', ' ');
  fc.assert(
    fc.property(fc.constantFrom(...LOG_FORMATS), fc.string({ unit, maxLength: 20 }), (format, text) => {
      const lines = written({ format }, (log) => log.info(text));
      assert.equal(lines.length, 1);
      for (const continued of (lines[0] ?? '').split('\n').slice(1)) assert.match(continued, /^ {4}/);
    }),
  );
});

test('what a terminal would obey is shown instead', () => {
  const [line] = written({}, (log) => log.info('a\x1b[2Jb\rc\x9b'));
  assert.match(line ?? '', /a\\x1b\[2Jb\\x0dc\\x9b$/);
});
