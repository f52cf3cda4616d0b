/** The only door to the system: every call that is not Node.js's own is declared here, once.
 *  Each returns what its man page says, or the negative errno; pointers are plain numbers (addresses below 2^47). */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';

/** The number of an open file. Its value may belong to another file as soon as it is closed. */
export type Fd = number & { readonly brand: 'Fd' };

// The C library is already part of the node executable's process: no file name, so musl serves as well as glibc.
const libc = koffi.load(null);

type Call = (...args: (number | bigint | string | ArrayBufferView | null)[]) => number;
const declare = (prototype: string): Call => libc.func(prototype);
const declareIfThere = (prototype: string): Call | null => {
  try {
    return declare(prototype);
  } catch {
    return null;
  }
};
// syscall(2) is variadic: one fixed signature per use.
const syscall = (types: string[]): Call => libc.func('syscall', 'long', ['int64', ...types]);

/** null where the C library has none of it, as musl. */
const nativeMallocTrim = declareIfThere('int malloc_trim(size_t)');
const nativeMmap = declare('uintptr_t mmap(uintptr_t, uint64_t, int, int, int, int64_t)');
const nativeMunmap = declare('int munmap(uintptr_t, uint64_t)');
const nativeMadvise = declare('int madvise(uintptr_t, uint64_t, int)');
const nativeSocket = declare('int socket(int, int, int)');
const nativeBind = declare('int bind(int, const void*, uint32_t)');
const nativeListen = declare('int listen(int, int)');
const nativeAccept4 = declare('int accept4(int, uintptr_t, uintptr_t, int)');
const nativeConnect = declare('int connect(int, const void*, uint32_t)');
const nativeSetsockopt = declare('int setsockopt(int, int, int, const void*, uint32_t)');
const nativeGetsockopt = declare('int getsockopt(int, int, int, void*, void*)');
const nativeFcntl = declare('int fcntl(int, int, int)');
const nativeGetpeername = declare('int getpeername(int, void*, void*)');
const nativeGetsockname = declare('int getsockname(int, void*, void*)');
const nativeClose = declare('int close(int)');
const nativeShutdown = declare('int shutdown(int, int)');
const nativeRecv = declare('int64_t recv(int, uintptr_t, uint64_t, int)');
const nativeSend = declare('int64_t send(int, uintptr_t, uint64_t, int)');
const nativeSendmsg = declare('int64_t sendmsg(int, uintptr_t, int)');
const nativeRecvmsg = declare('int64_t recvmsg(int, uintptr_t, int)');
const nativeSocketpair = declare('int socketpair(int, int, int, void*)');
const nativeRead = declare('int64_t read(int, void*, uint64_t)');
const nativeWrite = declare('int64_t write(int, const void*, uint64_t)');
const nativePoll = declare('int poll(void*, uint64_t, int)');
const nativeDup2 = declare('int dup2(int, int)');
const nativeFlock = declare('int flock(int, int)');
const nativeSetAffinity = declare('int sched_setaffinity(int, uint64_t, const void*)');
const nativeClockGettime = declare('int clock_gettime(int, void*)');
const nativeEventfd = declare('int eventfd(uint32_t, int)');
const nativeEpollCreate = declare('int epoll_create1(int)');
const nativeEpollCtl = declare('int epoll_ctl(int, int, int, const void*)');
const nativeEpollWait = declare('int epoll_wait(int, void*, int, int)');
const nativeEpollWaitPrecisely = syscall(['int', 'void*', 'int', 'void*', 'uintptr_t', 'uint64']);
const nativeAioSetup = syscall(['uint32', 'void*']);
const nativeAioDestroy = syscall(['uintptr_t']);
const nativeAioSubmit = syscall(['uintptr_t', 'int64', 'uintptr_t']);
const nativeUringSetup = syscall(['uint32', 'void*']);
const nativeUringEnter = syscall(['int', 'uint32', 'uint32', 'uint32', 'uintptr_t', 'uint64']);
const nativeUringRegister = syscall(['int', 'uint32', 'void*', 'uint32']);

/** AIO's numbers are older than those that all machines have in common: where they are not known it is not used. */
const AIO_CALLS = { x64: [206, 207, 209], arm64: [0, 1, 2] };
const [SYS_IO_SETUP, SYS_IO_DESTROY, SYS_IO_SUBMIT] =
  process.arch === 'x64' || process.arch === 'arm64' ? AIO_CALLS[process.arch] : [];
const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;
const SYS_IO_URING_REGISTER = 427;
const SYS_EPOLL_PWAIT2 = 441;

