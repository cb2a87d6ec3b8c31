/** What FTP servers and the way to them report, as coded errors, by the codes of their replies. */
import { SluiceError } from '#connector';

/** Not logged in, and those of AUTH TLS. */
const REFUSED = [430, 530, 532, 534];
const BUSY = [421, 450, 452];
const RETRY_MS = 1_000;
/** No such file, or one that may not be touched: the protocol does not tell them apart. */
export const NOT_THERE = 550;

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code, message } = error as { code?: unknown; message: string };
  if (typeof code !== 'number') return new SluiceError('ENDPOINT_UNREACHABLE', message);
  if (REFUSED.includes(code)) return new SluiceError('ENDPOINT_REFUSED', message);
  if (BUSY.includes(code)) return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  if (code === 425 || code === 426) return new SluiceError('ENDPOINT_UNREACHABLE', message);
  if (code === 553 || code === NOT_THERE) return new SluiceError('ENDPOINT_REFUSED', message);
  return new SluiceError('ENDPOINT_FAILED', message);
}
