/** Pages of a file. An incremental read leaves a last line that has no end yet to the next one: somebody is writing it. */
import { open, stat } from 'node:fs/promises';
import { type Field, type Page, type ReadRequest, type Row, SluiceError, type Value } from '#connector';
import type { File } from './folder.ts';
import { type Parsed, parserOf, type Settings } from './formats.ts';

const NEWLINE = 10;

export async function* readFile(
  { path, format, stream }: File,
  settings: Settings,
  request: ReadRequest,
): AsyncGenerator<Page> {
  const { mode, pageRecordsMax } = request;
  if (!stream.can.includes(mode)) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', `${stream.name} can ${stream.can.join(', ')}, not ${mode}`);
  }
  const from = (request.state as { next?: number } | null | undefined)?.next ?? 0;
  const bytes = format === 'csv' || format === 'ndjson';
  if (bytes && (await stat(path)).size < from) {
    throw new SluiceError('ENDPOINT_FAILED', `${stream.name} is shorter than it was: read it anew`);
  }
  const tail = mode === 'full' || !bytes || (await endsWithNewline(path));
  const fields = new Map(stream.fields.map((field) => [field.name, field]));
  let records: Row[] = [];
  let next = from;
  for await (const parsed of parserOf(format)(path, settings, from, tail)) {
    records.push(rowOf(parsed, fields));
    next = parsed.next;
    if (records.length < pageRecordsMax) continue;
    yield { records, state: { next } };
    records = [];
  }
  if (records.length > 0) yield { records, state: { next } };
}

function rowOf({ values }: Parsed, fields: ReadonlyMap<string, Field>): Row {
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

async function endsWithNewline(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size === 0) return true;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] === NEWLINE;
  } finally {
    await file.close();
  }
}
