/** CSV: the first line names the columns, every value is text as it stands there. The place of a record is a byte. */
import { Readable } from 'node:stream';
import { type Options, parse } from 'csv-parse';
import type { SluiceError } from '#kernel';
import { countOf, damaged, type Parsed, type Reader, type Source } from './source.ts';
import type { FileSettings } from './store.ts';

const DELIMITERS = ['\r\n', '\n'];
const RECORD_BYTES_MAX = 16 * 1024 * 1024;

interface Read {
  readonly record: readonly string[];
  readonly info: { readonly bytes: number };
}

export const csvReader: Reader = {
  fields: async (source, { delimiter }) => {
    const columns = await headerOf(source, delimiter);
    return (columns ?? []).map((name) => ({ name, type: 'string', nullable: false }));
  },
  records: (source, settings, from, tail) => records(source, settings, countOf(from), tail),
};

/** The names of the columns; undefined in an empty file. */
async function headerOf(source: Source, delimiter: string): Promise<readonly string[] | undefined> {
  for await (const { record } of rows(source, { delimiter }, 0)) return record;
  return undefined;
}

async function* records(
  source: Source,
  { delimiter }: FileSettings,
  from: number,
  tail: boolean,
): AsyncGenerator<Parsed> {
  const columns = await headerOf(source, delimiter);
  if (columns === undefined) return;
  let header = from === 0;
  let last: Read | undefined;
  try {
    for await (const read of rows(source, { delimiter }, from)) {
      if (last !== undefined) yield parsed(source.name, columns, last, from);
      last = header ? undefined : read;
      header = false;
    }
  } catch (error) {
    if (tail || (error as SluiceError).details?.['csv'] !== 'CSV_QUOTE_NOT_CLOSED') throw error;
    // What is being written is behind the last record, not in it.
    if (last !== undefined) yield parsed(source.name, columns, last, from);
    return;
  }
  if (last !== undefined && tail) yield parsed(source.name, columns, last, from);
}

function parsed(name: string, columns: readonly string[], { record, info }: Read, from: number): Parsed {
  const next = from + info.bytes;
  if (record.length !== columns.length) {
    throw damaged(name, `the record before byte ${next} has ${record.length} columns, not ${columns.length}`);
  }
  return { values: Object.fromEntries(columns.map((column, i) => [column, record[i]])), next };
}

async function* rows(source: Source, options: Options, from: number): AsyncGenerator<Read> {
  const bytes = Readable.from(source.open(from), { objectMode: false });
  const parser = parse({
    ...options,
    bom: from === 0,
    info: true,
    max_record_size: RECORD_BYTES_MAX,
    relax_column_count: true,
    skip_empty_lines: true,
    record_delimiter: DELIMITERS,
  });
  bytes.on('error', (error) => parser.destroy(error));
  try {
    for await (const read of bytes.pipe(parser)) yield read as Read;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('CSV_') !== true) throw error;
    throw damaged(source.name, message, { csv: code });
  } finally {
    bytes.destroy();
    parser.destroy();
  }
}

function toLine(values: readonly string[], delimiter: string): string {
  const quoted = (text: string) =>
    text === '' || text.includes(delimiter) || /["\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return `${values.map(quoted).join(delimiter)}\n`;
}

/** Null is an empty value; what is no scalar is JSON. */
export function csvLine(columns: readonly string[], record: Record<string, unknown>, delimiter: string): string {
  const cell = (value: unknown) => {
    if (value === null || value === undefined) return '';
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  return toLine(
    columns.map((name) => cell(record[name])),
    delimiter,
  );
}
