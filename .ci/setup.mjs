/**
 * Makes a bare clone runnable: installs the locked dependencies where node_modules does not hold them, and compiles to
 * dist/ where a source differs from what dist was built from. Plain Node, so that it runs before anything is
 * installed. Called by the npm scripts and `.ci/test.mjs`; `--quiet` prints only what fails, `--despite-types` builds
 * also what has type errors, so that tests can tell more than the compiler.
 *
 * Contents decide, never times. Of several calls at once one works, the others wait for it. A build goes to a folder
 * of its own that takes the place of dist when it is whole: what runs from dist is not pulled away half way.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const quiet = process.argv.includes('--quiet');
const despiteTypes = process.argv.includes('--despite-types');
const at = (...path) => join(root, ...path);
const say = (text) => quiet || process.stderr.write(`${text}\n`);
const run = (command, args, stdio) => execFileSync(command, args, { cwd: root, stdio });

/** True when node_modules holds every locked package in its version; what is optional may be missing. */
function installed() {
  const record = at('node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const present = JSON.parse(readFileSync(record, 'utf8')).packages;
  const locked = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages;
  return Object.entries(locked).every(
    ([path, { version, optional }]) =>
      path === '' || present[path]?.version === version || (optional && !present[path]),
  );
}

function install() {
  if (lstatSync(at('node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    return process.stderr.write('node_modules is a link and differs from package-lock.json; left as it is\n');
  }
  say('installing dependencies …');
  const options = ['--no-audit', '--no-fund', '--loglevel=error'];
  try {
    run('npm', ['ci', ...options], 'pipe');
  } catch (error) {
    // `npm ci` refuses a lockfile without the binaries of other platforms, which not every registry carries.
    if (error.code === 'ENOENT')
      throw new Error('npm is not on the PATH; install the dependencies first', { cause: error });
    run('npm', ['install', '--no-save', ...options], ['ignore', quiet ? 'ignore' : 2, 2]);
  }
}

function fingerprint() {
  const hash = createHash('sha256');
  const add = (path) => {
    if (lstatSync(at(path)).isDirectory()) {
      for (const name of readdirSync(at(path)).sort()) if (name !== 'node_modules') add(join(path, name));
    } else {
      hash
        .update(`${path}\0`)
        .update(readFileSync(at(path)))
        .update('\0');
    }
  };
  for (const path of ['tsconfig.json', 'package.json', 'package-lock.json', 'src', 'bench', 'test', 'connectors']) {
    if (existsSync(at(path))) add(path);
  }
  return hash.digest('hex');
}

const built = (print) => existsSync(at('dist', '.built')) && readFileSync(at('dist', '.built'), 'utf8') === print;

/** False when there were type errors and they do not matter: what was built is then not taken for finished. */
function compile(folder) {
  try {
    run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '--outDir', folder], ['ignore', 2, 2]);
    return true;
  } catch (error) {
    if (!despiteTypes || !existsSync(at(folder))) throw error;
    return false;
  }
}

function build(print) {
  say('building …');
  const next = `dist.next-${process.pid}`;
  const old = `dist.old-${process.pid}`;
  try {
    writeFileSync(at(next, '.built'), compile(next) ? print : '');
    if (existsSync(at('dist'))) renameSync(at('dist'), at(old));
    renameSync(at(next), at('dist'));
  } finally {
    rmSync(at(next), { recursive: true, force: true });
    rmSync(at(old), { recursive: true, force: true });
  }
}

/** Holds dist.lock, which carries the holder's process id, while `work` runs; the lock of a dead one is taken over. */
function alone(work) {
  const lock = at('dist.lock');
  for (let waited = 0; ; waited++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (waited > 3_000) throw new Error('dist.lock is held for ten minutes; remove it if no setup is running');
      if (!alive(lock)) rmSync(lock, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function alive(lock) {
  try {
    const holder = Number(readFileSync(lock, 'utf8'));
    // The file is empty between its creation and its first byte.
    return holder === 0 || process.kill(holder, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

try {
  if (!installed() || !built(fingerprint())) {
    alone(() => {
      if (!installed()) install();
      const print = fingerprint();
      if (!built(print)) build(print);
    });
  }
} catch (error) {
  process.stderr.write(`setup failed: ${error.message}\n`);
  process.exitCode = 1;
}
