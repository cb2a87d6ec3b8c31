/** What WebDAV servers and the way to them report, as coded errors, by the status of their answers. */
import { SluiceError } from '#connector';

const RETRY_MS = 1_000;

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { status, message } = error as { status?: number; message: string };
  if (status === 401 || status === 403) return new SluiceError('ENDPOINT_REFUSED', message);
  if (status === 423 || status === 429 || status === 503) {
    return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  }
  if (status !== undefined && status < 500) return new SluiceError('ENDPOINT_FAILED', message);
  return new SluiceError('ENDPOINT_UNREACHABLE', message);
}
