/** Framing: the same messages are found however the stream is cut, and no length is believed that cannot be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Frame, Framer, SPLIT } from '../../../src/wire/framer.js';
import { HEADER_LENGTH, LENGTH_LENGTH } from '../../../src/wire/tags.js';
import { octets, textOf } from './octets.js';

const BODY_MAX = 1 << 20;
const DATA_ROW = 0x44;
const COPY_DATA = 0x64;

interface Message {
  readonly tag: number;
  readonly body: Uint8Array;
}

const message: fc.Arbitrary<Message> = fc.record({
  tag: fc.integer({ min: 0, max: 255 }),
  body: fc.uint8Array({ maxLength: 40 }),
});
const messages = fc.array(message, { maxLength: 20 });

/** A message as it stands in the stream; `length` puts another number into its length field. */
function encoded({ tag, body }: Message, length = body.length + LENGTH_LENGTH): Uint8Array {
  const bytes = Buffer.alloc(HEADER_LENGTH + body.length);
  bytes[0] = tag;
  bytes.writeInt32BE(length, 1);
  bytes.set(body, HEADER_LENGTH);
  return bytes;
}

function streamOf(list: readonly Message[]): Uint8Array {
  return Buffer.concat(list.map((each) => encoded(each)));
}

/** The stream cut at these places (any numbers: they are taken modulo its length), empty pieces among them. */
function piecesOf(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b);
  return [0, ...places].map((from, i) => stream.subarray(from, places[i] ?? stream.length));
}

/** Reads one piece, each with its own bytes before and behind it, and adds what it finds to `found`. */
function readPiece(framer: Framer, piece: Uint8Array, found: { tag: number; body: number[] }[]): void {
  const offset = 3;
  const bytes = new Uint8Array(piece.length + 2 * offset).fill(0xee);
  bytes.set(piece, offset);
  const end = offset + piece.length;
  for (let at = offset; at < end; ) {
    const frame = framer.next(bytes, at, end);
    if (frame === Frame.Starved) return;
    assert.notEqual(frame, Frame.Violation);
    if (frame === Frame.Message) {
      assert.equal(framer.bodyLength, framer.bodyEnd - framer.bodyAt + framer.remaining);
      found.push({ tag: framer.tag, body: [] });
    }
    found.at(-1)?.body.push(...bytes.subarray(framer.bodyAt, framer.bodyEnd));
    at = framer.bodyEnd;
  }
}

test('a stream that is cut anywhere gives the same messages', () => {
  fc.assert(
    fc.property(messages, fc.array(fc.nat(), { maxLength: 30 }), (sent, cuts) => {
      const framer = new Framer(BODY_MAX);
      const found: { tag: number; body: number[] }[] = [];
      for (const piece of piecesOf(streamOf(sent), cuts)) readPiece(framer, piece, found);
      assert.deepEqual(
        found,
        sent.map(({ tag, body }) => ({ tag, body: [...body] })),
      );
      assert.equal(framer.isInside, false);
    }),
  );
});

test('a stream that comes byte by byte gives the same messages', () => {
  fc.assert(
    fc.property(messages, (sent) => {
      const framer = new Framer(BODY_MAX);
      const found: { tag: number; body: number[] }[] = [];
      for (const byte of streamOf(sent)) readPiece(framer, Uint8Array.of(byte), found);
      assert.deepEqual(
        found,
        sent.map(({ tag, body }) => ({ tag, body: [...body] })),
      );
    }),
  );
});

test('a framer is inside a message exactly while some of it is still to come', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const stream = encoded(sent);
      const framer = new Framer(BODY_MAX);
      for (let at = 0; at < stream.length; at++) {
        readPiece(framer, stream.subarray(at, at + 1), [{ tag: 0, body: [] }]);
        assert.equal(framer.isInside, at + 1 < stream.length);
      }
    }),
  );
});

test('the header lies where the message begins, or is said to be split', () => {
  const stream = octets('Z\0\0\0\x05IC\0\0\0\x06ab');
  const framer = new Framer(BODY_MAX);
  assert.equal(framer.next(stream, 0, 8), Frame.Message);
  assert.equal(framer.headerAt, 0);
  assert.equal(framer.next(stream, 6, 8), Frame.Starved);
  assert.equal(framer.next(stream, 8, stream.length), Frame.Message);
  assert.equal(framer.headerAt, SPLIT);
  assert.equal(textOf(stream.subarray(framer.bodyAt, framer.bodyEnd)), 'ab');
});

