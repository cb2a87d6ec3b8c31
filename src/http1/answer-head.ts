/** The head of an answer: status lines and what may stand in a header value. Called by whoever writes to a native response. */
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

interface BodilessResponse {
  writeHeader(name: string, value: string): unknown;
  endWithoutBody(length?: number, close?: boolean): unknown;
}

/**
 * Ends an answer that has a length and no body, as to HEAD; its head is written. Told the length, the native side would go
 * on waiting for the body, and serve nothing more on the connection.
 */
export function endHeadOnly(res: BodilessResponse, length: number, close: boolean): void {
  if (close) {
    res.endWithoutBody(length, true);
    return;
  }
  res.writeHeader('Content-Length', String(length));
  res.endWithoutBody();
}
