#!/usr/bin/env node
/**
 * The program: hands the command line to `#cli`. What a server is made of is loaded by the commands that need it, so that
 * those which only ask a running server do not wait for it.
 */
import { createRequire } from 'node:module';
import { type Acts, runCli } from '#cli';
import type * as Composition from './composition.ts';

const require = createRequire(import.meta.url);

/**
 * Required: to import hundreds of modules, one turn of the event loop after the other, takes a fifth longer. So none of
 * them may await at its top.
 */
const composition = () => require('./composition.js') as typeof Composition;
const acts: Acts = {
  serve: async (options) => composition().serve(options),
  verify: async (directory, progress) => composition().verify(directory, progress),
  restore: async (backup, directory) => composition().restore(backup, directory),
};

await runCli(process.argv.slice(2), acts);
