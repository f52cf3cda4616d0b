/** Durations and sizes as people write them. 3.3.1 documentation, "Human-Readable Values". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { durationText, parseDuration, parseSize, sizeText } from '../../../src/config/units.js';

const DURATIONS: readonly [number | string, number][] = [
  [0, 0],
  [5000, 5000],
  ['5000', 5000],
  ['100us', 0.1],
  ['0.1ms', 0.1],
  ['100ms', 100],
  ['5s', 5000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['1.5s', 1500],
  [' 5 s ', 5000],
  [0.1, 0.1],
];
for (const [text, milliseconds] of DURATIONS) {
  test(`the duration ${JSON.stringify(text)} is ${milliseconds} ms`, () => {
    assert.equal(parseDuration(text), milliseconds);
  });
}

for (const text of [
  '',
  's',
  '-5s',
  '5 minutes',
  '5S',
  '5M',
  '1h30m',
  '1.s',
  '.5s',
  '5w',
  '1e3',
  -1,
  Infinity,
  NaN,
]) {
  test(`${JSON.stringify(text)} (${typeof text}) is no duration`, () => {
    assert.equal(parseDuration(text), null);
  });
}

test('a duration has no more than whole microseconds', () => {
  assert.equal(parseDuration('0.0004ms'), 0);
  assert.equal(parseDuration('1.5us'), 0.002);
});

const SIZES: readonly [number | string, number][] = [
  [0, 0],
  [1_048_576, 1_048_576],
  ['1048576', 1_048_576],
  ['1024B', 1024],
  ['1K', 1024],
  ['1KB', 1024],
  ['1M', 1_048_576],
  ['1MB', 1_048_576],
  ['1G', 1_073_741_824],
  ['1GB', 1_073_741_824],
  ['256MB', 268_435_456],
  ['1.5K', 1536],
  [' 8 MB ', 8_388_608],
];
for (const [text, bytes] of SIZES) {
  test(`the size ${JSON.stringify(text)} is ${bytes} bytes`, () => {
    assert.equal(parseSize(text), bytes);
  });
}

for (const text of ['', 'MB', '-1K', '1 mega', '1T', '1KiB', '0.5B', '0.3K', 1.5, -1, NaN]) {
  test(`${JSON.stringify(text)} (${typeof text}) is no size`, () => {
    assert.equal(parseSize(text), null);
  });
}

test('the unit of a size may be in any case', () => {
  const unit = fc
    .constantFrom('b', 'k', 'kb', 'm', 'mb', 'g', 'gb')
    .chain((text) => fc.mixedCase(fc.constant(text)).map((mixed) => ({ text, mixed })));
  fc.assert(
    fc.property(fc.nat(1000), unit, (count, { text, mixed }) => {
      const bytes = parseSize(`${count}${mixed}`);
      assert.notEqual(bytes, null);
      assert.equal(bytes, parseSize(`${count}${text}`));
    }),
  );
});

test('a whole number of any unit is exactly so many times the unit', () => {
  const unit = fc.constantFrom<[string, number]>(
    ['ms', 1],
    ['s', 1000],
    ['m', 60_000],
    ['h', 3_600_000],
    ['d', 86_400_000],
  );
  fc.assert(
    fc.property(fc.nat(100_000), unit, (count, [name, milliseconds]) => {
      assert.equal(parseDuration(`${count}${name}`), count * milliseconds);
    }),
  );
});

for (const [milliseconds, text] of [
  [0, '0'],
  [0.1, '100us'],
  [1, '1ms'],
  [1500, '1500ms'],
  [90_000, '90s'],
  [600_000, '10m'],
  [86_400_000, '1d'],
] as const) {
  test(`${milliseconds} ms are written as ${text}`, () => {
    assert.equal(durationText(milliseconds), text);
  });
}

for (const [bytes, text] of [
  [0, '0'],
  [1000, '1000'],
  [1024, '1KB'],
  [1_048_576, '1MB'],
  [1_610_612_736, '1536MB'],
  [2_147_483_648, '2GB'],
] as const) {
  test(`${bytes} bytes are written as ${text}`, () => {
    assert.equal(sizeText(bytes), text);
  });
}

test('what is written of a duration or a size is that duration or size', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (microseconds, bytes) => {
      assert.equal(parseDuration(durationText(microseconds / 1000)), microseconds / 1000);
      assert.equal(parseSize(sizeText(bytes)), bytes);
    }),
  );
});
