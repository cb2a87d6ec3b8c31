/**
 * Positions and how they are written. A position counts the records of a stream from 0. Readers get it as a token of
 * two groups of sixteen digits, `0000000000000000_0000000000000042`, which sorts as text and which servers of the
 * protocol commonly use; the first group is always zero here.
 */
import { SluiceError } from '#kernel';

const DIGITS = 16;
const ZEROS = '0'.repeat(DIGITS);
const TOKEN = /^(\d{16})_(\d{16})$/;

export function offsetToken(position: number): string {
  return `${ZEROS}_${String(position).padStart(DIGITS, '0')}`;
}

/**
 * The position of a token; infinite for one that is well formed and beyond any stream.
 * @throws REQUEST_INVALID (details: `field`)
 */
export function parseOffset(token: string, field: string): number {
  const match = TOKEN.exec(token);
  if (match === null) {
    throw new SluiceError('REQUEST_INVALID', `${field} is not an offset that this server has given`, { field });
  }
  return match[1] === ZEROS ? Number(match[2]) : Number.POSITIVE_INFINITY;
}
