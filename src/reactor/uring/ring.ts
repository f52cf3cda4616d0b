/** One io_uring: the submission and completion rings are mapped memory viewed as typed arrays, so that queueing an
 *  operation and reading a completion are no calls out of JavaScript; `enter` is the only one, once a round.
 *  io_uring(7), io_uring_setup(2), io_uring_enter(2). */
import {
  CQE_BYTES,
  CQE_RESULT_AT,
  CQE_WORDS,
  GETEVENTS_ARG_BYTES,
  GETEVENTS_ARG_TS_AT,
  IORING_ENTER_EXT_ARG,
  IORING_ENTER_GETEVENTS,
  IORING_FEAT_EXT_ARG,
  IORING_FEAT_NODROP,
  IORING_FEAT_SINGLE_MMAP,
  IORING_FEAT_SUBMIT_STABLE,
  IORING_OFF_SQES,
  IORING_SETUP_COOP_TASKRUN,
  IORING_SETUP_CQSIZE,
  IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_NO_SQARRAY,
  IORING_SETUP_SINGLE_ISSUER,
  IOSQE_CQE_SKIP_SUCCESS,
  type Op,
  PARAMS_CQ_ENTRIES,
  PARAMS_CQ_OFF_CQES,
  PARAMS_CQ_OFF_HEAD,
  PARAMS_CQ_OFF_TAIL,
  PARAMS_FEATURES,
  PARAMS_FLAGS,
  PARAMS_SQ_ENTRIES,
  PARAMS_SQ_OFF_ARRAY,
  PARAMS_SQ_OFF_HEAD,
  PARAMS_SQ_OFF_TAIL,
  PARAMS_WORDS,
  SQE_BYTES,
  SQE_WORDS,
} from '../kernel-structs.js';
import {
  close,
  Errno,
  type Fd,
  ioUringEnter,
  ioUringSetup,
  type MappedRange,
  mapMemory,
  mapShared,
  SystemError,
} from '../libc.js';
import { highWord, lowWord, wordAt } from '../words.js';

/** Small, so that both rings stay in the processor's cache: more submissions are handed over early, and more
 *  completions are kept by the kernel for so long (NODROP). */
const SUBMISSIONS = 256;
const COMPLETIONS = 2048;
/** No result of an accept. */
const TAKEN = -1;
/** Features without which we do not want it; all of kernel 5.11 or newer. */
const FEATURES_NEEDED =
  IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG;

/** Ways to set a ring up, best first, with what the kernel must be for each. */
export const SETUPS: readonly { readonly flags: number; readonly missing: string }[] = [
  { flags: IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_NO_SQARRAY, missing: '' },
  { flags: IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, missing: 'NO_SQARRAY (kernel 6.6)' },
  { flags: IORING_SETUP_COOP_TASKRUN, missing: 'DEFER_TASKRUN (kernel 6.1) and multishot receives (6.0)' },
];

/** io_uring is not to be had, or lacks what we need. */
export class UringUnavailable extends Error {
  override readonly name = 'UringUnavailable';
}

/** Where a ring's memory is, and at which of its 32-bit words what stands: for who looks into it when its thread has
 *  ended. */
export interface RingMemory {
  readonly rings: MappedRange;
  readonly entries: MappedRange;
  readonly sqHeadAt: number;
  readonly sqTailAt: number;
  readonly sqEntries: number;
  readonly cqesAt: number;
  readonly cqEntries: number;
}

/** Those of this thread. */
export const ringMemories: RingMemory[] = [];

export class Ring {
  readonly fd: Fd;
  private readonly words: Int32Array;
  private readonly sqes: Int32Array;
  private readonly sqTailAt: number;
  private readonly cqHeadAt: number;
  private readonly cqTailAt: number;
  private readonly cqesAt: number;
  private readonly sqMask: number;
  private readonly cqMask: number;
  private readonly sqEntries: number;
  /** The kernel writes completions only while this thread is in io_uring_enter. */
  private readonly isQuiet: boolean;
  private readonly waitAddress: number;
  /** struct __kernel_timespec of the next wait, in 32-bit words. */
  private readonly timespec: Int32Array;
  private tail = 0;
  private head = 0;
  private knownTail = 0;
  private pending = 0;
  /** The fields of the completion that `next` has read. */
  data0 = 0;
  data1 = 0;
  result = 0;
  flags = 0;

