/** The head of an answer: status lines and what may stand in a header value. Called by the exchange. */
import { STATUS_CODES } from 'node:http';
import { SluiceError } from '#kernel';

const lines = new Map<number, string>();
for (const [code, text] of Object.entries(STATUS_CODES)) lines.set(Number(code), `${code} ${text}`);

/** `404 Not Found`. */
export function answerStatus(status: number): string {
  return lines.get(status) ?? `${status}`;
}

/** The native side writes a value as it is, line breaks included. @throws REQUEST_INVALID */
export function checkHeaderValue(name: string, value: string): void {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) {
      throw new SluiceError('REQUEST_INVALID', `the answer header ${name} would hold a control character`);
    }
  }
}

const RETRY_AFTER_S = '1';

/** Headers that belong to a problem of this kind. */
export function problemHeaders(error: SluiceError): [name: string, value: string][] {
  if (error.code === 'UNAUTHENTICATED') return [['WWW-Authenticate', 'Bearer realm="sluice"']];
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
