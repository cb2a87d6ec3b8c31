/** The LMDB engine keeps the contract, also across closing and opening again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { vi } from 'vitest';
import { type LmdbLogOptions, openLmdbLog } from '#engine-lmdb';
import { Metrics, resolveLimits, silentLogger, systemClock } from '#kernel';
import type { Log } from '#log';
import { describeLog } from './log-suite/index.ts';

const NO_SPACE = 28;
const opened = new Map<Log, LmdbLogOptions>();
/** Folders of logs whose commits fail. */
const failing = vi.hoisted(() => new Set<string>());

/** lmdb, with transactions that fail as on a full disk where a test asks for it; `test/torture` fills a disk. */
vi.mock('lmdb', async (importActual) => {
  const actual = await importActual<typeof import('lmdb')>();
  const open: typeof actual.open = (options) => {
    const { path, readOnly } = options as { path: string; readOnly?: boolean };
    const database = actual.open(options as never);
    // What is opened to be read has no transactions.
    if (readOnly === true) return database as never;
    const batch = database.batch.bind(database);
    const fails = () => [...failing].some((folder) => path.startsWith(folder));
    database.batch = (action) => (fails() ? failedBatch() : batch(action));
    return database as never;
  };
  return { ...actual, open };
});

/** What lmdb rejects with: a general error, which carries that of the transaction as a promise. */
function failedBatch(): Promise<never> {
  const commitError = Promise.reject(Object.assign(new Error('No space left on device'), { code: NO_SPACE }));
  commitError.catch(() => undefined);
  return Promise.reject(Object.assign(new Error('Commit failed (see commitError for details)'), { commitError }));
}

describeLog({
  name: 'LmdbLog',
  async open({ limits = {}, clock = systemClock } = {}) {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-contract-'));
    const options = { directory, limits: resolveLimits(limits), clock, logger: silentLogger, metrics: new Metrics() };
    const log = await openLmdbLog(options);
    opened.set(log, options);
    return log;
  },
  async reopen(log) {
    const options = opened.get(log) as LmdbLogOptions;
    await log.close();
    opened.delete(log);
    const again = await openLmdbLog({ ...options, metrics: new Metrics() });
    opened.set(again, options);
    return again;
  },
  failCommits(log, error) {
    const folder = (opened.get(log) as LmdbLogOptions).directory + sep;
    if (error === undefined) failing.delete(folder);
    else failing.add(folder);
  },
  async cleanup() {
    failing.clear();
    for (const [log, { directory }] of opened) {
      await log.close();
      rmSync(directory, { recursive: true, force: true });
    }
    opened.clear();
  },
});
