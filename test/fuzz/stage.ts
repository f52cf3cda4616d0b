/** Where cases are played: pg_doorman before the real PostgreSQL and before hostile servers, and the well-behaved
 *  clients that look whether it still does what it should. */
import { createHash } from 'node:crypto';
import { ADMIN_PASSWORD, Doorman, type Section } from '../support/doorman.js';
import { Random } from '../support/random.js';
import { ControlClient } from './control-client.js';
import { FuzzFailure, Story } from './failure.js';
import { HostileClient, type Target } from './hostile-client.js';
import { HostileServer } from './hostile-server.js';
import type { Recorded } from './recorded.js';
import { ScramSecret } from './scram.js';
import { quietVitals, type Vitals } from './vitals.js';

/** The role at PostgreSQL; nothing that it does can harm. */
export const USER = 'fuzz';
const ADMIN = 'admin';
const CONSOLE = 'pgdoorman';
const GUARDED_PASSWORD = 'the secret of the control client';
const MD5_PASSWORD = 'the secret of another';
const SERVER_PASSWORD = 'the secret of the servers';
const SECRETS = [GUARDED_PASSWORD, MD5_PASSWORD, SERVER_PASSWORD, ADMIN_PASSWORD];
const QUESTION = "select 'stamp 1'";

const CLIENTS_AT_ONCE = 24;
const LANES = 8;
const POOL_SIZE = 6;
const LANE_POOL_SIZE = 3;
/** A hostile server that says nothing must not keep the others waiting. Milliseconds. */
const LANE_CONNECT_TIMEOUT_MS = 250;
/** Statements are dropped from the cache all the time. */
const STATEMENTS_MAX = 100;

const WILDNESS = [0.05, 0.2, 0.5, 1] as const;
const GREETING_WILDNESS = [0, 0, 0.1, 0.5, 1] as const;
const ANSWER_WILDNESS = [0.01, 0.03, 0.1, 0.5] as const;

export type Side = 'client' | 'server';

/** One that can be played again: all that is drawn in it follows from its seed. */
export interface Case {
  readonly side: Side;
  readonly seed: number;
}

interface Lane {
  readonly database: string;
  readonly server: HostileServer;
}

export class Stage {
  /** Messages that the hostile sides have sent. */
  messages = 0;
  private readonly doorman: Doorman;
  private readonly lanes: readonly Lane[];
  private readonly witness: HostileServer;
  private readonly targets: readonly Target[];
  private readonly guarded: ScramSecret;
  /** What was said in each case of the batch. */
  stories = new Map<Case, Story>();
  private controls: readonly ControlClient[] = [];

  private constructor(
    doorman: Doorman,
    lanes: readonly Lane[],
    witness: HostileServer,
    targets: readonly Target[],
    guarded: ScramSecret,
  ) {
    this.doorman = doorman;
    this.lanes = lanes;
    this.witness = witness;
    this.targets = targets;
    this.guarded = guarded;
  }

  /** Starts everything. Whether parameters of clients are taken along depends on the seed. */
  static async set(seed: number, recorded: Recorded, postgresPort: number): Promise<Stage> {
    const guarded = new ScramSecret(GUARDED_PASSWORD);
    const servers = new ScramSecret(SERVER_PASSWORD, 16);
    const lanes: Lane[] = [];
    for (let i = 0; i < LANES; i++) {
      lanes.push({ database: `lane${i}`, server: await HostileServer.start(recorded, servers) });
    }
    const witness = await HostileServer.start(recorded, servers);
    witness.isWitness = true;
    const asFuzz: Section = {
      username: USER,
      pool_size: POOL_SIZE,
      server_username: USER,
      server_password: '',
    };
    const real = (user: Section, more: Section = {}): Section => ({
      server_host: '127.0.0.1',
      server_port: postgresPort,
      server_database: 'postgres',
      users: [{ ...asFuzz, ...user }],
      ...more,
    });
    const atLane = ({ server }: Lane): Section =>
      real(
        { pool_size: LANE_POOL_SIZE, server_password: SERVER_PASSWORD },
        { server_port: server.port, connect_timeout: LANE_CONNECT_TIMEOUT_MS },
      );
    const doorman = await Doorman.start({
      general: {
        sync_server_parameters: seed % 2 === 0,
        prepared_statements_cache_size: STATEMENTS_MAX,
        connect_timeout: 10_000,
        query_wait_timeout: 8_000,
        pg_hba: `host guarded all 127.0.0.1/32 scram-sha-256
host legacy,${CONSOLE} all 127.0.0.1/32 md5
host all all 127.0.0.1/32 trust
`,
      },
      pools: {
        open: real({}),
        guarded: real({ password: guarded.verifier }),
        legacy: real({ password: md5Of(MD5_PASSWORD) }),
        session: real({}, { pool_mode: 'session' }),
        witness: real({}, { server_port: witness.port }),
        ...Object.fromEntries(lanes.map((lane) => [lane.database, atLane(lane)])),
      },
    });
    const target = (database: string, more: Partial<Target> = {}): Target => ({
      port: doorman.port,
      user: USER,
      database,
      secret: null,
      onlyQuestion: null,
      isAdmin: false,
      ...more,
    });
    const witnessed = target('witness', { onlyQuestion: QUESTION });
    const consoles = target(CONSOLE, { user: ADMIN, isAdmin: true, secret: ADMIN_PASSWORD });
    const targets = [
      ...Array.from({ length: 8 }, () => target('open')),
      ...Array.from({ length: 4 }, () => target('guarded', { secret: guarded })),
      target('legacy', { secret: MD5_PASSWORD }),
      target('session'),
      target('session'),
      witnessed,
      witnessed,
      consoles,
      consoles,
      target('nowhere'),
    ];
    const stage = new Stage(doorman, lanes, witness, targets, guarded);
    stage.controls = [await stage.control('open'), await stage.control('guarded')];
    return stage;
  }

