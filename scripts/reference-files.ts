/** The pages of the manual that are made of the code: docs/reference, and errors.md. A test compares them with what is
 *  there. */
import type { Command } from 'commander';
import { program } from '../src/cli/options.js';
import { Subcommands } from '../src/cli/subcommands.js';
import { configurationJsonSchema } from '../src/config/json-schema.js';
import { referencePage } from '../src/config/reference-page.js';
import { annotated } from '../src/config/writing/annotated.js';
import type { Outline } from '../src/config/writing/outline.js';
import { referenceDraft } from '../src/config/writing/reference-draft.js';
import { tomlText } from '../src/config/writing/toml-text.js';
import { yamlText } from '../src/config/writing/yaml-text.js';
import { errorsPage } from './errors-page.js';
import { pgbouncerPage } from './pgbouncer-page.js';

const HELP_WIDTH = 100;

/** Paths in the project to contents. */
export function referenceFiles(): Record<string, string> {
  return {
    'docs/reference/configuration.md': referencePage('en'),
    'docs/reference/configuration.ru.md': referencePage('ru'),
    'docs/reference/pg_doorman.yaml': yamlText(outlineIn('en')),
    'docs/reference/pg_doorman.ru.yaml': yamlText(outlineIn('ru')),
    'docs/reference/pg_doorman.toml': tomlText(outlineIn('en')),
    'docs/reference/config.schema.json': `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`,
    'docs/reference/command-line.md': commandLinePage(),
    'docs/reference/pgbouncer.md': pgbouncerPage(),
    'docs/errors.md': errorsPage(),
  };
}

function outlineIn(language: 'en' | 'ru'): Outline {
  return annotated(referenceDraft(language), language);
}

function commandLinePage(): string {
  const root = program({}, new Subcommands());
  const commands = [root, ...root.commands.filter((command) => command.name() !== 'help')];
  const parts = commands.map((command) => {
    const name = command === root ? root.name() : `${root.name()} ${command.name()}`;
    return `## ${name}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``;
  });
  return `${['# Command line of pg_doorman', 'Options go before variables, variables before defaults. The exit status is 0, 1 when something failed, 2 when the command line was not understood.', ...parts].join('\n\n')}\n`;
}

function helpOf(command: Command): string {
  command.configureOutput({ getOutHelpWidth: () => HELP_WIDTH });
  return command.helpInformation().trimEnd();
}
