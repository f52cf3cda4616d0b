/** What the ring of a thread that has ended still had: connections that the kernel had accepted and nobody has looked at,
 *  and descriptors whose close was queued and has not been submitted. Their peers would wait for ever. Not found
 *  is what the kernel could not write into a full ring. */
import { CQE_RESULT_AT, CQE_WORDS, Op, SQE_WORDS } from '../kernel-structs.js';
import { type MappedRange, viewMemory } from '../libc.js';
import { wordAt } from '../words.js';
import type { RingMemory } from './ring.js';
import { KIND_MASK, Kind } from './uring-socket.js';

/** The operation is the lowest byte of an entry's first word, its flags stand above it. */
const OP_MASK = 0xff;

/** Descriptors. To be asked before the memory is unmapped. */
export function leftIn(memory: RingMemory): number[] {
  return [...unreadAccepts(memory), ...queuedCloses(memory)];
}

/** One that was looked at says so, see Ring.tookResult: where reading had come to does not matter. */
function unreadAccepts({ rings, cqesAt, cqEntries }: RingMemory): number[] {
  const words = wordsOf(rings);
  const found: number[] = [];
  for (let entry = 0; entry < cqEntries; entry++) {
    const at = cqesAt + entry * CQE_WORDS;
    const result = wordAt(words, at + CQE_RESULT_AT);
    if ((wordAt(words, at + 1) & KIND_MASK) === Kind.Accept && result >= 0) found.push(result);
  }
  return found;
}

function queuedCloses({ rings, entries, sqHeadAt, sqTailAt, sqEntries }: RingMemory): number[] {
  const words = wordsOf(rings);
  const sqes = wordsOf(entries);
  const found: number[] = [];
  const tail = wordAt(words, sqTailAt);
  for (let head = wordAt(words, sqHeadAt); head !== tail; head = (head + 1) | 0) {
    const at = (head & (sqEntries - 1)) * SQE_WORDS;
    if ((wordAt(sqes, at) & OP_MASK) === Op.Close) found.push(wordAt(sqes, at + 1));
  }
  return found;
}

function wordsOf({ address, length }: MappedRange): Int32Array {
  return new Int32Array(viewMemory(address, length));
}
