/**
 * All checks, one after the other, whatever the earlier ones said. Called by `npm test`; with `--torture` (by
 * `npm run test:torture`) only the torture suite in its full length. Each check counts as one test, beside the tests
 * of the suites. The last line is `N passed, N failed, N skipped`; exit code 1 when something failed or no test ran.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDebianPackages } from './debian.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
let tests = 0;

function count(title, { passed = 0, failed = 0, skipped = 0 }, startedAt) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  if (failed > 0) failures.push(title);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(
    `── ${failed > 0 ? 'FAILED' : 'ok'} ${title}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`,
  );
}

/** Runs `node <script> …args` in the root with its output shown; true when it ended with 0. */
function run(script, args, env = {}) {
  const colour = process.stdout.isTTY ? {} : { NO_COLOR: '1' };
  const options = { cwd: root, stdio: ['ignore', 1, 2], env: { ...process.env, ...colour, ...env } };
  return spawnSync(process.execPath, [join(root, script), ...args], options).status === 0;
}

function check(title, script, ...args) {
  const startedAt = performance.now();
  const ok = run(script, args);
  count(title, ok ? { passed: 1 } : { failed: 1 }, startedAt);
  return ok;
}

function suites(title, projects, env = {}) {
  const startedAt = performance.now();
  const report = join(folder, `${title.replaceAll(' ', '-')}.json`);
  const args = ['run', '--config', 'test/vitest.config.ts', '--reporter=default', '--reporter=json'];
  args.push(`--outputFile.json=${report}`, ...projects.map((name) => `--project=${name}`));
  const ok = run('node_modules/vitest/vitest.mjs', args, env);
  const counts = read(report, ok);
  tests += counts.passed + counts.failed;
  count(title, counts, startedAt);
}

/** The counts of one report. What failed outside of a test (a file that does not load, a stray rejection) counts as 1. */
function read(report, ok) {
  let counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
      readFileSync(report, 'utf8'),
    );
    const unloaded = testResults.filter(
      (file) => file.status === 'failed' && file.assertionResults.length === 0,
    ).length;
    counts = { passed: numPassedTests, failed: numFailedTests + unloaded, skipped: numPendingTests + numTodoTests };
  } catch (error) {
    console.error(`no report of the tests: ${error.message}`);
  }
  if (!ok && counts.failed === 0) counts.failed = 1;
  return counts;
}

try {
  const torture = process.argv.includes('--torture');
  const ready = check('setup', '.ci/setup.mjs', '--despite-types');
  if (ready) {
    const absent = installDebianPackages();
    if (absent.length > 0) console.log(`not here, so that tests which need them skip: ${absent.join(', ')}`);
  }
  if (ready && torture) {
    suites('torture', ['torture'], { SLUICE_TORTURE: 'full' });
  } else if (ready) {
    check('style, linter and layer rule', 'node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.');
    check('types', 'node_modules/typescript/bin/tsc', '--noEmit');
    check('dead code', 'node_modules/knip/bin/knip.js');
    suites('unit, tidy and contract', ['unit', 'contract']);
    suites('integration', ['integration']);
    suites('torture, short', ['torture'], { SLUICE_TORTURE: 'short' });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = total.failed > 0 || tests === 0 ? 1 : 0;
if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
