/**
 * Reading a table page by page behind the last key seen, never by counting rows: every page costs the same, and a reader that
 * died goes on with the state of its last page on another connection. Used by the connectors of databases.
 */
import { SluiceError } from '#kernel';
import type { Json, Page, ReadRequest, Row, Stream } from './contract.ts';
import { fromJson, toJson } from './json-values.ts';

export interface KeysetQuery {
  /** Columns to order by; together they identify a row. Empty: the table has no key. */
  readonly order: readonly string[];
  /** The page begins behind the row with these values; undefined: with the first row. */
  readonly after: Row | undefined;
  /** The first column may be null in some rows, which are then left out. */
  readonly skipNull: boolean;
  /** Rows given so far; for tables without a key. */
  readonly offset: number;
  readonly limit: number;
}

/** @throws ENDPOINT_STREAM_UNKNOWN, REQUEST_INVALID where the stream cannot be read like that */
export async function* readKeyset(
  stream: Stream,
  request: ReadRequest,
  fetch: (query: KeysetQuery) => Promise<Row[]>,
): AsyncGenerator<Page> {
  const order = orderOf(stream, request);
  const limit = request.pageRecordsMax;
  let { after, offset } = placeOf(request.state, stream);
  for (;;) {
    const records = await fetch({ order, after, skipNull: request.mode === 'incremental', offset, limit });
    const last = records.at(-1);
    if (last === undefined) return;
    offset += records.length;
    after = Object.fromEntries(order.map((name) => [name, last[name] ?? null]));
    yield { records, state: order.length === 0 ? { offset } : { after: toJson(after, stream) as Json } };
    if (records.length < limit) return;
  }
}

function orderOf(stream: Stream, { mode, cursor: asked }: ReadRequest): readonly string[] {
  if (mode === 'full') return stream.primaryKey;
  const cursor = asked ?? (stream.cursors.length === 1 ? stream.cursors[0] : undefined);
  if (cursor === undefined || !stream.cursors.includes(cursor)) {
    const known = stream.cursors.join(', ') || 'no fields';
    throw new SluiceError('REQUEST_INVALID', `${stream.name} can be read incrementally by ${known}`, {
      field: 'cursor',
    });
  }
  return [cursor, ...stream.primaryKey.filter((name) => name !== cursor)];
}

function placeOf(state: Json | undefined, stream: Stream): { after: Row | undefined; offset: number } {
  if (state === undefined || state === null) return { after: undefined, offset: 0 };
  const { after, offset = 0 } = state as { after?: Record<string, unknown>; offset?: unknown };
  // It comes from outside, and ends up in SQL.
  if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) {
    throw new SluiceError('REQUEST_INVALID', 'this is no state of such a read', { field: 'state' });
  }
  return { after: after === undefined ? undefined : fromJson(after, stream), offset };
}

/** The stream of that name. @throws ENDPOINT_STREAM_UNKNOWN */
export function requireStream(streams: readonly Stream[], name: string): Stream {
  const found = streams.find((stream) => stream.name === name);
  if (found === undefined) throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no stream ${name}`, { name });
  return found;
}

/** Holds a lookup to fields that the stream has. @throws REQUEST_INVALID */
export function requireFields({ name, fields }: Stream, by: readonly string[]): void {
  const unknown = by.find((one) => !fields.some((field) => field.name === one));
  if (unknown === undefined && by.length > 0) return;
  const message = by.length === 0 ? 'name the fields to look up by' : `${name} has no field ${unknown}`;
  throw new SluiceError('REQUEST_INVALID', message, { field: 'fields' });
}
