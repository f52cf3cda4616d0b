/** The query that makes a session as new: it undoes what its clients have left behind. */
import { query } from '../wire/message-builder.js';
import { ServerDirt } from './command-tag.js';

const DISCARD_ALL = query('DISCARD ALL');

/** One simple query that undoes what the dirt says was done. */
export function resetQuery(dirt: number): Uint8Array {
  if ((dirt & ServerDirt.Session) !== 0) return DISCARD_ALL;
  const parts: string[] = [];
  if ((dirt & ServerDirt.Set) !== 0) parts.push('RESET SESSION AUTHORIZATION', 'RESET ROLE', 'RESET ALL');
  if ((dirt & ServerDirt.Declare) !== 0) parts.push('CLOSE ALL');
  if ((dirt & ServerDirt.Prepare) !== 0) parts.push('DEALLOCATE ALL');
  if ((dirt & ServerDirt.Listen) !== 0) parts.push('UNLISTEN *');
  return query(parts.join(';'));
}