  /** Throws UringUnavailable with the reason. */
  constructor(setupFlags: number) {
    const parameters = new Int32Array(PARAMS_WORDS);
    parameters[PARAMS_CQ_ENTRIES] = COMPLETIONS;
    parameters[PARAMS_FLAGS] = IORING_SETUP_CQSIZE | setupFlags;
    const fd = ioUringSetup(SUBMISSIONS, parameters);
    if (fd < 0) throw new UringUnavailable(new SystemError('io_uring_setup', fd).message);
    this.fd = fd as Fd;
    this.isQuiet = (setupFlags & IORING_SETUP_DEFER_TASKRUN) !== 0;
    if ((wordAt(parameters, PARAMS_FEATURES) & FEATURES_NEEDED) !== FEATURES_NEEDED) {
      close(this.fd);
      throw new UringUnavailable('the kernel is older than 5.11');
    }
    this.sqEntries = wordAt(parameters, PARAMS_SQ_ENTRIES);
    const cqEntries = wordAt(parameters, PARAMS_CQ_ENTRIES);
    this.sqMask = this.sqEntries - 1;
    this.cqMask = cqEntries - 1;
    this.sqTailAt = wordAt(parameters, PARAMS_SQ_OFF_TAIL) >> 2;
    this.cqHeadAt = wordAt(parameters, PARAMS_CQ_OFF_HEAD) >> 2;
    this.cqTailAt = wordAt(parameters, PARAMS_CQ_OFF_TAIL) >> 2;
    this.cqesAt = wordAt(parameters, PARAMS_CQ_OFF_CQES) >> 2;
    const hasArray = (setupFlags & IORING_SETUP_NO_SQARRAY) === 0;
    const arrayAt = wordAt(parameters, PARAMS_SQ_OFF_ARRAY);
    const cqEnd = wordAt(parameters, PARAMS_CQ_OFF_CQES) + cqEntries * CQE_BYTES;
    const ringBytes = hasArray ? Math.max(cqEnd, arrayAt + this.sqEntries * 4) : cqEnd;
    const rings = mapShared(this.fd, 0, ringBytes);
    const entries = mapShared(this.fd, IORING_OFF_SQES, this.sqEntries * SQE_BYTES);
    this.words = new Int32Array(rings.buffer);
    this.sqes = new Int32Array(entries.buffer);
    ringMemories.push({
      rings: { address: rings.address, length: ringBytes },
      entries: { address: entries.address, length: this.sqEntries * SQE_BYTES },
      sqHeadAt: wordAt(parameters, PARAMS_SQ_OFF_HEAD) >> 2,
      sqTailAt: this.sqTailAt,
      sqEntries: this.sqEntries,
      cqesAt: this.cqesAt,
      cqEntries,
    });
    // Without NO_SQARRAY the kernel looks entries up in an array of indices: each stands for itself, for good.
    if (hasArray) for (let i = 0; i < this.sqEntries; i++) this.words[(arrayAt >> 2) + i] = i;
    const argument = mapMemory(4096);
    const timespecAt = 64;
    new BigInt64Array(argument.buffer)[GETEVENTS_ARG_TS_AT / 8] = BigInt(argument.address + timespecAt);
    this.waitAddress = argument.address;
    this.timespec = new Int32Array(argument.buffer, timespecAt, 4);
  }

  /** Begins an operation and returns where its words stand; set those that differ from zero with the `put` calls.
   *  (data0, data1) come back with its completion. The entry is complete before the next `begin` or `enter`. */
  begin(op: Op, fd: number, data0: number, data1: number): number {
    if (this.pending === this.sqEntries) this.submit();
    const { sqes } = this;
    const at = (this.tail & this.sqMask) * SQE_WORDS;
    sqes[at] = op;
    sqes[at + 1] = fd;
    sqes[at + 2] = 0;
    sqes[at + 3] = 0;
    sqes[at + 4] = 0;
    sqes[at + 5] = 0;
    sqes[at + 6] = 0;
    sqes[at + 7] = 0;
    sqes[at + 8] = data0;
    sqes[at + 9] = data1;
    sqes[at + 10] = 0;
    sqes[at + 11] = 0;
    sqes[at + 12] = 0;
    sqes[at + 13] = 0;
    sqes[at + 14] = 0;
    sqes[at + 15] = 0;
    this.tail = (this.tail + 1) | 0;
    // The kernel reads the tail inside io_uring_enter on this very thread: an ordinary store is in time.
    this.words[this.sqTailAt] = this.tail;
    this.pending++;
    return at;
  }

  putFlags(at: number, sqeFlags: number, ioprio: number): void {
    this.sqes[at] = wordAt(this.sqes, at) | (sqeFlags << 8) | (ioprio << 16);
  }

