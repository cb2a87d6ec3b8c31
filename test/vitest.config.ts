/**
 * Vitest for all suites. `unit` (with `tidy`) and `contract` load the sources, `integration` and `torture` drive the
 * built server in `dist`. Forks, because native modules (lmdb, uWebSockets.js) do not share a process well.
 * Called by `.ci/test.mjs`, or by hand: `npx vitest run --config test/vitest.config.ts --project unit`.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Files of torture wait long: begun last, they would be waited for at the end. */
class TortureFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isTorture = ({ project: { name } }: TestSpecification) => name === 'torture';
    return [...sorted.filter(isTorture), ...sorted.filter((file) => !isTorture(file))];
  }
}

/** @param isolate false: the files of a worker share their modules, which are loaded once */
function project(name: string, folders: readonly string[], testTimeout: number, isolate = true) {
  const include = folders.map((folder) => `test/${folder}/**/*.test.ts`);
  return { extends: true as const, test: { name, include, testTimeout, hookTimeout: 60_000, isolate } };
}

export default defineConfig({
  root,
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    pool: 'forks',
    // Twice the cores of a small machine, since tests of a server wait more than they work.
    maxWorkers: 4,
    sequence: { sequencer: TortureFirst },
    passWithNoTests: true,
    projects: [
      project('unit', ['unit', 'tidy'], 60_000, false),
      project('contract', ['contract'], 60_000),
      project('integration', ['integration'], 60_000),
      project('torture', ['torture'], 1_800_000),
    ],
  },
});
