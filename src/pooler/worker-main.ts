/** The program of a worker thread: opens its reactor, serves, and returns when it is told to stop. It has no event
 *  loop of its own: the thread is in the reactor all the time, and looks for messages when it is woken. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Descriptors } from '../reactor/descriptors.js';
import { aioContexts, errnoName, mappings, pinThread, trimHeap, wake } from '../reactor/libc.js';
import { openReactor } from '../reactor/open-reactor.js';
import type { Reactor } from '../reactor/reactor.js';
import { ringMemories } from '../reactor/uring/ring.js';
import { WorkerFailed } from '../wire/client-facing-error.js';
import { DataPlane } from './data-plane.js';
import { Mail, type Mailbox } from './mail.js';
import { IncomingMail, OutgoingMail } from './peer-mail.js';
import type { ToPeer } from './peers.js';
import type { ToControl, ToWorker, WorkerStart } from './thread-messages.js';

const port = parentPort;
if (port === null) throw new Error('worker-main is the program of a worker thread');
const post = (message: ToControl): void => port.postMessage(message);
const start: WorkerStart = workerData;
// A thread without an event loop has no idle time in which V8 would collect by itself.
setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');
/** With less than this left of the heap V8 soon ends the thread, without a word to anybody. */
const HEAP_LEFT_MIN = 0.15;

try {
  const pinned = start.processor === null ? 0 : pinThread(start.processor);
  const descriptors = new Descriptors(start.shared.descriptors, start.index);
  const { reactor, why } = openReactor(start.settings.ioBackend, start.wakeFd, descriptors);
  const plane = new DataPlane(start, reactor, post);
  plane.pulse.onManyLeft = giveMemoryBack;
  let hasRoom = true;
  plane.pulse.onSecond = () => {
    hasRoom = !isHeapFull();
    if (!hasRoom) reactor.stop();
  };
  reactor.onBug = (error) =>
    plane.log('error', `bug: ${error instanceof Error ? error.stack : String(error)}`);
  const mail = new Mail(plane.inbox, controlMail(port, new Int32Array(start.posted)));
  reactor.onWake = () => mail.read((peer) => meet(plane, mail, descriptors, peer));
  if (pinned < 0) plane.log('warn', `cannot be bound to processor ${start.processor}: ${errnoName(pinned)}`);
  giveMemoryBack(); // starting leaves a sixth of the heap unused
  plane.begin();
  post({ type: 'ready', backend: reactor.name, why, mappings, aioContexts, rings: ringMemories });
  serve(plane, reactor, mail, () => hasRoom);
} catch (error) {
  post({ type: 'cannotStart', why: error instanceof Error ? error.message : String(error) });
}

/** An error that is no one session's ends the thread, and so does a heap without room: the control plane puts another in
 *  its place. */
function serve(plane: DataPlane, reactor: Reactor, mail: Mail, hasRoom: () => boolean): void {
  try {
    reactor.run();
    if (!hasRoom()) throw new RangeError('out of memory: the heap of its JavaScript is full');
  } catch (error) {
    plane.board.setAlive(plane.start.index, false); // nobody is sent here any more
    post({ type: 'dying', why: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    try {
      mail.readClients();
    } catch (another) {
      reactor.onBug(another);
    }
    plane.tellClients(new WorkerFailed());
  }
}

function meet(
  plane: DataPlane,
  mail: Mail,
  descriptors: Descriptors,
  { worker, port: peerPort, wakeFd, incoming, outgoing }: ToWorker & { type: 'peer' },
): void {
  mail.comesFrom(worker, new IncomingMail(incoming, mailboxOf<ToPeer>(peerPort)));
  const link = new OutgoingMail(outgoing, peerPort);
  plane.peerCame(worker, {
    post: (toPeer) => {
      if ('detached' in toPeer) descriptors.give(toPeer.detached.fd, worker);
      link.post(toPeer);
      wake(wakeFd);
    },
  });
}

/** The port is looked into only when something has been posted: that alone takes microseconds, at every wake. */
function controlMail(from: MessagePort, posted: Int32Array): Mailbox<ToWorker> {
  const box = mailboxOf<ToWorker>(from);
  let taken = 0;
  const take = (): ToWorker | null => {
    if (Atomics.load(posted, 0) === taken) return null;
    const message = box.take();
    if (message !== null) taken = (taken + 1) | 0;
    return message;
  };
  return { take };
}

function mailboxOf<Message>(from: MessagePort): Mailbox<Message> {
  return { take: () => receiveMessageOnPort(from)?.message ?? null };
}

/** Twice: only from the first collection does V8 know how little is left on each page, and moves it together. Then what
 *  OpenSSL had, which is not V8's. */
function giveMemoryBack(): void {
  collectGarbage();
  collectGarbage();
  trimHeap();
}

function isHeapFull(): boolean {
  if (heapLeft() >= HEAP_LEFT_MIN) return false;
  collectGarbage();
  return heapLeft() < HEAP_LEFT_MIN;
}

/** A share of it. */
function heapLeft(): number {
  const { used_heap_size, heap_size_limit } = getHeapStatistics();
  return 1 - used_heap_size / heap_size_limit;
}
