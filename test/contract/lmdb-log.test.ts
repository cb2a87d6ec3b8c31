/** The LMDB engine keeps the contract, also across closing and opening again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LmdbLogOptions, openLmdbLog } from '#engine-lmdb';
import { Metrics, resolveLimits, silentLogger, systemClock } from '#kernel';
import type { Log } from '#log';
import { describeLog } from './log-suite/index.ts';

const opened = new Map<Log, LmdbLogOptions>();

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
  async cleanup() {
    for (const [log, { directory }] of opened) {
      await log.close();
      rmSync(directory, { recursive: true, force: true });
    }
    opened.clear();
  },
});
