/**
 * The header `deliver-at`: when a queue may hand a record out, as epoch milliseconds or as an ISO 8601 time. Readers
 * that are no queue do not look at it.
 */
import type { Header } from '#record';

const NAME = 'deliver-at';
const DIGITS = /^\d{1,16}$/;

/** Epoch milliseconds; 0, which is at once, without the header or with one that is no time. */
export function deliverAt(headers: readonly Header[]): number {
  for (const { key, value } of headers) {
    if (key !== NAME || value === null) continue;
    const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1').trim();
    const time = DIGITS.test(text) ? Number(text) : Date.parse(text);
    return Number.isFinite(time) ? time : 0;
  }
  return 0;
}