test('a message without a body is whole when its header is', () => {
  const framer = new Framer(BODY_MAX);
  const stream = octets('S\0\0\0\x04');
  assert.equal(framer.next(stream, 0, stream.length), Frame.Message);
  assert.equal(framer.bodyLength, 0);
  assert.equal(framer.bodyEnd, stream.length);
  assert.equal(framer.isInside, false);
});

test('no bytes are no message', () => {
  const framer = new Framer(BODY_MAX);
  assert.equal(framer.next(new Uint8Array(0), 0, 0), Frame.Starved);
  assert.equal(framer.isInside, false);
});

const impossibleLength = fc.oneof(
  fc.integer({ min: -0x80000000, max: LENGTH_LENGTH - 1 }),
  fc.integer({ min: 100 + LENGTH_LENGTH + 1, max: 0x7fffffff }),
);

test('a length below four or above the limit is a violation, wherever the header is cut', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      impossibleLength,
      fc.nat({ max: 4 }),
      (tag, length, cut) => {
        const stream = encoded({ tag, body: new Uint8Array(10) }, length);
        const framer = new Framer(100);
        if (cut > 0) assert.equal(framer.next(stream, 0, cut), Frame.Starved);
        assert.equal(framer.next(stream, cut, stream.length), Frame.Violation);
      },
    ),
  );
});

test('a length at the limit is a message, wherever the header is cut', () => {
  fc.assert(
    fc.property(fc.nat({ max: 4 }), (cut) => {
      const stream = encoded({ tag: DATA_ROW, body: new Uint8Array(100) });
      const framer = new Framer(100);
      if (cut > 0) assert.equal(framer.next(stream, 0, cut), Frame.Starved);
      assert.equal(framer.next(stream, cut, stream.length), Frame.Message);
      assert.equal(framer.bodyLength, 100);
    }),
  );
});

test('the largest length that the field can hold is read as it is', () => {
  const framer = new Framer(0x7fffffff);
  const stream = octets('d\x7f\xff\xff\xff');
  assert.equal(framer.next(stream, 0, stream.length), Frame.Message);
  assert.equal(framer.bodyLength, 0x7fffffff - LENGTH_LENGTH);
});

/** Where whole messages of the two tags end, found with next(). */
function endOfRows(stream: Uint8Array, tag: number, otherTag: number): number {
  const framer = new Framer(BODY_MAX);
  for (let at = 0; ; at = framer.bodyEnd) {
    const frame = framer.next(stream, at, stream.length);
    if (frame !== Frame.Message || framer.remaining > 0) return at;
    if (framer.tag !== tag && framer.tag !== otherTag) return at;
  }
}

const rowOrOther = fc.record({
  tag: fc.constantFrom(DATA_ROW, DATA_ROW, DATA_ROW, COPY_DATA, COPY_DATA, 0x43, 0x5a),
  body: fc.uint8Array({ maxLength: 20 }),
});

test('skipRows stops where next finds the first other or unfinished message', () => {
  fc.assert(
    fc.property(fc.array(rowOrOther, { maxLength: 20 }), fc.nat(), (sent, cut) => {
      const whole = streamOf(sent);
      const stream = whole.subarray(0, whole.length - (cut % (whole.length + 1)));
      const skipped = new Framer(BODY_MAX).skipRows(stream, 0, stream.length, DATA_ROW, COPY_DATA);
      assert.equal(skipped, endOfRows(stream, DATA_ROW, COPY_DATA));
    }),
  );
});

test('skipRows leaves a row with an impossible length to next, which says that it is a violation', () => {
  fc.assert(
    fc.property(fc.integer({ min: -0x80000000, max: LENGTH_LENGTH - 1 }), (length) => {
      const row = encoded({ tag: DATA_ROW, body: octets('row') });
      const stream = Buffer.concat([row, encoded({ tag: DATA_ROW, body: octets('row') }, length)]);
      const framer = new Framer(BODY_MAX);
      const at = framer.skipRows(stream, 0, stream.length, DATA_ROW, DATA_ROW);
      assert.equal(at, row.length);
      assert.equal(framer.next(stream, at, stream.length), Frame.Violation);
    }),
  );
});

