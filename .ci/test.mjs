/**
 * All checks, one after the other, whatever the earlier ones said; Debian packages are installed beside those that do not
 * need them. Called by `npm test`; with `--torture` (by `npm run test:torture`) only the torture suite in its full length.
 * Each check counts as one test, beside the tests of the suites. The last line is `N passed, N failed, N skipped`; exit code 1 when something failed or no test ran.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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
async function run(script, args, env = {}) {
  const colour = process.stdout.isTTY ? {} : { NO_COLOR: '1' };
  const options = { cwd: root, stdio: ['ignore', 1, 2], env: { ...process.env, ...colour, ...env } };
  const [code] = await once(spawn(process.execPath, [join(root, script), ...args], options), 'close');
  return code === 0;
}

async function check(title, script, ...args) {
  const startedAt = performance.now();
  const ok = await run(script, args);
  count(title, ok ? { passed: 1 } : { failed: 1 }, startedAt);
  return ok;
}

/** Waits for the packages, and says which are not there. */
async function settled(packages) {
  const absent = await packages;
  if (absent.length > 0) console.log(`not here, so that tests which need them skip: ${absent.join(', ')}`);
}

async function suites(title, projects, env = {}) {
  const startedAt = performance.now();
  const report = join(folder, `${title.replaceAll(' ', '-')}.json`);
  const args = ['run', '--config', 'test/vitest.config.ts', '--reporter=default', '--reporter=json'];
  args.push(`--outputFile.json=${report}`, ...projects.map((name) => `--project=${name}`));
  const ok = await run('node_modules/vitest/vitest.mjs', args, env);
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
  const ready = await check('setup', '.ci/setup.mjs', '--despite-types');
  const first = ready ? installDebianPackages(['openssl']) : undefined;
  const packages = first?.then(() => installDebianPackages());
  if (ready && torture) {
    await settled(packages);
    await suites('torture', ['torture'], { SLUICE_TORTURE: 'full' });
  } else if (ready) {
    const biome = 'node_modules/@biomejs/biome/bin/biome';
    await check('style, linter and layer rule', biome, 'check', '--error-on-warnings', '.');
    await check('types', 'node_modules/typescript/bin/tsc', '--noEmit');
    await check('dead code', 'node_modules/knip/bin/knip.js');
    // All that it needs.
    await first;
    await suites('unit and tidy', ['unit']);
    await settled(packages);
    // Together: torture waits much, and the others use what it leaves.
    await suites('contract, integration and a short torture', ['contract', 'integration', 'torture'], {
      SLUICE_TORTURE: 'short',
    });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = total.failed > 0 || tests === 0 ? 1 : 0;
if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
