/** The program of a process that asks PAM: one question at a time, for the process that started it, which kills it when
 *  an answer takes too long. (A thread that a module has blocked could not be ended, nor could the process end.) */
import { dieWithParent, Pam, type PamAnswer, type PamQuestion } from './libpam.js';

process.title = 'doorman-pam'; // not found by those who send signals to pg_doorman
dieWithParent();
const pam = new Pam(process.env);

process.on('message', (question: PamQuestion) => {
  const answer: PamAnswer = pam.check(question);
  process.send?.(answer);
});
process.on('disconnect', () => process.exit(0));
