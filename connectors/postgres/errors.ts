/** What PostgreSQL and the way to it report, as coded errors. By SQLSTATE (appendix A of its documentation). */
import { SluiceError } from '#connector';

const RETRY_MS = 1_000;
/** No right to connect or to do this; no such database. */
const REFUSED = /^(28...|3D000|42501)$/;
/** Too many connections, out of memory, a lock not available, serialization failures and deadlocks. */
const BUSY = /^(53...|55P03|40001|40P01)$/;
/** Connection exceptions, shutting down, starting up. */
const AWAY = /^(08...|57P0[1-3]|E[A-Z_]+)$/;
/** A replication slot that was invalidated, or whose log is gone. */
const LOST = /can no longer get changes|has been invalidated|requested WAL segment .* removed/i;
/** Data exceptions, constraints, two rows of one statement for one key, what triggers and views refuse. */
const RECORD = /^(22...|23...|21000|44000|P0001)$/;

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code = '', message } = error as { code?: string; message: string };
  if (LOST.test(message)) return new SluiceError('ENDPOINT_CHANGES_LOST', message);
  if (REFUSED.test(code)) return new SluiceError('ENDPOINT_REFUSED', message);
  if (BUSY.test(code)) return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  // The client library gives its own errors of connections no code.
  if (AWAY.test(code) || (code === '' && /connect|timeout|terminat|SSL|certificate/i.test(message))) {
    return new SluiceError('ENDPOINT_UNREACHABLE', message === '' ? code : message);
  }
  return new SluiceError('ENDPOINT_FAILED', code === '' ? message : `${code}: ${message}`);
}

/** Why PostgreSQL does not take a record; undefined when the error is not about records. */
export function rejection(error: unknown): string | undefined {
  const { code = '', message, detail } = error as { code?: string; message: string; detail?: string };
  if (!RECORD.test(code)) return undefined;
  return detail === undefined ? message : `${message} (${detail})`;
}
