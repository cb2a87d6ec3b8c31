/**
 * A page of changes in the making, and what connectors that make them share: which streams were told in which form, keys of
 * rows as text and as JSON, and when a new form of a table means that its rows have to be read again.
 */
import type { Change, ChangePage, Json, Row, Stream } from './contract.ts';
import { toJson } from './json-values.ts';

const BYTES_MAX = 4 * 1024 * 1024;

export class ChangeDraft {
  readonly changes: Change[] = [];
  readonly streams = new Map<string, Stream>();
  readonly #recordsMax: number;
  /** About so many, as they came. */
  bytes = 0;

  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax;
  }

  get full(): boolean {
    return this.changes.length >= this.#recordsMax || this.bytes >= BYTES_MAX;
  }

  get empty(): boolean {
    return this.changes.length === 0 && this.streams.size === 0;
  }

  page(state: Json): ChangePage {
    const page = { changes: this.changes, state };
    return this.streams.size === 0 ? page : { ...page, streams: [...this.streams.values()] };
  }
}

/** The fields that rows had when they were given, with their types, as it is kept in a state. */
export type RowForm = Readonly<Record<string, string>>;

export function rowForm({ fields }: Stream): RowForm {
  return Object.fromEntries(fields.map(({ name, type, items }) => [name, items === undefined ? type : `${items}[]`]));
}

/**
 * Whether rows that were given in the old form may hold other values in the new one: nothing tells those changes one by one.
 * @param optional columns that are null in rows that were there before them
 */
export function changesRows(old: RowForm, now: RowForm, optional: ReadonlySet<string>): boolean {
  let added = false;
  for (const [name, type] of Object.entries(now)) {
    if (!Object.hasOwn(old, name)) {
      if (!optional.has(name)) return true;
      added = true;
    } else if (old[name] !== type) return true;
  }
  // One gone and another come may be one renamed.
  return added && Object.keys(old).some((name) => !Object.hasOwn(now, name));
}

/** The key of a row, as it is kept in a state. */
export function keyJson(row: Row, stream: Stream): Json {
  const key = Object.fromEntries(stream.primaryKey.map((name) => [name, row[name] ?? null]));
  return toJson(key, stream) as Json;
}

/** The key of a row as one text, to tell rows apart. */
export function keyText(row: Row, names: readonly string[]): string {
  let text = '';
  for (const name of names) {
    const value = row[name];
    text += `${value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)}\0`;
  }
  return text;
}
