/**
 * The process log: pino, one JSON line an event, to stderr so that stdout stays for answers. Secrets never reach
 * it: the fields that could carry one are redacted by name, in an event and up to two levels inside it.
 */

import type { Logger as PinoLogger } from 'pino';
import { destination, pino } from 'pino';

export type Logger = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

const SECRETS = ['authorization', 'key', 'secret', 'password', 'x-api-key', 'cookie'];
const REDACTED = SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);

export function createLogger(level: LogLevel = 'info'): Logger {
  return pino({ level, base: { name: 'sluice' }, redact: REDACTED }, destination({ dest: 2, sync: false }));
}

export const silentLogger: Logger = pino({ level: 'silent' });
