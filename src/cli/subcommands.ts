/** What pg_doorman does instead of pooling: its commands. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { nearest } from '../config/complaints.js';
import { addGenerate } from './generate/command.js';

/** The commands, and which of them was chosen. */
export class Subcommands {
  /** Runs the chosen one and returns the exit status; null when the command line has none. */
  chosen: (() => Promise<number>) | null = null;

  private names: readonly string[] = [];

  /** The command that a misspelt one most resembles; '' when the word may be a file's name. */
  nearest(word: string): string {
    return word.includes('.') || existsSync(word) ? '' : nearest(word, this.names);
  }

  /** Adds them to the program. */
  addTo(program: Command): void {
    addGenerate(program, (run) => {
      this.chosen = run;
    });
    program
      .command('config-schema')
      .description('Print the JSON Schema of the configuration file, for editors')
      .action(() => {
        this.chosen = async () => {
          const { configurationJsonSchema } = await import('../config/json-schema.js');
          process.stdout.write(`${JSON.stringify(configurationJsonSchema(), null, 2)}\n`);
          return 0;
        };
      });
    this.names = program.commands.map((command) => command.name());
  }
}
