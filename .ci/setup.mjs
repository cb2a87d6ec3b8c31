/**
 * Makes a bare clone runnable: installs the locked dependencies when they are missing or older than the
 * lockfile, and compiles to dist/ when a source is newer. Plain Node, so that it runs before anything is
 * installed. Called by the npm scripts; `--quiet` prints only what fails.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const quiet = process.argv.includes('--quiet');
const say = (text) => quiet || process.stderr.write(`${text}\n`);
const time = (path) => (existsSync(join(root, path)) ? statSync(join(root, path)).mtimeMs : 0);

function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name === 'node_modules') continue;
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : time(path));
  }
  return latest;
}

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ['ignore', quiet ? 'ignore' : 2, 2] });
}

const installed = 'node_modules/.sluice-installed';
if (time(installed) < time('package-lock.json')) {
  say('installing dependencies …');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(join(root, installed), '');
  utimesSync(join(root, installed), new Date(), new Date());
}

const built = 'dist/.built';
const sources = ['src', 'bench', 'test', 'connectors'].filter((folder) => existsSync(join(root, folder)));
const changed = Math.max(time('tsconfig.json'), time('package-lock.json'), ...sources.map(newest));
if (time(built) < changed) {
  say('building …');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc')]);
  writeFileSync(join(root, built), '');
}
