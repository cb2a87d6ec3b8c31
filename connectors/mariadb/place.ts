/**
 * Where a reader of changes is: the last transaction of each domain, perhaps a part of the next one, and how far each table's
 * snapshot has come. This is the state of a page. Used by `changes`.
 */
import { MariadbGtidPosition } from '@vlasky/zongji';
import { type Json, type RowForm, SluiceError } from '#connector';

export interface TablePlace {
  readonly done: boolean;
  /** The key of the last row that the snapshot has given; null: none yet. */
  readonly after: Json;
  /** What the rows that were given are like; null: nothing was given, or only what changed is. */
  readonly form: RowForm | null;
}

export interface Place {
  /** `0-1-1234,77-1-5`: the last transaction of each domain that is done. */
  readonly gtids: string;
  /** How many changes are done of the transaction with this GTID. */
  readonly cut: { readonly gtid: string; readonly changes: number } | null;
  readonly tables: Readonly<Record<string, TablePlace>>;
}

/** @throws REQUEST_INVALID: it comes from outside, and ends up in commands */
export function readPlace(state: Json): Place {
  const { gtids, cut, tables } = (state ?? {}) as unknown as Partial<Place>;
  const sound =
    typeof gtids === 'string' &&
    isPosition(gtids) &&
    (cut === null || (typeof cut?.gtid === 'string' && Number.isSafeInteger(cut.changes))) &&
    typeof tables === 'object' &&
    tables !== null &&
    Object.values(tables).every((one) => typeof one?.done === 'boolean');
  if (!sound) throw new SluiceError('REQUEST_INVALID', 'this is no state of reading changes', { field: 'state' });
  return { gtids, cut: cut ?? null, tables };
}

function isPosition(text: string): boolean {
  try {
    MariadbGtidPosition.parse(text);
    return true;
  } catch {
    return false;
  }
}