  /** Plays these, many at a time, while the well-behaved clients go on asking; then looks at what is left. Throws
   *  FuzzFailure. `messagesMax` cuts what the hostile clients say. */
  async play(cases: readonly Case[], messagesMax = Number.POSITIVE_INFINITY): Promise<Vitals> {
    this.stories = new Map();
    const clientCases = cases.filter(({ side }) => side === 'client').values();
    const serverCases = cases.filter(({ side }) => side === 'server').values();
    let isOver = false;
    const players = [
      ...Array.from({ length: CLIENTS_AT_ONCE }, async () => {
        for (const each of clientCases) {
          const random = new Random(each.seed);
          const story = this.begin(each);
          const target = random.pick(this.targets);
          const sent = await HostileClient.play(target, random, random.pick(WILDNESS), story, messagesMax);
          this.messages += sent;
        }
      }),
      ...this.lanes.map(async (lane) => {
        for (const each of serverCases) await this.playAtLane(lane, each.seed, this.begin(each), messagesMax);
      }),
    ];
    const asking = Promise.allSettled(
      this.controls.map(async (control) => {
        do await control.ask();
        while (!isOver);
      }),
    );
    const played = await Promise.allSettled(players);
    isOver = true;
    const all = [...played, ...(await asking)];
    for (const each of all) if (each.status === 'rejected') throw each.reason;
    return this.look();
  }

  /** Waits until nothing is under way, see quietVitals. */
  quiet(descriptorsMax = Number.POSITIVE_INFINITY): Promise<Vitals> {
    return quietVitals(this.doorman, this.controls.length, descriptorsMax);
  }

  /** Fails when it does not end in good order. */
  async stop(): Promise<void> {
    for (const control of this.controls) control.close();
    await this.doorman.stop();
    for (const { server } of this.lanes) server.stop();
    this.witness.stop();
  }

  /** Ends everything, whatever has happened. */
  destroy(): void {
    for (const control of this.controls) control.close();
    this.doorman.signal('SIGKILL');
    for (const { server } of this.lanes) server.stop();
    this.witness.stop();
  }

  private begin(played: Case): Story {
    const story = new Story();
    this.stories.set(played, story);
    return story;
  }

  private async playAtLane(
    { database, server }: Lane,
    seed: number,
    story: Story,
    messagesMax: number,
  ): Promise<void> {
    const random = new Random(seed);
    const sentBefore = server.sent;
    server.manners = {
      random: new Random(random.uint32()),
      greeting: random.pick(GREETING_WILDNESS),
      answer: random.pick(ANSWER_WILDNESS),
      story,
    };
    const target: Target = {
      port: this.doorman.port,
      user: USER,
      database,
      secret: null,
      onlyQuestion: null,
      isAdmin: false,
    };
    const clients = Array.from({ length: random.between(1, 3) }, () =>
      HostileClient.play(target, new Random(random.uint32()), random.pick([0, 0, 0.1]), story, messagesMax),
    );
    for (const sent of await Promise.all(clients)) this.messages += sent;
    server.manners = null;
    this.messages += server.sent - sentBefore;
  }

  /** All must be well now. */
  private async look(): Promise<Vitals> {
    for (const { server } of this.lanes) server.restart();
    const vitals = await this.quiet();
    for (const control of this.controls) await control.ask();
    const others = ['open', 'guarded', 'session', 'witness', ...this.lanes.map(({ database }) => database)];
    await Promise.all(
      others.map(async (database) => {
        const control = await this.control(database);
        for (let i = 0; i < 4; i++) await control.ask();
        control.close();
      }),
    );
    const failure = [this.witness, ...this.lanes.map(({ server }) => server)].find(
      (each) => each.failure !== null,
    );
    if (failure?.failure != null) throw failure.failure;
    this.lookAtLog();
    return vitals;
  }

  private lookAtLog(): void {
    const log = this.doorman.takeLog();
    const bug = /^.*\bbug\b.*(\n\s+at .*)*/im.exec(log);
    if (bug !== null) throw new FuzzFailure(bug[0]);
    const secret = [...SECRETS, ...this.guarded.keys].find((each) => log.includes(each));
    if (secret !== undefined) throw new FuzzFailure(`a secret is in the log: ${secret}`);
  }

  private control(database: string): Promise<ControlClient> {
    const isReal = database !== 'witness' && !database.startsWith('lane');
    return ControlClient.login(
      this.doorman.port,
      USER,
      database,
      database === 'guarded' ? this.guarded : null,
      isReal,
    );
  }
}

function md5Of(password: string): string {
  return `md5${createHash('md5')
    .update(password + USER)
    .digest('hex')}`;
}
