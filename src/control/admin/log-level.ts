/** SHOW LOG_LEVEL and SET log_level: what is written to the log from now on, until the process ends. */
import { LOG_LEVELS } from '../logs.js';
import { type ConsoleContext, type ShowCommand, text } from './command.js';
import { UnknownLogLevel, WrongArguments } from './errors.js';
import { answered, type PreparedCommand } from './prepared-command.js';
import { inCapitals, type Word } from './words.js';

export const SET_LOG_LEVEL = `SET log_level = '${LOG_LEVELS.join('|')}'`;

export const SHOW_LOG_LEVEL: ShowCommand = {
  name: 'LOG_LEVEL',
  columns: [text('log_level')],
  rows: ({ log }) => [[log.level]],
};

/** `words`: those behind SET log_level. */
export function setLogLevel({ log }: ConsoleContext, words: readonly Word[]): PreparedCommand {
  const [sign, value, ...more] = words;
  const isAssignment = sign !== undefined && ['=', 'TO'].includes(inCapitals([sign]));
  if (!isAssignment || value === undefined || more.length > 0) {
    throw new WrongArguments('SET log_level', SET_LOG_LEVEL);
  }
  const level = LOG_LEVELS.find((each) => each === value.text.toLowerCase());
  if (level === undefined) throw new UnknownLogLevel(value.text, LOG_LEVELS);
  return answered('SET', {
    run: async () => {
      log.setLevel(level);
      return [];
    },
  });
}
