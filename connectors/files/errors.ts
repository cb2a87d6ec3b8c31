/** What the file system and the parsers report, as coded errors. */
import { SluiceError } from '#connector';

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return new SluiceError('ENDPOINT_REFUSED', message);
  if (code === 'EMFILE' || code === 'ENOSPC' || code === 'EBUSY') {
    return new SluiceError('ENDPOINT_RATE_LIMITED', message);
  }
  if (/^E[A-Z]+$/.test(code)) return new SluiceError('ENDPOINT_UNREACHABLE', message);
  return new SluiceError('ENDPOINT_FAILED', message);
}