  /** Makes an entry of this round one whose completion comes in any case, with other user data and own flags. */
  retarget(at: number, data1: number, operationFlags: number): void {
    this.sqes[at] = wordAt(this.sqes, at) & ~(IOSQE_CQE_SKIP_SUCCESS << 8);
    this.sqes[at + 7] = operationFlags;
    this.sqes[at + 9] = data1;
  }

  /** Whether all that was queued has been handed to the kernel. */
  get isSubmitted(): boolean {
    return this.pending === 0;
  }

  /** addr and len: memory, or what stands in their place for this operation. */
  putMemory(at: number, address: number, length: number): void {
    const { sqes } = this;
    sqes[at + 4] = lowWord(address);
    sqes[at + 5] = highWord(address);
    sqes[at + 6] = length;
  }

  /** addr as two words of user data. */
  putTarget(at: number, data0: number, data1: number): void {
    this.sqes[at + 4] = data0;
    this.sqes[at + 5] = data1;
  }

  /** off (or addr2), when it is below 2^53. */
  putOffset(at: number, offset: number): void {
    this.sqes[at + 2] = lowWord(offset);
    this.sqes[at + 3] = highWord(offset);
  }

  /** msg_flags, accept_flags, cancel_flags: the operation's own. */
  putOperationFlags(at: number, flags: number): void {
    this.sqes[at + 7] = flags;
  }

  /** The buffer group that a receive takes from. */
  putGroup(at: number, group: number): void {
    this.sqes[at + 10] = group;
  }

  /** Hands what is queued to the kernel without waiting. */
  submit(): void {
    this.enter(0, 0);
  }

  /** Submits what is queued, and waits for a completion: for at most `timeoutMs`, Infinity for as long as it takes,
   *  0 not at all. Throws SystemError. */
  wait(timeoutMs: number): void {
    if (timeoutMs === Number.POSITIVE_INFINITY) return this.enter(1, 0);
    if (timeoutMs <= 0) return this.enter(0, 0);
    const seconds = Math.min(Math.floor(timeoutMs / 1000), 0x7fffffff);
    this.timespec[0] = seconds;
    this.timespec[2] = Math.floor((timeoutMs - seconds * 1000) * 1e6) % 1e9;
    this.enter(1, IORING_ENTER_EXT_ARG);
  }

  private enter(waitFor: number, flags: number): void {
    const argument = flags === 0 ? 0 : this.waitAddress;
    const length = flags === 0 ? 0 : GETEVENTS_ARG_BYTES;
    do {
      const result = ioUringEnter(
        this.fd,
        this.pending,
        waitFor,
        IORING_ENTER_GETEVENTS | flags,
        argument,
        length,
      );
      if (result >= 0) this.pending -= result;
      else if (!isOrdinary(result)) throw new SystemError('io_uring_enter', result);
      else return;
    } while (waitFor === 0 && this.pending === this.sqEntries);
  }

  /** Reads the next completion into the fields; false when there is none for now. */
  next(): boolean {
    const { words } = this;
    if (this.head === this.knownTail && !this.hasMore()) return false;
    const at = this.cqesAt + (this.head & this.cqMask) * CQE_WORDS;
    this.data0 = wordAt(words, at);
    this.data1 = wordAt(words, at + 1);
    this.result = wordAt(words, at + CQE_RESULT_AT);
    this.flags = wordAt(words, at + 3);
    this.head = (this.head + 1) | 0;
    return true;
  }

  /** The completion that `next` has read says no more what it brought. */
  tookResult(): void {
    this.words[this.cqesAt + ((this.head - 1) & this.cqMask) * CQE_WORDS + CQE_RESULT_AT] = TAKEN;
  }

  /** Gives the entries read so far back to the kernel, and looks for new ones. */
  private hasMore(): boolean {
    const { words, cqHeadAt, cqTailAt } = this;
    if (this.isQuiet) {
      words[cqHeadAt] = this.head;
      this.knownTail = wordAt(words, cqTailAt);
    } else {
      Atomics.store(words, cqHeadAt, this.head);
      this.knownTail = Atomics.load(words, cqTailAt);
    }
    return this.head !== this.knownTail;
  }

  close(): void {
    close(this.fd);
  }
}

/** The time is over, a signal came, or completions are to be read first. */
function isOrdinary(result: number): boolean {
  return (
    result === -Errno.ETIME || result === -Errno.EINTR || result === -Errno.EBUSY || result === -Errno.EAGAIN
  );
}
