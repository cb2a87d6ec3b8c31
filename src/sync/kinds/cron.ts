/** Times of a schedule, by croner, which is loaded with the first schedule that is declared. */
import { createRequire } from 'node:module';
import type * as Croner from 'croner';

const require = createRequire(import.meta.url);

/** The first time after `since`, epoch ms; null: there is none. @throws what is wrong with the expression or the zone */
export function nextTime(cron: string, timeZone: string, since: number): number | null {
  const { Cron } = require('croner') as typeof Croner;
  return new Cron(cron, { timezone: timeZone }).nextRun(new Date(since))?.getTime() ?? null;
}
