/** Headers that an error brings along. Called by the exchange. */
import type { SluiceError } from '#kernel';

const RETRY_AFTER_S = '1';

/** Headers that belong to a problem of this kind. */
export function problemHeaders(error: SluiceError): [name: string, value: string][] {
  if (error.code === 'UNAUTHENTICATED') return [['WWW-Authenticate', 'Bearer realm="sluice"']];
  if (error.status === 401) return [['WWW-Authenticate', 'Bearer realm="sluice", error="invalid_token"']];
  if (error.code === 'METHOD_NOT_ALLOWED') return [['Allow', String(error.details['allow'])]];
  if (error.code === 'SEQUENCE_GAP') {
    const named: [string, string][] = [
      ['Producer-Expected-Seq', String(error.details['expected'])],
      ['Producer-Received-Seq', String(error.details['received'])],
    ];
    return named.filter(([, value]) => value !== 'undefined');
  }
  if (error.code === 'STREAM_CONFLICT' && error.details['closed'] === true) {
    return [
      ['Stream-Closed', 'true'],
      ['Stream-Next-Offset', String(error.details['next_offset'])],
    ];
  }
  if (error.code === 'PRODUCER_FENCED' && 'epoch' in error.details) {
    return [['Producer-Epoch', String(error.details['epoch'])]];
  }
  return error.retryable && error.status !== 500 && error.status !== 409 ? [['Retry-After', RETRY_AFTER_S]] : [];
}
