/**
 * Which streams a store of files has: each file of a known format, each set of files that is declared, and all files as they are.
 * What cannot be told from a name is told by the file, or by its first records.
 */
import { SluiceError } from '#kernel';
import type { Capability, Field, ScalarType, Stream } from '../contract.ts';
import { type Kind, kindOf, readerOf } from './formats.ts';
import { sourceOf } from './source.ts';
import { type FileSettings, type FileStore, isFileName, type StoredFile } from './store.ts';

const FILES_MAX = 1_000;
const SAMPLE = 100;

/** A stream with what it is made of. */
export type Found =
  | { readonly of: 'file'; readonly stream: Stream; readonly kind: Kind; readonly file: StoredFile }
  | { readonly of: 'set'; readonly stream: Stream; readonly kind: Kind; readonly pattern: string }
  | { readonly of: 'whole'; readonly stream: Stream };

export async function discoverStreams(store: FileStore, settings: FileSettings): Promise<Stream[]> {
  const files: StoredFile[] = [];
  for await (const file of store.list('')) if (kindOf(file.name) !== undefined) files.push(file);
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const streams: Stream[] = [];
  for (const file of files.slice(0, FILES_MAX)) streams.push((await fileStream(store, settings, file)).stream);
  for (const name of Object.keys(settings.sets)) streams.push((await setStream(store, settings, name)).stream);
  return settings.whole === undefined ? streams : [...streams, wholeStream(settings.whole)];
}

/** @throws ENDPOINT_STREAM_UNKNOWN */
export async function findStream(store: FileStore, settings: FileSettings, name: string): Promise<Found> {
  if (name === settings.whole) return { of: 'whole', stream: wholeStream(name) };
  if (Object.hasOwn(settings.sets, name)) return setStream(store, settings, name);
  const file = isFileName(name) && kindOf(name) !== undefined ? await store.find(name) : undefined;
  if (file === undefined) throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no stream ${name}`, { name });
  return fileStream(store, settings, file);
}

function wholeStream(name: string): Stream {
  const fields: Field[] = [
    { name: 'name', type: 'string', nullable: false },
    { name: 'content', type: 'bytes', nullable: true },
  ];
  const can = ['full', 'incremental', 'lookup', 'upsert', 'delete'] as const;
  return { name, fields, primaryKey: ['name'], cursors: [], can };
}

async function fileStream(store: FileStore, settings: FileSettings, file: StoredFile): Promise<Found> {
  const kind = kindOf(file.name) as Kind;
  const grows = (kind.format === 'csv' || kind.format === 'ndjson') && !kind.gzip;
  const can: Capability[] = ['full', ...(grows ? (['incremental'] as const) : [])];
  if (grows && store.append !== undefined) can.push('append');
  const { fields, open } = await fieldsOf(store, settings, kind, file);
  const stream: Stream = { name: file.name, fields, primaryKey: [], cursors: [], can, ...(open ? { open: true } : {}) };
  return { of: 'file', stream, kind, file };
}

/** Its fields are those of the file that changed last. */
async function setStream(store: FileStore, settings: FileSettings, name: string): Promise<Found> {
  const pattern = settings.sets[name] as string;
  const kind = kindOf(pattern) as Kind;
  let latest: StoredFile | undefined;
  for await (const file of filesOf(store, pattern)) {
    if (latest === undefined || file.modified > latest.modified) latest = file;
  }
  const { fields } = latest === undefined ? { fields: [] as Field[] } : await fieldsOf(store, settings, kind, latest);
  const can: Capability[] = ['full', 'incremental'];
  if ((kind.format === 'csv' || kind.format === 'ndjson') && !kind.gzip) can.push('append');
  return { of: 'set', stream: { name, fields, open: true, primaryKey: [], cursors: [], can }, kind, pattern };
}

export async function* filesOf(store: FileStore, pattern: string): AsyncGenerator<StoredFile> {
  const matches = matcherOf(pattern);
  const prefix = pattern.slice(0, pattern.search(/[*?]|$/));
  for await (const file of store.list(prefix)) if (matches.test(file.name)) yield file;
}

function matcherOf(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*\/|\*\*|\*|\?)/).map((part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : part.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`, 's');
}

/** A damaged file is one among others here; whoever reads it is told. */
async function fieldsOf(
  store: FileStore,
  settings: FileSettings,
  kind: Kind,
  file: StoredFile,
): Promise<{ fields: readonly Field[]; open: boolean }> {
  const reader = await readerOf(kind.format);
  const source = sourceOf(store, file, kind.gzip);
  try {
    const said = await reader.fields?.(source, settings);
    if (said !== undefined) return { fields: said, open: false };
    const types = new Map<string, ScalarType>();
    let records = 0;
    for await (const { values } of reader.records(source, settings, null, true)) {
      addTypes(types, values);
      if (++records === SAMPLE) break;
    }
    return { fields: Array.from(types, ([name, type]) => ({ name, type, nullable: true })), open: true };
  } catch (error) {
    if (error instanceof SluiceError && error.details['damaged'] === true) return { fields: [], open: true };
    throw error;
  }
}

/** A field has the type that all values of the first records have; where they differ, or are lists or objects, it is JSON. */
function addTypes(types: Map<string, ScalarType>, values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === null) continue;
    const type = typeOf(value);
    types.set(name, (types.get(name) ?? type) === type ? type : 'json');
  }
}

function typeOf(value: unknown): ScalarType {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return 'float';
  return typeof value === 'boolean' ? 'boolean' : 'json';
}
