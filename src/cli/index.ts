/** The command line. `commands/` has one file a command; exit codes are in `exit.ts`. */

export type { Acts, ServeOptions, StoreReport } from './acts.ts';
export { runCli } from './program.ts';
