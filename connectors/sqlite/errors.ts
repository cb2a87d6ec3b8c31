/** What SQLite reports, as coded errors. */
import { SluiceError } from '#connector';

export function asCoded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw coded(error);
  }
}

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code = '', message } = error as { code?: string; message: string };
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return new SluiceError('ENDPOINT_RATE_LIMITED', `another writes: ${message}`);
  if (/^SQLITE_(AUTH|PERM|READONLY)/.test(code)) return new SluiceError('ENDPOINT_REFUSED', message);
  if (/^SQLITE_(CANTOPEN|NOTADB|CORRUPT|IOERR)/.test(code) || code === '') {
    return new SluiceError('ENDPOINT_UNREACHABLE', message);
  }
  return new SluiceError('ENDPOINT_FAILED', `${code}: ${message}`);
}

/** Why SQLite does not take a record; undefined when the error is not about records. */
export function rejection(error: unknown): string | undefined {
  const { code = '', message } = error as { code?: string; message: string };
  return /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|ERROR)/.test(code) ? message : undefined;
}
