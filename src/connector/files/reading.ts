/**
 * Pages of one file. An incremental read leaves a last line that has no end yet to the next one: somebody is writing it. Values
 * of formats without types have the type that the stream shows.
 */
import { SluiceError } from '#kernel';
import type { Field, Json, Page, ReadRequest, Row, Stream, Value } from '../contract.ts';
import type { Found } from './discovery.ts';
import { type Kind, readerOf } from './formats.ts';
import { countOf, type Source, sourceOf } from './source.ts';
import type { FileSettings, FileStore, StoredFile } from './store.ts';

const NEWLINE = 10;

export async function* readFile(
  store: FileStore,
  settings: FileSettings,
  { file, kind, stream }: Extract<Found, { of: 'file' }>,
  { mode, state, pageRecordsMax }: ReadRequest,
): AsyncGenerator<Page> {
  const from = (state as { next?: Json } | null | undefined)?.next ?? null;
  const grows = stream.can.includes('incremental');
  if (grows && file.size < countOf(from)) {
    throw new SluiceError('ENDPOINT_FAILED', `${stream.name} is shorter than it was: read it anew`);
  }
  const source = sourceOf(store, file, kind.gzip);
  const tail = mode === 'full' || !grows || (await endsWithNewline(source));
  for await (const { records, next } of pagesOf(source, kind, stream, settings, from, pageRecordsMax, tail)) {
    yield { records, state: { next } };
  }
}

/** A file that nobody writes any more, from `from` on. */
export function pagesOfFile(
  store: FileStore,
  settings: FileSettings,
  { kind, stream }: Extract<Found, { of: 'set' }>,
  file: StoredFile,
  from: Json,
  pageRecordsMax: number,
): AsyncGenerator<{ records: Row[]; next: Json }> {
  return pagesOf(sourceOf(store, file, kind.gzip), kind, stream, settings, from, pageRecordsMax, true);
}

async function* pagesOf(
  source: Source,
  { format }: Kind,
  stream: Stream,
  settings: FileSettings,
  from: Json,
  pageRecordsMax: number,
  tail: boolean,
): AsyncGenerator<{ records: Row[]; next: Json }> {
  const reader = await readerOf(format);
  const fields = new Map(stream.fields.map((field) => [field.name, field]));
  let records: Row[] = [];
  let next = from;
  for await (const parsed of reader.records(source, settings, from, tail)) {
    records.push(reader.typed === true ? (parsed.values as Row) : rowOf(parsed.values, fields));
    next = parsed.next;
    if (records.length < pageRecordsMax) continue;
    yield { records, next };
    records = [];
  }
  if (records.length > 0) yield { records, next };
}

function rowOf(values: Readonly<Record<string, unknown>>, fields: ReadonlyMap<string, Field>): Row {
  const row: Record<string, Value> = Object.create(null);
  for (const [name, value] of Object.entries(values)) row[name] = valueIn(fields.get(name), value);
  return row;
}

/** Lists and objects are JSON, whatever the first records had there. */
function valueIn(field: Field | undefined, value: unknown): Value {
  if (value === null) return null;
  if (typeof value === 'object' || field?.type === 'json') return JSON.stringify(value);
  return value as Value;
}

async function endsWithNewline({ random }: Source): Promise<boolean> {
  if (random === undefined || random.size === 0) return true;
  return (await random.slice(random.size - 1, random.size))[0] === NEWLINE;
}
