/** How long it takes from exec until the first client is answered: `npm run package:start-time`, of build/pg_doorman and
 *  of the compiled files, one after the other, several times. In an environment like a service's, since what stands in
 *  NODE_OPTIONS or NODE_EXTRA_CA_CERTS would be measured as well. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../test/support/free-port.js';
import { packet, SSL_REQUEST } from '../../test/support/messages.js';

const ROUNDS = 15;
const PROGRAMS = [['build/pg_doorman'], [process.execPath, 'dist/cli/pg_doorman.js']];

interface Start {
  readonly ms: number;
  readonly processorMs: number;
}

async function start([program = '', ...args]: readonly string[], file: string, port: number): Promise<Start> {
  const began = performance.now();
  const child = spawn(program, [...args, file], { stdio: 'ignore', env: { PATH: process.env.PATH } });
  while (!(await isAnswered(port))) await pause(1);
  const ms = performance.now() - began;
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(' ');
  child.kill();
  await once(child, 'exit');
  return { ms, processorMs: (Number(fields[13]) + Number(fields[14])) * 10 };
}

/** Whether somebody listens and answers. */
function isAnswered(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(packet(SSL_REQUEST)));
    socket.once('data', () => resolve(true)).once('close', () => resolve(false));
    socket.once('data', () => socket.destroy()).once('error', () => undefined);
  });
}

const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-start-'));
const port = await freePort();
const file = join(directory, 'pg_doorman.yaml');
writeFileSync(file, `general: { host: 127.0.0.1, port: ${port}, admin_password: x }\npools: {}\n`);
const starts = PROGRAMS.map((): Start[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [index, program] of PROGRAMS.entries()) starts[index]?.push(await start(program, file, port));
}
rmSync(directory, { recursive: true });
for (const [index, program] of PROGRAMS.entries()) {
  const sorted = (key: keyof Start): number[] =>
    (starts[index] ?? []).map((each) => each[key]).sort((a, b) => a - b);
  const of = (values: number[]): string =>
    `${values[0]?.toFixed(0)} to ${values.at(-1)?.toFixed(0)} ms, median ${values[ROUNDS >> 1]?.toFixed(0)}`;
  console.log(`${program.join(' ')}: ${of(sorted('ms'))}; processor ${of(sorted('processorMs'))}`);
}
