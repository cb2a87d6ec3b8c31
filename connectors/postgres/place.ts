/**
 * Where a reader of changes is: all transactions before a place in the write-ahead log, perhaps a part of the next one, and how
 * far each table's snapshot has come. This is the state of a page. Used by `changes`.
 *
 * Places in the log (LSN) are written here with leading zeros, so that texts compare as places do.
 */
import { type Json, type RowForm, SluiceError } from '#connector';

const LSN = /^[0-9A-F]{8}\/[0-9A-F]{8}$/;
const HALF_BITS = 32n;
const HALF_DIGITS = 8;

export interface TablePlace {
  /** The table's own number: another table under the same name is another table. */
  readonly oid: string;
  readonly done: boolean;
  /** The key of the last row that the snapshot has given; null: none yet. */
  readonly after: Json;
  /** What the rows that were given are like; null: nothing was given, or only what changed is. */
  readonly form: RowForm | null;
}

export interface Place {
  /** Of the database cluster: places in its log mean nothing elsewhere. */
  readonly system: string;
  /** All transactions that are committed before this are done. */
  readonly lsn: string;
  /** How many changes are done of the transaction that is committed at this place. */
  readonly cut: { readonly commit: string; readonly changes: number } | null;
  readonly tables: Readonly<Record<string, TablePlace>>;
}

/** @throws REQUEST_INVALID: it comes from outside, and ends up in commands */
export function readPlace(state: Json): Place {
  const { system, lsn, cut, tables } = (state ?? {}) as unknown as Partial<Place>;
  const sound =
    typeof system === 'string' &&
    LSN.test(String(lsn)) &&
    (cut === null || (LSN.test(String(cut?.commit)) && Number.isSafeInteger(cut?.changes))) &&
    typeof tables === 'object' &&
    tables !== null &&
    Object.values(tables).every((one) => typeof one?.oid === 'string' && typeof one.done === 'boolean');
  if (!sound) throw new SluiceError('REQUEST_INVALID', 'this is no state of reading changes', { field: 'state' });
  return { system, lsn: lsn as string, cut: cut ?? null, tables };
}

/** `0/16B3748` with its zeros. */
export function paddedLsn(text: string): string {
  const [high = '0', low = '0'] = text.split('/');
  return `${high.padStart(HALF_DIGITS, '0')}/${low.padStart(HALF_DIGITS, '0')}`.toUpperCase();
}

export function lsnOf(high: number, low: number): string {
  return paddedLsn(`${high.toString(16)}/${low.toString(16)}`);
}

export function lsnNumber(lsn: string): bigint {
  const [high, low] = lsn.split('/');
  return (BigInt(`0x${high}`) << HALF_BITS) | BigInt(`0x${low}`);
}
