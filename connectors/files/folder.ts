/** Which files there are, and what their first records look like. Links are not followed: a stream cannot leave the folder. */
import { readdir } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { type Field, requireStream, type ScalarType, SluiceError, type Stream } from '#connector';
import { headerOf } from './csv.ts';
import { type Format, parserOf, type Settings } from './formats.ts';

const FORMATS: Readonly<Record<string, Format>> = {
  '.csv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.json': 'json',
  '.xml': 'xml',
};
const FILES_MAX = 1_000;
const SAMPLE = 100;

export interface File {
  readonly path: string;
  readonly format: Format;
  readonly stream: Stream;
}

export async function discoverFiles(settings: Settings): Promise<Stream[]> {
  const files: File[] = [];
  for (const path of await filesBelow(settings.path)) files.push(await fileAt(settings, path));
  return files.map(({ stream }) => stream);
}

/** @throws ENDPOINT_STREAM_UNKNOWN */
export async function findFile(settings: Settings, name: string): Promise<File> {
  const path = (await filesBelow(settings.path)).find((one) => nameOf(settings, one) === name);
  if (path === undefined) requireStream([], name);
  return fileAt(settings, path as string);
}

function nameOf({ path: folder }: Settings, path: string): string {
  return relative(folder, path).split(sep).join('/');
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && extname(entry.name).toLowerCase() in FORMATS);
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return paths.slice(0, FILES_MAX);
}

async function fileAt(settings: Settings, path: string): Promise<File> {
  const format = FORMATS[extname(path).toLowerCase()] as Format;
  const more = format === 'csv' || format === 'ndjson' ? (['incremental', 'append'] as const) : [];
  const stream = { name: nameOf(settings, path), primaryKey: [], cursors: [], can: ['full' as const, ...more] };
  if (format === 'csv') {
    const columns = await headerOf(path, settings.delimiter).catch(unlessDamaged);
    const fields = (columns ?? []).map((name): Field => ({ name, type: 'string', nullable: false }));
    return { path, format, stream: { ...stream, fields } };
  }
  return { path, format, stream: { ...stream, fields: await sampled(path, format, settings), open: true } };
}

/** A field has the type that all values of the first records have; where they differ, or are lists or objects, it is JSON. */
async function sampled(path: string, format: Format, settings: Settings): Promise<Field[]> {
  const types = new Map<string, ScalarType>();
  const count = async () => {
    let records = 0;
    for await (const { values } of parserOf(format)(path, settings, 0, true)) {
      for (const [name, value] of Object.entries(values)) {
        if (value === null) continue;
        const type = typeOf(value);
        types.set(name, (types.get(name) ?? type) === type ? type : 'json');
      }
      if (++records === SAMPLE) return;
    }
  };
  await count().catch(unlessDamaged);
  return Array.from(types, ([name, type]) => ({ name, type, nullable: true }));
}

/** A damaged file is one among others here; whoever reads it is told. */
function unlessDamaged(error: unknown): undefined {
  if (error instanceof SluiceError && error.code === 'ENDPOINT_FAILED') return undefined;
  throw error;
}

function typeOf(value: unknown): ScalarType {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return 'float';
  return typeof value === 'boolean' ? 'boolean' : 'json';
}
