/**
 * The process log: pino, one JSON line an event, to stderr so that stdout stays for answers. Secrets never reach
 * it: the fields that could carry one are redacted by name.
 */

import type { Logger as PinoLogger } from 'pino';
import { destination, pino } from 'pino';

export type Logger = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export function createLogger(level: LogLevel = 'info'): Logger {
  return pino(
    { level, base: { name: 'sluice' }, redact: ['*.authorization', '*.key', '*.secret', '*.password'] },
    destination({ dest: 2, sync: false }),
  );
}

export const silentLogger: Logger = pino({ level: 'silent' });
