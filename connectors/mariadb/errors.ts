/** What MariaDB and the way to it report, as coded errors. */
import { SluiceError } from '#connector';

const RETRY_MS = 1_000;
const REFUSED =
  /^ER_(ACCESS_DENIED|SPECIFIC_ACCESS_DENIED|DBACCESS_DENIED|BAD_DB|TABLEACCESS_DENIED|COLUMNACCESS_DENIED|HOST_NOT_PRIV)/;
const BUSY = /^ER_(CON_COUNT|TOO_MANY_USER_CONNECTIONS|USER_LIMIT_REACHED|LOCK_DEADLOCK|LOCK_WAIT_TIMEOUT)/;
const AWAY = /^(PROTOCOL_|HANDSHAKE_|E[A-Z]+$|ER_SERVER_SHUTDOWN|ER_HOST_IS_BLOCKED|ERR_)/;
/** The binary log does not reach back to where a reader was. */
const LOST = /could not find (gtid|next log|first log)|purged|not in the (master|server)'s binlog|impossible position/i;
/** Data exceptions, constraints, what triggers refuse. */
const RECORD_STATE = /^(22|23|45)/;
/** Cut to fit, no default, too large for one message: of the record, though their class does not say so. */
const RECORD_CODE = /^(WARN_DATA_TRUNCATED|ER_NO_DEFAULT_FOR_FIELD|ER_NET_PACKET_TOO_LARGE|ER_TRUNCATED_WRONG_VALUE)/;

interface Reported {
  readonly code?: string;
  readonly sqlState?: string;
  readonly message: string;
}

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code = '', message } = error as Reported;
  if (code === 'ER_MASTER_FATAL_ERROR_READING_BINLOG' && LOST.test(message)) {
    return new SluiceError('ENDPOINT_CHANGES_LOST', message);
  }
  if (REFUSED.test(code)) return new SluiceError('ENDPOINT_REFUSED', message);
  if (BUSY.test(code)) return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  if (AWAY.test(code)) return new SluiceError('ENDPOINT_UNREACHABLE', message === '' ? code : message);
  return new SluiceError('ENDPOINT_FAILED', code === '' ? message : `${code}: ${message}`);
}

/** Why MariaDB does not take a record; undefined when the error is not about records. */
export function rejection(error: unknown): string | undefined {
  const { code = '', sqlState = '', message } = error as Reported;
  return RECORD_STATE.test(sqlState) || RECORD_CODE.test(code) ? message : undefined;
}
