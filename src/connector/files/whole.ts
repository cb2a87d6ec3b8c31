/** Files as records of `name` and `content`: moved from store to store, looked up, replaced and removed. */
import { SluiceError } from '#kernel';
import type { Page, ReadRequest, Row, WriteMode, WriteResult } from '../contract.ts';
import { Progress } from './progress.ts';
import { type FileSettings, type FileStore, isFileName, type StoredFile } from './store.ts';

/** Content in one page; one file may be larger than that. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;

export async function* readWhole(
  store: FileStore,
  settings: FileSettings,
  { mode, state, pageRecordsMax }: ReadRequest,
): AsyncGenerator<Page> {
  const progress = new Progress(mode, state);
  let records: Row[] = [];
  let bytes = 0;
  let place = state ?? null;
  for (const file of await progress.pending(store.list(''))) {
    const row = await rowOf(store, settings, file);
    place = progress.behind(file);
    if (row !== null) records.push(row);
    bytes += file.size;
    if (records.length < pageRecordsMax && bytes < PAGE_BYTES_MAX) continue;
    yield { records, state: place };
    records = [];
    bytes = 0;
  }
  if (records.length > 0) yield { records, state: place };
}

export async function lookupWhole(
  store: FileStore,
  settings: FileSettings,
  keys: readonly Row[],
): Promise<(Row | null)[]> {
  const rows: (Row | null)[] = [];
  for (const { name } of keys) {
    const file = isFileName(name) ? await store.find(name) : undefined;
    rows.push(file === undefined ? null : await rowOf(store, settings, file));
  }
  return rows;
}

/** Null where it is gone meanwhile. */
async function rowOf(store: FileStore, { content_bytes_max }: FileSettings, file: StoredFile): Promise<Row | null> {
  if (file.size > content_bytes_max) return { name: file.name, content: null };
  const chunks: Uint8Array[] = [];
  try {
    if (file.size > 0) for await (const chunk of store.open(file, 0)) chunks.push(chunk);
  } catch (error) {
    if ((await store.find(file.name)) === undefined) return null;
    throw error;
  }
  return { name: file.name, content: new Uint8Array(Buffer.concat(chunks)) };
}

export async function writeWhole(store: FileStore, mode: WriteMode, records: readonly Row[]): Promise<WriteResult[]> {
  const results: WriteResult[] = [];
  for (const { name, content } of records) {
    if (!isFileName(name)) {
      results.push(rejected('name must be a path below the root, with / between its parts'));
    } else if (mode === 'delete') {
      results.push(await resultOf(store.remove(name)));
    } else if (content instanceof Uint8Array || typeof content === 'string') {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      results.push(await resultOf(store.put(name, bytes)));
    } else {
      results.push(rejected('content must be bytes or text'));
    }
  }
  return results;
}

async function resultOf(work: Promise<void>): Promise<WriteResult> {
  try {
    await work;
    return { ok: true };
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'RECORD_REJECTED') return rejected(error.message);
    throw error;
  }
}

function rejected(reason: string): WriteResult {
  return { ok: false, code: 'RECORD_REJECTED', reason, retryable: false };
}
