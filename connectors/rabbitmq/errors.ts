/** What RabbitMQ and the way to it report, as coded errors, by the reply codes of AMQP 0-9-1. */
import { SluiceError } from '#connector';

const REFUSED = /403|ACCESS[-_]REFUSED|530|NOT[-_]ALLOWED|Expected ConnectionOpenOk/;
const NOT_FOUND = /404|NOT[-_]FOUND/;
const BUSY = /506|RESOURCE[-_]ERROR|405|RESOURCE[-_]LOCKED/;
const RETRY_MS = 1_000;

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code, message } = error as { code?: string | number; message: string };
  const said = `${typeof code === 'number' ? code : ''} ${message}`;
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) return new SluiceError('ENDPOINT_UNREACHABLE', message);
  if (REFUSED.test(said)) return new SluiceError('ENDPOINT_REFUSED', message);
  if (NOT_FOUND.test(said)) return new SluiceError('ENDPOINT_STREAM_UNKNOWN', message);
  if (BUSY.test(said)) return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  if (/clos|ended|timeout|timed out|heartbeat|320|CONNECTION|socket/i.test(said)) {
    return new SluiceError('ENDPOINT_UNREACHABLE', message);
  }
  return new SluiceError('ENDPOINT_FAILED', message);
}
