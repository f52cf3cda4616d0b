/** The Patroni APIs of one cluster: asks the first one that answers who the members are. Patroni's documentation,
 *  "Patroni REST API", GET /cluster. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { API_ANSWER_BYTES_MAX, API_PAUSE_MS, API_TIMEOUT_MS } from './limits.js';
import type { ClusterSettings } from './load.js';
import { type Member, NotACluster, parseMembers } from './member.js';

/** None of the APIs has answered as it should. */
export class ClusterUnreachable extends Error {
  override readonly name = 'ClusterUnreachable';
  constructor(reasons: readonly string[]) {
    super(reasons.join('; '));
  }
}

/** An API has answered, but not with its members. */
class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer';
}

export interface ClusterAnswer {
  readonly members: readonly Member[];
  /** Which API it came from, without credentials. */
  readonly host: string;
}

export class PatroniApi {
  private readonly cluster: ClusterSettings;
  private readonly nowMs: () => number;
  /** Until when an API is left alone. */
  private readonly pauseEndsMs = new Map<string, number>();

  constructor(cluster: ClusterSettings, nowMs: () => number) {
    this.cluster = cluster;
    this.nowMs = nowMs;
  }

  /** Throws ClusterUnreachable. An API that failed a while ago is asked only when all have. */
  async ask(): Promise<ClusterAnswer> {
    const { hosts } = this.cluster;
    const rested = hosts.filter((host) => this.nowMs() >= (this.pauseEndsMs.get(host) ?? 0));
    const reasons: string[] = [];
    for (const host of rested.length > 0 ? rested : hosts) {
      try {
        const members = parseMembers(await this.get(host));
        this.pauseEndsMs.delete(host);
        return { members, host: withoutCredentials(host) };
      } catch (error) {
        reasons.push(`${withoutCredentials(host)}: ${reasonOf(error)}`);
        this.pauseEndsMs.set(host, this.nowMs() + API_PAUSE_MS);
      }
    }
    throw new ClusterUnreachable(reasons);
  }

  private async get(host: string): Promise<string> {
    const url = new URL(`${host}/cluster`);
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new WrongAnswer(`no answer in ${API_TIMEOUT_MS / 1000} s`)),
      API_TIMEOUT_MS,
    );
    // A connection of its own for each question: one kept open would fail when Patroni restarts.
    const options = { ...this.cluster.tls, agent: false, signal: late.signal };
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options);
    request.on('error', () => undefined); // `once` tells of it, but for what comes after the answer
    try {
      const answered = once(request, 'response');
      request.end();
      const [answer]: IncomingMessage[] = await answered;
      return answer === undefined ? '' : await textOf(answer);
    } catch (error) {
      throw late.signal.aborted ? late.signal.reason : error;
    } finally {
      clearTimeout(timer);
      request.destroy();
    }
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  if (answer.statusCode !== 200) throw new WrongAnswer(`it answers with status ${answer.statusCode}`);
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of answer) {
    pieces.push(piece);
    length += piece.length;
    if (length > API_ANSWER_BYTES_MAX) throw new WrongAnswer('its answer is larger than a megabyte');
  }
  return Buffer.concat(pieces).toString();
}

function reasonOf(error: unknown): string {
  if (error instanceof NotACluster || error instanceof WrongAnswer) return error.message;
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? `${error.code}` : error.message;
}

function withoutCredentials(host: string): string {
  const url = new URL(host);
  url.username = '';
  url.password = '';
  return url.href.replace(/\/$/, '');
}
