/** The program of patroni_proxy's worker thread: opens its reactor, relays, and returns when it is told to stop. Like
 *  pg_doorman's it has no event loop of its own, and looks for messages when it is woken. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { openReactor } from '../../reactor/open-reactor.js';
import { ProxyPlane } from './proxy-plane.js';
import type { ToControl, ToWorker, WorkerStart } from './thread-messages.js';

const port = parentPort;
if (port === null) throw new Error('worker-main is the program of a worker thread');
const post = (message: ToControl): void => port.postMessage(message);
const start: WorkerStart = workerData;
// A thread without an event loop has no idle time in which V8 would collect by itself.
setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

try {
  const { reactor, why } = openReactor(start.ioBackend);
  const plane = new ProxyPlane(start, reactor, post);
  plane.onManyLeft = collectGarbage;
  reactor.onBug = (error) =>
    plane.log('error', `bug: ${error instanceof Error ? error.stack : String(error)}`);
  reactor.onWake = () => {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      const message: ToWorker = next.message;
      plane.onMessage(message);
    }
  };
  post({ type: 'started', backend: reactor.name, why, wakeFd: reactor.wakeFd });
  reactor.run();
} catch (error) {
  post({ type: 'cannotStart', why: error instanceof Error ? error.message : String(error) });
}
