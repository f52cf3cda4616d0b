/** A manual page of what a command's help says, and of the sections that are written by hand: man(7). */
import type { Command } from 'commander';

export function manPage(root: Command, sections: string): string {
  const name = root.name();
  const about = root.description();
  const commands = root.commands.filter((command) => command.name() !== 'help');
  return [
    `.TH ${name.toUpperCase()} 1`,
    `.SH NAME\n${name} \\- ${text(about.replace(/^PgDoorman: /, ''))}`,
    `.SH SYNOPSIS\n.nf\n${text(root.usage().replace(/^/, `${name} `))}\n.fi`,
    `.SH OPTIONS\n${terms(root)}`,
    ...commands.map(
      (command) =>
        `.SH COMMAND ${command.name().toUpperCase()}\n${text(command.description())}.\n${terms(command)}`,
    ),
    sections,
  ].join('\n');
}

function terms(command: Command): string {
  const help = command.createHelp();
  return [
    ...help
      .visibleArguments(command)
      .map((each) => [help.argumentTerm(each), help.argumentDescription(each)]),
    ...help.visibleOptions(command).map((each) => [help.optionTerm(each), help.optionDescription(each)]),
  ]
    .map(([term = '', description = '']) => `.TP\n.B ${text(term)}\n${text(description)}`)
    .join('\n');
}

/** What troff would take for itself is escaped. */
function text(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^\s+/gm, '')
    .replace(/^(['.])/gm, '\\&$1');
}
