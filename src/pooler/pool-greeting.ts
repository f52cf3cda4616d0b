/** What the servers of a pool say of themselves, which clients are greeted with, and the logins that wait until the first
 *  server has said it. */
import type { ClientFacingError } from '../wire/client-facing-error.js';
import type { StartupParameters } from '../wire/startup.js';
import type { ClientLogin } from './client-login.js';
import { GreetingMessages } from './greeting-messages.js';
import type { PeerLink, ToPeer } from './peers.js';
import type { Pool } from './pool.js';
import { spelledAs, TrackedParameters, trackedName } from './tracked-parameters.js';

/** Greetings of one pool that are known: clients of one application send the same StartupMessage. */
const GREETINGS_MAX = 16;

/** What clients with the same StartupMessage are greeted with. */
interface Greeting {
  /** ParameterStatus of all parameters. */
  readonly messages: Uint8Array;
  /** What they take along from server to server, see TrackedParameters. */
  readonly tracked: readonly (string | null)[];
}

export class PoolGreeting {
  /** ParameterStatus by name. Empty until a server has logged in. */
  readonly parameters = new Map<string, string>();
  /** … as a client is told. */
  private readonly messages = new GreetingMessages(this.parameters);
  private readonly greetings = new Map<StartupParameters, Greeting>();
  private readonly pool: Pool;
  private readonly logins = new Set<ClientLogin>();
  private hasToldOthers = false;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  get isKnown(): boolean {
    return this.parameters.size > 0;
  }

  get isAwaited(): boolean {
    return this.logins.size > 0;
  }

  /** Tells the client's login when it is known; a server is opened to ask if need be. */
  want(login: ClientLogin): void {
    this.logins.add(login);
    this.pool.growth.grow();
  }

  /** The login does not want it any more. */
  leave(login: ClientLogin): void {
    this.logins.delete(login);
  }

  /** Those whose login waits for it. */
  greet(): void {
    for (const each of this.takeLogins()) each.parametersCame();
  }

  giveUp(error: ClientFacingError): void {
    for (const each of this.takeLogins()) each.noParameters(error);
  }

  /** Made once for all who have sent the same (known-startups.ts). */
  of(startup: StartupParameters): Greeting {
    const known = this.greetings.get(startup);
    if (known !== undefined) return known;
    const greeting = this.greetingOf(startup);
    if (this.greetings.size >= GREETINGS_MAX) this.greetings.clear();
    this.greetings.set(startup, greeting);
    return greeting;
  }

  private greetingOf({ applicationName, others }: StartupParameters): Greeting {
    const wanted = new Map<string, string>();
    for (const [name, value] of others) {
      const own = trackedName(name);
      if (own !== undefined) wanted.set(own, spelledAs(own, value, this.parameters.get(own)));
    }
    const tracked = new TrackedParameters();
    for (const [name, value] of [...this.parameters, ...wanted]) tracked.set(name, value);
    tracked.set('application_name', applicationName);
    return { messages: this.messages.of(applicationName, wanted), tracked: tracked.all() };
  }

  /** A server of this worker has logged in: what the first one has said stays. */
  learn(parameters: ReadonlyMap<string, string>): void {
    this.parametersCame(parameters);
    if (!this.hasToldOthers) this.pool.plane.peers.postToAll(this.message);
    this.hasToldOthers = true;
  }

  /** … of another worker or process. */
  toldBy(origin: string, parameters: readonly (readonly [string, string])[]): void {
    if (origin !== this.pool.origin || parameters.length === 0) return;
    this.parametersCame(parameters);
    this.greet();
  }

  private parametersCame(parameters: Iterable<readonly [string, string]>): void {
    if (this.isKnown) return;
    for (const [name, value] of parameters) this.parameters.set(name, value);
  }

  /** Other servers are to be asked: they may say something else. */
  forget(): void {
    this.parameters.clear();
    this.messages.forget();
    this.greetings.clear();
    this.hasToldOthers = false;
  }

  /** Another worker asks for it. */
  tell(worker: number): void {
    if (this.isKnown) this.pool.plane.peers.post(worker, this.message);
  }

  introduceTo(peer: PeerLink): void {
    if (this.isKnown) peer.post(this.message);
  }

  private get message(): ToPeer {
    const { index: pool, origin } = this.pool;
    return { type: 'parameters', pool, origin, parameters: [...this.parameters] };
  }

  private takeLogins(): ClientLogin[] {
    const logins = [...this.logins];
    this.logins.clear();
    return logins;
  }
}
