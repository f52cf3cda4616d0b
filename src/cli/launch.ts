/** Loads a command. Not for: anything that loads more, since what follows may fail for want of files. */

/** Node opens many modules at once: with too few open files allowed that is said in a line. `command`: the name of the
 *  program; `needs`: what it opens once it runs. */
export function launch(command: string, loading: Promise<unknown>, needs: string): void {
  loading.catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EMFILE')) throw error;
    console.error(
      `${command}: too few open files are allowed to start with: raise the limit (ulimit -n, LimitNOFILE) to 150 and ${needs}`,
    );
    process.exitCode = 1;
  });
}
