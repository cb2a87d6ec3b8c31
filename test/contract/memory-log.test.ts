/** The reference engine keeps the contract. */
import { resolveLimits, systemClock } from '#kernel';
import { type Log, MemoryLog } from '#log';
import { describeLog } from './log-suite/index.ts';

const opened: Log[] = [];

describeLog({
  name: 'MemoryLog',
  async open({ limits = {}, clock = systemClock } = {}) {
    const log = new MemoryLog({ limits: resolveLimits(limits), clock });
    opened.push(log);
    return log;
  },
  failCommits: (log, error) => (log as MemoryLog).failCommits(error),
  async cleanup() {
    await Promise.all(opened.splice(0).map((log) => log.close()));
  },
});