/** Linux's errno values by name; calls return them negated. */
export const Errno = constants.errno;

/** What became of the last failed call, as a negative errno. */
function failure(): number {
  return -koffi.errno();
}

function checked(result: number): number {
  return result < 0 ? failure() : result;
}

/** The name of an errno, for log lines: ECONNREFUSED rather than 111. Takes it positive or negative. */
export function errnoName(errno: number): string {
  const wanted = Math.abs(errno);
  for (const [name, value] of Object.entries(Errno)) if (value === wanted) return name;
  return `errno ${wanted}`;
}

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;
const MAP_SHARED_POPULATE = 0x8001;

/** Memory outside the JavaScript heap: its address never changes, so that the kernel may hold it. */
export interface Mapping {
  readonly address: number;
  readonly buffer: ArrayBuffer;
}

/** What this thread has mapped: it stays when the thread ends. */
export const mappings: MappedRange[] = [];

export interface MappedRange {
  readonly address: number;
  readonly length: number;
}

/** munmap(2). Nobody may touch the memory any more: for that of a thread that has ended. */
export function unmap({ address, length }: MappedRange): void {
  nativeMunmap(address, length);
}

/** madvise(2) MADV_DONTNEED: the pages are read again, from the file, when they are needed. Only for a mapping of a file
 *  of which nothing has been changed. */
export function forgetPages({ address, length }: MappedRange): void {
  const MADV_DONTNEED = 4;
  nativeMadvise(address, length, MADV_DONTNEED);
}

function mapped(address: number, length: number): Mapping {
  if (address < 0 || !Number.isSafeInteger(address)) throw new SystemError('mmap', failure());
  mappings.push({ address, length });
  return { address, buffer: viewMemory(address, length) };
}

/** Memory that the kernel has put at an address. */
export function viewMemory(address: number, length: number): ArrayBuffer {
  return koffi.view(BigInt(address), length);
}

/** mmap(2) of zeroed private memory; pages cost nothing until they are touched. Throws SystemError. */
export function mapMemory(length: number): Mapping {
  return mapped(nativeMmap(0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0), length);
}

/** mmap(2) of a part of a file that the kernel shares with us, as io_uring's rings. Throws SystemError. */
export function mapShared(fd: Fd, offset: number, length: number): Mapping {
  return mapped(nativeMmap(0, length, PROT_READ_WRITE, MAP_SHARED_POPULATE, fd, offset), length);
}

/** malloc_trim(3): what free(3) has kept for later goes back to the kernel, in whichever thread it was freed. */
export function trimHeap(): void {
  nativeMallocTrim?.(0);
}

/** A system call that must not fail did fail. */
export class SystemError extends Error {
  readonly errno: number;
  constructor(call: string, errno: number, about = '') {
    super(`${call}${about === '' ? '' : ` ${about}`}: ${errnoName(errno)}`);
    this.name = 'SystemError';
    this.errno = Math.abs(errno);
  }
}

/** socket(2). */
export function socket(domain: number, type: number): number {
  return checked(nativeSocket(domain, type, 0));
}

/** bind(2). 0 or a negative errno. */
export function bind(fd: Fd, address: Uint8Array): number {
  return checked(nativeBind(fd, address, address.length));
}

/** listen(2). 0 or a negative errno. */
export function listen(fd: Fd, backlog: number): number {
  return checked(nativeListen(fd, backlog));
}

/** accept4(2) without the peer's address. */
export function accept4(fd: Fd, flags: number): number {
  return checked(nativeAccept4(fd, 0, 0, flags));
}

/** connect(2). 0 or a negative errno, -EINPROGRESS among them. */
export function connect(fd: Fd, address: Uint8Array): number {
  return checked(nativeConnect(fd, address, address.length));
}

/** setsockopt(2) with an int. 0 or a negative errno. */
export function setSocketOption(fd: Fd, level: number, option: number, value: number): number {
  return checked(nativeSetsockopt(fd, level, option, new Int32Array([value]), 4));
}

/** setsockopt(2) of SO_LINGER, see socket(7). 0 or a negative errno. */
export function setLinger(fd: Fd, seconds: number): number {
  const SOL_SOCKET = 1;
  const SO_LINGER = 13;
  return checked(nativeSetsockopt(fd, SOL_SOCKET, SO_LINGER, new Int32Array([1, seconds]), 8));
}

/** getsockopt(2) of SO_ERROR: what became of a connect that was in progress, as a positive errno or 0. */
export function socketError(fd: Fd): number {
  const SOL_SOCKET = 1;
  const SO_ERROR = 4;
  const value = new Int32Array(1);
  nativeGetsockopt(fd, SOL_SOCKET, SO_ERROR, value, new Int32Array([4]));
  return value[0] ?? 0;
}

