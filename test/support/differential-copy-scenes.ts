/** Scenes of differential scripts with COPY FROM STDIN: data of every size, errors on either side, messages that
 *  PostgreSQL ignores between data. */
import * as say from './differential-messages.js';
import type { SceneWriter } from './differential-scene-writer.js';
import { copyLine } from './differential-texts.js';

function copyLines(writer: SceneWriter): void {
  const { random } = writer;
  const areRight = random.chance(0.6);
  const lines = Array.from({ length: random.below(12) }, () => copyLine(random, areRight)).join('');
  // CopyData need not end where a line does.
  for (let at = 0; at < lines.length; ) {
    const end = at + random.pick([1, 100, 8192, 65_536, lines.length]);
    writer.say(say.copyData(lines.slice(at, end)));
    // PostgreSQL ignores them there; a Sync only where no error came before.
    if (random.chance(0.1)) writer.say(areRight && random.chance(0.5) ? say.sync() : say.flush());
    at = end;
  }
}

function copyEnd(writer: SceneWriter): void {
  writer.say(writer.random.chance(0.8) ? say.copyDone() : say.copyFail('no more'));
}

export function copyInSimple(writer: SceneWriter): void {
  const { random, table } = writer;
  const text = random.pick([`copy ${table} from stdin`, `select 1; copy ${table} from stdin; select 2`]);
  writer.query(text);
  const isPatient = random.chance(0.7);
  if (isPatient) writer.step({ type: 'copyIn' });
  copyLines(writer);
  copyEnd(writer);
  if (isPatient) writer.step({ type: 'copyEnd' });
  else endsSomewhere(writer);
}

/** For steps whose number of cycles depends on where an error comes. */
function endsSomewhere(writer: SceneWriter): void {
  writer.sync();
  writer.query('');
  writer.step({ type: 'emptyQuery' });
}

export function copyInExtended(writer: SceneWriter): void {
  const { random, table } = writer;
  const name = random.pick(['', 'copier']); // a name that no other scene executes
  writer.parse(name, `copy ${table} from stdin`);
  writer.say(say.bind('', name, []), say.execute('', 0));
  const isPatient = random.chance(0.5);
  if (isPatient) writer.flushed();
  else if (random.chance(0.4)) writer.say(say.sync());
  copyLines(writer);
  copyEnd(writer);
  if (random.chance(0.3)) {
    writer.parse('', 'select 1');
    writer.say(say.bind('', '', []), say.execute('', 0));
  }
  endsSomewhere(writer);
}
