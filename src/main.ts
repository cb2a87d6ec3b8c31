#!/usr/bin/env node
/**
 * The program: hands the command line to `#cli`. What a server is made of is loaded by the commands that need it, so that
 * those which only ask a running server do not wait for it.
 */
import { type Acts, runCli } from '#cli';

const composition = () => import('./composition.ts');
const acts: Acts = {
  serve: async (options) => (await composition()).serve(options),
  verify: async (directory, progress) => (await composition()).verify(directory, progress),
  restore: async (backup, directory) => (await composition()).restore(backup, directory),
};

await runCli(process.argv.slice(2), acts);