const SOCKET_ADDRESS_MAX = 128; // struct sockaddr_storage

/** fcntl(2) F_SETFL of O_NONBLOCK, the only flag that we use. 0 or a negative errno. */
export function setNonBlocking(fd: number, isNonBlocking: boolean): number {
  const F_SETFL = 4;
  const O_NONBLOCK = 0x800;
  return checked(nativeFcntl(fd, F_SETFL, isNonBlocking ? O_NONBLOCK : 0));
}

const peerAddress = new Uint8Array(SOCKET_ADDRESS_MAX);
const peerAddressLength = new Int32Array(1);
/** Its beginnings, by length. */
const peerNames: Uint8Array[] = [];

/** getpeername(2): the struct sockaddr, empty when the peer has gone. Lent until the next call. */
export function peerName(fd: Fd): Uint8Array {
  peerAddressLength[0] = SOCKET_ADDRESS_MAX;
  const length = nativeGetpeername(fd, peerAddress, peerAddressLength) < 0 ? 0 : (peerAddressLength[0] ?? 0);
  peerNames[length] ??= peerAddress.subarray(0, length);
  return peerNames[length];
}

/** getsockname(2): the struct sockaddr. */
export function socketName(fd: Fd): Uint8Array {
  const address = new Uint8Array(SOCKET_ADDRESS_MAX);
  const length = new Int32Array([SOCKET_ADDRESS_MAX]);
  return nativeGetsockname(fd, address, length) < 0 ? new Uint8Array(0) : address.subarray(0, length[0]);
}

/** close(2). 0 or a negative errno. */
export function close(fd: Fd): number {
  return checked(nativeClose(fd));
}

/** shutdown(2). 0 or a negative errno. */
export function shutdown(fd: Fd, how: number): number {
  return checked(nativeShutdown(fd, how));
}

/** recv(2) into memory at an address. Bytes, 0 at the end, or a negative errno. */
export function recv(fd: Fd, address: number, length: number): number {
  return checked(nativeRecv(fd, address, length, 0));
}

/** send(2) from memory at an address. Bytes or a negative errno. */
export function send(fd: Fd, address: number, length: number, flags: number): number {
  return checked(nativeSend(fd, address, length, flags));
}

/** sendmsg(2) of a struct msghdr at an address. Bytes or a negative errno. */
export function sendmsg(fd: Fd, header: number, flags: number): number {
  return checked(nativeSendmsg(fd, header, flags));
}

/** recvmsg(2) into a struct msghdr at an address. Bytes, 0 at the end, or a negative errno. */
export function recvmsg(fd: Fd, header: number, flags: number): number {
  return checked(nativeRecvmsg(fd, header, flags));
}

/** socketpair(2): two unix sockets that are connected with one another. Throws SystemError. */
export function socketPair(type: number): [Fd, Fd] {
  const AF_UNIX = 1;
  const pair = new Int32Array(2);
  const result = checked(nativeSocketpair(AF_UNIX, type, 0, pair));
  if (result < 0) throw new SystemError('socketpair', result);
  return [...pair] as [Fd, Fd];
}

/** fcntl(2) F_SETFD of FD_CLOEXEC: programs that this one starts do not get it. 0 or a negative errno. */
export function closeOnExec(fd: Fd): number {
  const F_SETFD = 2;
  const FD_CLOEXEC = 1;
  return checked(nativeFcntl(fd, F_SETFD, FD_CLOEXEC));
}

/** read(2). Bytes or a negative errno. */
export function read(fd: Fd, into: Uint8Array): number {
  return checked(nativeRead(fd, into, into.length));
}

/** write(2). Bytes or a negative errno. */
export function write(fd: Fd, from: Uint8Array): number {
  return checked(nativeWrite(fd, from, from.length));
}

/** poll(2): whether a write of up to PIPE_BUF bytes would not block, or would fail at once; waits for that for so long. */
export function isWritable(fd: number, timeoutMs: number): boolean {
  const POLLOUT = 4;
  return nativePoll(new Int32Array([fd, POLLOUT]), 1, timeoutMs) > 0; // struct pollfd: fd, events, revents
}

/** dup2(2): `to` stands for the same file as `from` from now on. The descriptor, or a negative errno. */
export function dup2(from: number, to: number): number {
  return checked(nativeDup2(from, to));
}

/** flock(2), exclusive and without waiting: the lock lasts until the file is closed or the process ends. 0, or a
 *  negative errno: -EWOULDBLOCK when another has it. */
