/** What SMTP servers and the way to them report, as coded errors, and as reasons why one mail is not taken. */
import { SluiceError } from '#connector';

interface MailFailure extends Error {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
}

const RETRY_MS = 5_000;

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { code = '', responseCode = 0, message } = error as MailFailure;
  if (code === 'EAUTH' || code === 'ENOAUTH' || code === 'EOAUTH2') return new SluiceError('ENDPOINT_REFUSED', message);
  if (responseCode === 421 || responseCode === 450 || responseCode === 451 || responseCode === 452) {
    return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  }
  if (responseCode >= 500) return new SluiceError('ENDPOINT_REFUSED', message);
  return new SluiceError('ENDPOINT_UNREACHABLE', message);
}

/** Undefined when it is not about the mail. */
export function rejection(error: unknown): { readonly reason: string; readonly retryable: boolean } | undefined {
  const { code = '', responseCode = 0, message } = error as MailFailure;
  if (code === 'EENVELOPE' || code === 'EMESSAGE' || code === 'ESTREAM') {
    return { reason: message, retryable: responseCode >= 400 && responseCode < 500 };
  }
  return undefined;
}
