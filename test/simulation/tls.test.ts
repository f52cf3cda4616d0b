/** TLS on the simulated network: bytes are cut, joined and late anywhere, both sides pause, and all arrives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Receiver, Socket, SocketOptions } from '../../src/reactor/reactor.js';
import { AcceptingContext, ConnectingContext } from '../../src/reactor/tls-context.js';
import { enginesAlive } from '../../src/reactor/tls-engine.js';
import { Authority } from '../support/certificates.js';
import { End } from './network.js';
import { SimulatedReactor } from './simulated-reactor.js';
import { World } from './world.js';

const RUNS = 40;
const STEPS_MAX = 200_000;
const PAUSE_MAX_MS = 20;
/** Of the pattern that is sent; a prime, so that no buffer's size divides it. */
const PERIOD = 65_521;
const OPTIONS: SocketOptions = {
  noDelay: true,
  keepaliveCount: 0,
  keepaliveIdleS: 0,
  keepaliveIntervalS: 0,
  userTimeoutS: 0,
  lingerS: -1,
  unixBufferBytes: 0,
};
const pattern = Buffer.from(Uint32Array.from({ length: PERIOD }, (_, i) => (i * 2_654_435_761) >>> 24));

const authority = new Authority('CA of the simulation');
const accepting = new AcceptingContext({
  identity: authority.signLocal(),
  clientAuthorities: '',
  ticketKeys: new Uint8Array(80),
  protocol: 'x',
});
const connecting = new ConnectingContext({
  identity: null,
  authorities: authority.pem,
  checksHost: true,
  protocol: 'x',
});

/** Sends its part in pieces of any size, checks what comes, and pauses now and then. */
class Talker implements Receiver {
  received = 0;
  isConnected = false;
  isClosed = false;
  socket: Socket | null = null;
  private readonly world: World;
  private sent = 0;
  private readonly toSend: number;

  constructor(world: World, toSend: number) {
    this.world = world;
    this.toSend = toSend;
  }

  onConnected(): void {
    this.isConnected = true;
    this.talk();
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    const { random } = this.world;
    const read = random.chance(0.2) ? random.between(begin, end) : end;
    for (let at = begin; at < read; at++) {
      assert.equal(bytes[at], pattern[this.received % PERIOD], `byte ${this.received}`);
      this.received++;
    }
    if (read < end || random.chance(0.1)) {
      this.socket?.pause(random.chance(0.5));
      this.world.after(random.below(PAUSE_MAX_MS * 1000) / 1000, () => this.goOn());
    }
    return read;
  }

  onWritable(): void {
    this.talk();
  }

  onClosed(): void {
    this.isClosed = true;
  }

  get isDone(): boolean {
    return this.isConnected && this.sent === this.toSend;
  }

  private goOn(): void {
    this.socket?.resume();
    reactorOf(this.world).wake();
  }

  private talk(): void {
    const { random } = this.world;
    const { socket } = this;
    while (socket !== null && !this.isClosed && !socket.isCongested && this.sent < this.toSend) {
      const at = this.sent % PERIOD;
      const most = Math.min(this.toSend - this.sent, PERIOD - at);
      const length = Math.min(most, random.pick([1, 7, 100, 1024, 9000, 40_000]));
      socket.send(pattern, at, at + length);
      this.sent += length;
      if (random.chance(0.05)) break;
    }
    if (this.sent < this.toSend && !this.isClosed) {
      this.world.after(random.below(3000) / 1000, () => {
        this.talk();
        reactorOf(this.world).wake();
      });
    }
  }
}

const reactors = new WeakMap<World, SimulatedReactor>();

function reactorOf(world: World): SimulatedReactor {
  const reactor = reactors.get(world);
  assert.ok(reactor);
  return reactor;
}

/** One connection; both sides send what chance wants, and one of them closes. */
function run(seed: number): void {
  const world = new World(seed);
  const reactor = new SimulatedReactor(world, () => () => {
    const [near, far] = End.pair(world);
    world.after(1, () => assert.ok(reactor.take(far)));
    return near;
  });
  reactors.set(world, reactor);
  reactor.onBug = (error) => {
    throw error;
  };
  const lengthOf = (): number => world.random.pick([0, 1, 300, 20_000, 400_000, 2_000_000]);
  const clientLength = lengthOf();
  const serverLength = lengthOf();
  const server = new Talker(world, serverLength);
  const client = new Talker(world, clientLength);
  reactor.listen({ kind: 'tcp', host: '', port: 1 }, 1, OPTIONS, {
    onAccept: (socket) => {
      const secured = reactor.secure(socket, accepting.engine(), server);
      server.socket = secured;
      return secured;
    },
    onAcceptFailed: () => assert.fail(),
  });
  const below = reactor.connect({ kind: 'tcp', host: '', port: 1 }, OPTIONS, {
    onBytes: (_bytes, _begin, end) => end,
    onConnected: () => {
      client.socket = reactor.secure(below, connecting.engine('localhost'), client);
    },
    onWritable: () => undefined,
    onClosed: () => undefined,
  });
  const step = (): void => {
    assert.ok(world.step(), `nothing happens any more: ${client.received} and ${server.received} received`);
    assert.ok(world.steps < STEPS_MAX, `too many steps: ${client.received} and ${server.received} received`);
  };
  while (client.received < serverLength || server.received < clientLength || !client.isDone || !server.isDone)
    step();
  client.socket?.closeAfterSend();
  reactor.wake();
  while (!server.isClosed || reactor.usage().sockets > 0 || reactor.usage().timers > 0) step();
  const { segments, buffers } = reactor.usage();
  assert.deepEqual({ segments, engines: enginesAlive() }, { segments: 0, engines: 0 });
  assert.ok(buffers <= 1, `${buffers} buffers are in use`);
}

test(`TLS carries everything over a bad network, from ${RUNS} seeds`, () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
