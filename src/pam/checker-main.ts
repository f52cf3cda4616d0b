/** The program of a process that asks PAM: one question at a time, for the process that started it, which kills it when
 *  an answer takes too long. (A thread that a module has blocked could not be ended, nor could the process end.) */
import { dieWithParent, Pam, type PamAnswer, type PamQuestion } from './libpam.js';

process.title = 'doorman-pam'; // not found by those who send signals to pg_doorman
dieWithParent();
// It may have ended before that: nobody wants to know any more what it has asked.
if (String(process.ppid) !== process.argv.at(-1)) process.exit(0);
const pam = new Pam(process.env);

process.on('message', (question: PamQuestion) => {
  const answer: PamAnswer = pam.check(question);
  process.send?.(answer);
});
process.on('disconnect', () => process.exit(0));
