/**
 * Vitest for all suites. `unit` (with `tidy`) and `contract` load the sources, `integration` and `torture` drive the
 * built server in `dist`. Forks, because native modules (lmdb, uWebSockets.js) do not share a process well.
 * Called by `.ci/test.mjs`, or by hand: `npx vitest run --config test/vitest.config.ts --project unit`.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));

function project(name: string, folders: readonly string[], testTimeout: number) {
  return {
    extends: true as const,
    test: { name, include: folders.map((folder) => `test/${folder}/**/*.test.ts`), testTimeout, hookTimeout: 60_000 },
  };
}

export default defineConfig({
  root,
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    pool: 'forks',
    maxWorkers: 3,
    passWithNoTests: true,
    projects: [
      project('unit', ['unit', 'tidy'], 60_000),
      project('contract', ['contract'], 60_000),
      project('integration', ['integration'], 60_000),
      project('torture', ['torture'], 1_800_000),
    ],
  },
});
