/** CSV: the first line names the columns, every value is text as it stands there. The place of a record is a byte. */
import { createReadStream } from 'node:fs';
import { type Options, parse } from 'csv-parse';
import { SluiceError } from '#connector';
import type { Parsed, Settings } from './formats.ts';

const DELIMITERS = ['\r\n', '\n'];

interface Read {
  readonly record: readonly string[];
  readonly info: { readonly bytes: number };
}

/** The names of the columns; undefined in an empty file. */
export async function headerOf(path: string, delimiter: string): Promise<readonly string[] | undefined> {
  for await (const { record } of rows(path, { delimiter }, 0)) return record;
  return undefined;
}

export async function* parseCsv(path: string, settings: Settings, from: number, tail: boolean): AsyncGenerator<Parsed> {
  const { delimiter } = settings;
  const columns = await headerOf(path, delimiter);
  if (columns === undefined) return;
  let header = from === 0;
  let last: Read | undefined;
  try {
    for await (const read of rows(path, { delimiter }, from)) {
      if (last !== undefined) yield parsed(path, columns, last, from);
      last = header ? undefined : read;
      header = false;
    }
  } catch (error) {
    if (tail || (error as SluiceError).details['csv'] !== 'CSV_QUOTE_NOT_CLOSED') throw error;
    // What is being written is behind the last record, not in it.
    if (last !== undefined) yield parsed(path, columns, last, from);
    return;
  }
  if (last !== undefined && tail) yield parsed(path, columns, last, from);
}

function parsed(path: string, columns: readonly string[], { record, info }: Read, from: number): Parsed {
  const next = from + info.bytes;
  if (record.length !== columns.length) {
    const message = `${path}: the record before byte ${next} has ${record.length} columns, not ${columns.length}`;
    throw new SluiceError('ENDPOINT_FAILED', message);
  }
  return { values: Object.fromEntries(columns.map((name, i) => [name, record[i]])), next };
}

async function* rows(path: string, options: Options, from: number): AsyncGenerator<Read> {
  const file = createReadStream(path, { start: from });
  const parser = parse({
    ...options,
    bom: from === 0,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    record_delimiter: DELIMITERS,
  });
  file.on('error', (error) => parser.destroy(error));
  try {
    for await (const read of file.pipe(parser)) yield read as Read;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('CSV_') !== true) throw error;
    throw new SluiceError('ENDPOINT_FAILED', `${path}: ${message}`, { csv: code });
  } finally {
    file.destroy();
  }
}

export function toLine(values: readonly string[], delimiter: string): string {
  const quoted = (text: string) =>
    text === '' || text.includes(delimiter) || /["\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return `${values.map(quoted).join(delimiter)}\n`;
}
