/** Who may try to log in, and how: the rules of pg_hba in force, first match decides. PostgreSQL manual, "The
 *  pg_hba.conf File". */
import { BlockList, isIPv6 } from 'node:net';
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

export class AccessRules {
  private readonly rules: readonly { readonly rule: AccessRule; readonly network: BlockList }[] | null;

  /** null: there are no rules, and everybody may try. */
  constructor(rules: readonly AccessRule[] | null) {
    this.rules = rules?.map((rule) => ({ rule, network: blockList(rule) })) ?? null;
  }

  judge(peer: PeerAddress, isTls: boolean, database: string, user: string): Verdict {
    if (this.rules === null) return Verdict.Password;
    for (const { rule, network } of this.rules) {
      if (!fitsConnection(rule, network, peer, isTls)) continue;
      if (!names(rule.databases, database) || !names(rule.users, user)) continue;
      return verdictOf(rule);
    }
    return Verdict.Reject;
  }
}

function fitsConnection(rule: AccessRule, network: BlockList, peer: PeerAddress, isTls: boolean): boolean {
  if (rule.type === 'local') return peer.isUnix;
  if (peer.isUnix || peer.host === '') return false; // one that has gone has no address
  if (rule.type === 'hostssl' && !isTls) return false;
  if (rule.type === 'hostnossl' && isTls) return false;
  const family = familyOf(peer.host);
  // A BlockList has IPv4 addresses in networks such as ::/0; in PostgreSQL a rule fits its own family only.
  if (rule.network === null || familyOf(rule.network.address) !== family) return false;
  return network.check(peer.host, family);
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
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
