/** What MQTT brokers and the way to them report, as coded errors, by the reason codes of MQTT 5. */
import { SluiceError } from '#connector';

/** Bad user name or password, not authorized, banned, bad authentication method. */
const REFUSED = [4, 5, 134, 135, 138, 140];
/** Server unavailable, busy, shutting down, quota exceeded, connection rate exceeded. */
const BUSY = [136, 137, 139, 151, 159];
const RETRY_MS = 1_000;

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code, message } = error as { code?: number | string; message: string };
  if (REFUSED.includes(Number(code)) || /not authorized|bad user name/i.test(message)) {
    return new SluiceError('ENDPOINT_REFUSED', message);
  }
  if (BUSY.includes(Number(code))) {
    return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  }
  if (typeof code === 'number' && code >= 128) return new SluiceError('ENDPOINT_FAILED', message);
  return new SluiceError('ENDPOINT_UNREACHABLE', message);
}