test('skipRows passes over nothing inside a message', () => {
  const row = encoded({ tag: DATA_ROW, body: octets('row') });
  const insideBody = new Framer(BODY_MAX);
  assert.equal(insideBody.next(encoded({ tag: DATA_ROW, body: octets('abc') }), 0, 6), Frame.Message);
  assert.equal(insideBody.skipRows(row, 0, row.length, DATA_ROW, DATA_ROW), 0);
  const insideHeader = new Framer(BODY_MAX);
  assert.equal(insideHeader.next(row, 0, 3), Frame.Starved);
  assert.equal(insideHeader.skipRows(row, 0, row.length, DATA_ROW, DATA_ROW), 0);
});

test('after rewind next finds the same message again, wherever the stream is cut', () => {
  fc.assert(
    fc.property(message, fc.nat({ max: 44 }), fc.array(message, { maxLength: 3 }), (first, place, others) => {
      const stream = streamOf([first, ...others]);
      const cut = place % encoded(first).length;
      const framer = new Framer(BODY_MAX);
      const found: { tag: number; body: number[] }[] = [];
      let at = 0;
      if (framer.next(stream, 0, cut) === Frame.Starved) {
        at = cut;
        assert.equal(framer.next(stream, at, stream.length), Frame.Message);
      }
      const begin = framer.rewind();
      assert.equal(framer.next(stream, begin, stream.length), Frame.Message);
      found.push({ tag: framer.tag, body: [...stream.subarray(framer.bodyAt, framer.bodyEnd)] });
      readPiece(framer, stream.subarray(framer.bodyEnd), found);
      assert.deepEqual(
        found,
        [first, ...others].map(({ tag, body }) => ({ tag, body: [...body] })),
      );
    }),
  );
});

test('after rewind a message without a body is found again in no bytes at all', () => {
  const framer = new Framer(BODY_MAX);
  const stream = octets('S\0\0\0\x04');
  framer.next(stream, 0, 3);
  framer.next(stream, 3, stream.length);
  assert.equal(framer.rewind(), stream.length);
  assert.equal(framer.next(stream, stream.length, stream.length), Frame.Message);
  assert.equal(framer.tag, 0x53);
});

test('after rewind of a split header the framer is still inside the message', () => {
  const stream = octets('C\0\0\0\x06ab');
  const framer = new Framer(BODY_MAX);
  framer.next(stream, 0, 2);
  framer.next(stream, 2, stream.length);
  assert.equal(framer.isInside, false);
  assert.equal(framer.rewind(), HEADER_LENGTH);
  assert.equal(framer.isInside, true);
});

test('after reset the same bytes give the same messages from the beginning', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), fc.nat(), (sent, cut) => {
      const stream = streamOf(sent);
      const framer = new Framer(BODY_MAX);
      readPiece(framer, stream.subarray(0, cut % stream.length), []);
      framer.reset();
      assert.equal(framer.isInside, false);
      const found: { tag: number; body: number[] }[] = [];
      readPiece(framer, stream, found);
      assert.deepEqual(
        found,
        sent.map(({ tag, body }) => ({ tag, body: [...body] })),
      );
    }),
  );
});

test('a written header is what was read, for a body of any length', () => {
  fc.assert(
    fc.property(message, fc.integer({ min: 0, max: 0x7fffffff - LENGTH_LENGTH }), (sent, bodyLength) => {
      const stream = encoded(sent);
      const framer = new Framer(BODY_MAX);
      framer.next(stream, 0, stream.length);
      const into = Buffer.alloc(HEADER_LENGTH + 2, 0xee);
      framer.writeHeader(into, 1, bodyLength);
      assert.equal(into[1], sent.tag);
      assert.equal(into.readInt32BE(2), bodyLength + LENGTH_LENGTH);
      assert.deepEqual([into[0], into[HEADER_LENGTH + 1]], [0xee, 0xee]);
    }),
  );
});
