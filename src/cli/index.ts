/** The command line. `commands/` has one file a command; exit codes are in `exit.ts`. */

export type { Acts, ServeOptions } from './acts.ts';
export { runCli } from './program.ts';
