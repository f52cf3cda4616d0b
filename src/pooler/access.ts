/** Who may try to log in, and how: the rules of pg_hba in force, first match decides. PostgreSQL manual, "The
 *  pg_hba.conf File". */
import type { PeerAddress } from '../reactor/reactor.js';
import { addressWords } from '../reactor/socket-address.js';
import { wordAt } from '../reactor/words.js';
import type { AccessRule } from './settings.js';

export const enum Verdict {
  /** Let in without a password. */
  Trust,
  /** Must prove who it is, by whatever form its stored password has. */
  Password,
  /** The same, but only by SCRAM. */
  Scram,
  Reject,
}

export interface Judgement {
  readonly verdict: Verdict;
  /** What has decided, for the log; '' when there are no rules. */
  readonly by: string;
}

const WORD_BITS = 32;
const NO_ADDRESS = new Int32Array(0);
const NO_RULES: Judgement = { verdict: Verdict.Password, by: '' };
const NO_RULE_FITS: Judgement = { verdict: Verdict.Reject, by: 'no rule fits' };

interface Rule {
  readonly rule: AccessRule;
  /** Which bits of an address must be the network's; empty for a rule without a network. */
  readonly mask: Int32Array;
  readonly network: Int32Array;
  readonly judgement: Judgement;
}

export class AccessRules {
  private readonly rules: readonly Rule[] | null;

  /** null: there are no rules, and everybody may try. */
  constructor(rules: readonly AccessRule[] | null) {
    this.rules = rules?.map(prepared) ?? null;
  }

  judge(peer: PeerAddress, isTls: boolean, database: string, user: string): Judgement {
    if (this.rules === null) return NO_RULES;
    const address = peer.isUnix ? NO_ADDRESS : addressWords(peer.host); // once: there may be many rules
    for (const each of this.rules) {
      const { rule, judgement } = each;
      if (!fitsConnection(each, peer, address, isTls)) continue;
      if (!names(rule.databases, database) || !names(rule.users, user)) continue;
      return judgement;
    }
    return NO_RULE_FITS;
  }
}

function prepared(rule: AccessRule): Rule {
  const judgement = { verdict: verdictOf(rule), by: textOf(rule) };
  if (rule.network === null) return { rule, mask: NO_ADDRESS, network: NO_ADDRESS, judgement };
  const { address, prefixLength } = rule.network;
  const network = addressWords(address).slice();
  return { rule, mask: network.map((_, at) => maskOf(prefixLength - at * WORD_BITS)), network, judgement };
}

/** A word whose first bits are set: so many, or none or all. */
function maskOf(bits: number): number {
  return bits <= 0 ? 0 : -1 << Math.max(0, WORD_BITS - bits);
}

/** The rule with the line that it stands in; the older list, hba, has no lines. */
function textOf({ type, databases, users, network, method, line }: AccessRule): string {
  if (line === 0) return `hba ${network?.address}/${network?.prefixLength}`;
  const where = network === null ? [] : [`${network.address}/${network.prefixLength}`];
  const rule = [type, databases.join(',') || 'all', users.join(',') || 'all', ...where, method].join(' ');
  return `pg_hba line ${line}: ${rule}`;
}

/** `address`: empty when it comes from a unix socket, or has gone and has none any more. */
function fitsConnection(
  { rule, mask, network }: Rule,
  peer: PeerAddress,
  address: Int32Array,
  isTls: boolean,
): boolean {
  if (rule.type === 'local') return peer.isUnix;
  if (rule.type === 'hostssl' && !isTls) return false;
  if (rule.type === 'hostnossl' && isTls) return false;
  // A rule fits its own family only: ::/0 has no IPv4 address.
  if (address.length === 0 || address.length !== network.length) return false;
  for (let i = 0; i < address.length; i++) {
    if (((wordAt(address, i) ^ wordAt(network, i)) & wordAt(mask, i)) !== 0) return false;
  }
  return true;
}

function names(list: readonly string[], name: string): boolean {
  return list.length === 0 || list.includes(name);
}

function verdictOf(rule: AccessRule): Verdict {
  switch (rule.method) {
    case 'trust':
      return Verdict.Trust;
    case 'md5': // PostgreSQL too lets SCRAM in where a rule says md5
      return Verdict.Password;
    case 'scram-sha-256':
      return Verdict.Scram;
    default:
      return Verdict.Reject;
  }
}
