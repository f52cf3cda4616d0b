/** A program: accepts while there is no descriptor left, then again when there are. Run with a low limit of open files;
 *  its arguments are the reactor's name. Writes what the acceptor was told, in order, as JSON. */
import { closeSync, openSync } from 'node:fs';
import { errnoName } from '../../../src/reactor/libc.js';
import { openReactor } from '../../../src/reactor/open-reactor.js';
import { Timer } from '../../../src/reactor/timers.js';
import { End, LOCALHOST, PLAIN } from './bench.js';

const { reactor } = openReactor(process.argv[2] === 'epoll' ? 'epoll' : 'io_uring');
const told: string[] = [];
const hoard: number[] = [];
const listener = reactor.listen(LOCALHOST, 16, PLAIN, {
  onAccept: () => {
    told.push('accepted');
    reactor.stop();
    return new End();
  },
  onAcceptFailed: (errno) => {
    told.push(errnoName(errno));
    for (const each of hoard.splice(0)) closeSync(each);
  },
});
try {
  for (;;) hoard.push(openSync('/dev/null', 'r'));
} catch {
  closeSync(hoard.pop() ?? -1); // one for the client
}
reactor.connect({ ...LOCALHOST, port: listener.port }, PLAIN, new End());
reactor.setTimer(new Timer({ onTimer: () => reactor.stop() }), 5000);
reactor.run();
process.stdout.write(JSON.stringify(told), () => process.exit(0));
