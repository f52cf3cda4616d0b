/** Whether PAM, which a user of the configuration asks for, can be asked on this machine. */
import { whyNoPam } from '../pam/libpam.js';
import type { Complaint } from './complaints.js';
import { complaintAt } from './explain.js';
import type { Configuration } from './settings/configuration.js';
import type { Source } from './source.js';

/** At the first user who asks for it; '' of `why` is that it can be. */
export function pamComplaints(
  { pools }: Configuration,
  sources: readonly Source[],
  why = () => whyNoPam(process.env),
): readonly Complaint[] {
  for (const [database, { users }] of Object.entries(pools)) {
    const index = users.findIndex(({ auth_pam_service }) => auth_pam_service !== undefined);
    if (index < 0) continue;
    const reason = why();
    const field = ['pools', database, 'users', index, 'auth_pam_service'];
    return reason === '' ? [] : [complaintAt(field, reason, sources)];
  }
  return [];
}