export function lockFile(fd: number): number {
  const LOCK_EX_NB = 2 | 4;
  return checked(nativeFlock(fd, LOCK_EX_NB));
}

/** The Uint64 1 in this machine's order: what an eventfd is woken with. */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Has the `onWake` of the reactor called that reads this eventfd. */
export function wake(eventFd: Fd): void {
  write(eventFd, ONE); // full of wake-ups is as good
}

/** The processors that this process may use. proc_pid_status(5) */
export function allowedProcessors(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

/** sched_setaffinity(2): has the calling thread run on one processor. 0 or a negative errno. */
export function pinThread(processor: number): number {
  const set = new Uint8Array(128); // cpu_set_t
  set[processor >> 3] = 1 << (processor & 7);
  return checked(nativeSetAffinity(0, set.length, set));
}

/** clock_gettime(2) of CLOCK_THREAD_CPUTIME_ID: what the calling thread has had of a processor. Milliseconds. */
export function threadCpuMs(): number {
  const CLOCK_THREAD_CPUTIME_ID = 3;
  const time = new BigInt64Array(2);
  nativeClockGettime(CLOCK_THREAD_CPUTIME_ID, time);
  return Number(time[0] ?? 0n) * 1000 + Number(time[1] ?? 0n) / 1e6;
}

/** eventfd(2). */
export function eventfd(flags: number): number {
  return checked(nativeEventfd(0, flags));
}

/** epoll_create1(2). */
export function epollCreate(flags: number): number {
  return checked(nativeEpollCreate(flags));
}

/** epoll_ctl(2). 0 or a negative errno. */
export function epollControl(epoll: Fd, operation: number, fd: Fd, event: Uint8Array): number {
  return checked(nativeEpollCtl(epoll, operation, fd, event));
}

/** epoll_wait(2). How many events there are, or a negative errno. */
export function epollWait(epoll: Fd, events: Uint8Array, eventsMax: number, timeoutMs: number): number {
  return checked(nativeEpollWait(epoll, events, eventsMax, timeoutMs));
}

/** struct timespec for epollWaitPrecisely. */
const precisely = new BigInt64Array(2);

/** epoll_pwait2(2), of kernel 5.11: as epollWait, for a part of a millisecond too. Up to a second. */
export function epollWaitPrecisely(
  epoll: Fd,
  events: Uint8Array,
  eventsMax: number,
  timeoutMs: number,
): number {
  precisely[1] = BigInt(Math.round(timeoutMs * 1e6));
  return checked(nativeEpollWaitPrecisely(SYS_EPOLL_PWAIT2, epoll, events, eventsMax, precisely, 0, 0));
}

/** What this thread has set up for AIO: it stays when the thread ends. */
export const aioContexts: number[] = [];

/** io_setup(2). The context, which is the address of its struct aio_ring, or a negative errno. */
export function aioSetup(requests: number): number {
  if (SYS_IO_SETUP === undefined) return -Errno.ENOSYS;
  const context = new BigUint64Array(1);
  const result = checked(nativeAioSetup(SYS_IO_SETUP, requests, context));
  if (result < 0) return result;
  const address = Number(context[0]);
  aioContexts.push(address);
  return address;
}

/** io_destroy(2): for a thread that has ended. */
export function aioDestroy(context: number): void {
  if (SYS_IO_DESTROY !== undefined) nativeAioDestroy(SYS_IO_DESTROY, context);
}

/** io_submit(2). How many of the requests the kernel took, or a negative errno. */
export function aioSubmit(context: number, count: number, pointers: number): number {
  return SYS_IO_SUBMIT === undefined
    ? -Errno.ENOSYS
    : checked(nativeAioSubmit(SYS_IO_SUBMIT, context, count, pointers));
}

/** io_uring_setup(2). */
export function ioUringSetup(entries: number, parameters: Int32Array): number {
  return checked(nativeUringSetup(SYS_IO_URING_SETUP, entries, parameters));
}

/** io_uring_enter(2). How many submissions the kernel took, or a negative errno. */
export function ioUringEnter(
  fd: Fd,
  toSubmit: number,
  waitFor: number,
  flags: number,
  argument: number,
  argumentLength: number,
): number {
  return checked(
    nativeUringEnter(SYS_IO_URING_ENTER, fd, toSubmit, waitFor, flags, argument, argumentLength),
  );
}

/** io_uring_register(2). */
export function ioUringRegister(
  fd: Fd,
  operation: number,
  argument: Uint8Array | null,
  count: number,
): number {
  return checked(nativeUringRegister(SYS_IO_URING_REGISTER, fd, operation, argument, count));
}
