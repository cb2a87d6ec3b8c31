/** What SFTP servers and the way to them report, as coded errors. */
import { SluiceError } from '#connector';

/** Status codes of the protocol. */
export const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;
const AWAY = /^(E[A-Z]+|ERR_NOT_CONNECTED|ERR_GENERIC_CLIENT)$/;
const LOST = /no response|not connected|connection lost|socket|handshake|timed out|keepalive|ended|closed/i;

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code, message, level } = error as { code?: unknown; message: string; level?: string };
  if (
    level === 'client-authentication' ||
    /authentication methods failed|Host denied|parse privateKey/i.test(message)
  ) {
    return new SluiceError('ENDPOINT_REFUSED', message);
  }
  if (code === PERMISSION_DENIED) return new SluiceError('ENDPOINT_REFUSED', message);
  if (typeof code === 'number') return new SluiceError('ENDPOINT_FAILED', message);
  if ((typeof code === 'string' && AWAY.test(code)) || level !== undefined || LOST.test(message)) {
    return new SluiceError('ENDPOINT_UNREACHABLE', message);
  }
  return new SluiceError('ENDPOINT_FAILED', message);
}
