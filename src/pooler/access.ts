/** Who may try to log in, and how: the rules of pg_hba in force, first match decides. PostgreSQL manual, "The
 *  pg_hba.conf File". */
import { BlockList, SocketAddress } from 'node:net';
import type { PeerAddress } from '../reactor/reactor.js';
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

const NO_RULES: Judgement = { verdict: Verdict.Password, by: '' };
const NO_RULE_FITS: Judgement = { verdict: Verdict.Reject, by: 'no rule fits' };

interface Rule {
  readonly rule: AccessRule;
  /** Of its network; '': it has none. */
  readonly family: string;
  readonly network: BlockList;
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
    const address = addressOf(peer); // made once: there may be many rules
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
  const family = rule.network === null ? '' : familyOf(rule.network.address);
  const judgement = { verdict: verdictOf(rule), by: textOf(rule) };
  return { rule, family, network: blockList(rule), judgement };
}

/** The rule with the line that it stands in; the older list, hba, has no lines. */
function textOf({ type, databases, users, network, method, line }: AccessRule): string {
  if (line === 0) return `hba ${network?.address}/${network?.prefixLength}`;
  const where = network === null ? [] : [`${network.address}/${network.prefixLength}`];
  const rule = [type, databases.join(',') || 'all', users.join(',') || 'all', ...where, method].join(' ');
  return `pg_hba line ${line}: ${rule}`;
}

function fitsConnection(
  { rule, family, network }: Rule,
  peer: PeerAddress,
  address: SocketAddress | null,
  isTls: boolean,
): boolean {
  if (rule.type === 'local') return peer.isUnix;
  if (address === null) return false;
  if (rule.type === 'hostssl' && !isTls) return false;
  if (rule.type === 'hostnossl' && isTls) return false;
  // A BlockList has IPv4 addresses in networks such as ::/0; in PostgreSQL a rule fits its own family only.
  return family === address.family && network.check(address);
}

/** null: it comes from a unix socket, or has gone and has no address any more. */
function addressOf({ isUnix, host }: PeerAddress): SocketAddress | null {
  return isUnix || host === '' ? null : new SocketAddress({ address: host, family: familyOf(host) });
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
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

function blockList(rule: AccessRule): BlockList {
  const list = new BlockList();
  if (rule.network === null) return list;
  const { address, prefixLength } = rule.network;
  list.addSubnet(address, prefixLength, familyOf(address));
  return list;
}
