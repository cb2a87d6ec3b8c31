/**
 * The format of a file, by its extension. A reader holds one chunk and one record at a time, or one block where the format has
 * blocks; each reader and its library is loaded when a file needs it.
 */
import type { Reader } from './source.ts';

export type Format = 'csv' | 'ndjson' | 'json' | 'xml' | 'avro' | 'parquet' | 'protobuf';

const FORMATS: Readonly<Record<string, Format>> = {
  '.csv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.json': 'json',
  '.xml': 'xml',
  '.avro': 'avro',
  '.parquet': 'parquet',
  '.pb': 'protobuf',
};

export interface Kind {
  readonly format: Format;
  readonly gzip: boolean;
}

export function kindOf(name: string): Kind | undefined {
  const [, inner, packed] = /(\.[a-z]+)(\.gz)?$/i.exec(name) ?? [];
  const format = FORMATS[(inner ?? '').toLowerCase()];
  if (format === undefined || (packed !== undefined && format === 'parquet')) return undefined;
  return { format, gzip: packed !== undefined };
}

export async function readerOf(format: Format): Promise<Reader> {
  switch (format) {
    case 'csv':
      return (await import('./csv.ts')).csvReader;
    case 'xml':
      return (await import('./xml.ts')).xmlReader;
    case 'avro':
      return (await import('./avro.ts')).avroReader;
    case 'parquet':
      return (await import('./parquet.ts')).parquetReader;
    case 'protobuf':
      return (await import('./protobuf.ts')).protobufReader;
    default:
      return (await import('./json.ts'))[format === 'json' ? 'listReader' : 'linesReader'];
  }
}
