/**
 * Parquet. A row group is unpacked column by column, in parts where it is large, so that memory does not grow with the file; the
 * place of a record is its row. The file says its types.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { type Compressors, type FileMetaData, parquetMetadataAsync, parquetScan } from 'hyparquet';
import { compressors as pure } from 'hyparquet-compressors';
import { SluiceError } from '#kernel';
import { columnsOf, PARSERS, type ParquetColumn, plainSchema } from './parquet-types.ts';
import { countOf, damaged, type Parsed, type Reader, type Source } from './source.ts';

/** Unpacked bytes of a row group that are held at once. */
const PART_BYTES = 48 * 1024 * 1024;
const METADATA_BYTES_MAX = 32 * 1024 * 1024;
const TAIL_BYTES = 8;
const MAGIC = 'PAR1';

/** Nothing is packed as nothing, which some of the library's unpackers do not take. */
const compressors: Compressors = Object.fromEntries(
  Object.entries({ ...pure, GZIP: unpacker(gunzipSync), BROTLI: unpacker(brotliDecompressSync) }).map(
    ([name, unpack]) => [
      name,
      (input: Uint8Array, length: number) => (length === 0 ? new Uint8Array() : unpack(input, length)),
    ],
  ),
);

function unpacker(unpack: (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array) {
  return (input: Uint8Array, length: number) => new Uint8Array(unpack(input, { maxOutputLength: length }));
}

export const parquetReader: Reader = {
  typed: true,
  fields: async (source) => {
    const { metadata } = await opened(source);
    return columnsOf(metadata).map(({ field }) => field);
  },
  records: (source, _settings, from) => records(source, countOf(from)),
};

async function* records(source: Source, from: number): AsyncGenerator<Parsed> {
  const { file, metadata } = await opened(source);
  const columns = columnsOf(metadata);
  const plain = { ...metadata, schema: plainSchema(metadata.schema, columns) };
  let groupStart = 0;
  for (const { num_rows, columns: chunks } of metadata.row_groups) {
    const rows = Number(num_rows);
    const begin = Math.max(from, groupStart);
    const groupEnd = groupStart + rows;
    const bytes = chunks.reduce((sum, { meta_data }) => sum + Number(meta_data?.total_uncompressed_size ?? 0), 0);
    const part = Math.max(1, Math.ceil(rows / Math.max(1, Math.ceil(bytes / PART_BYTES))));
    for (let row = begin; row < groupEnd; row += part) {
      yield* partOf(source.name, file, plain, columns, row, Math.min(row + part, groupEnd));
    }
    groupStart = groupEnd;
  }
}

interface Bytes {
  readonly byteLength: number;
  slice(from: number, to?: number): Promise<ArrayBuffer>;
}

async function* partOf(
  name: string,
  file: Bytes,
  metadata: FileMetaData,
  columns: readonly ParquetColumn[],
  rowStart: number,
  rowEnd: number,
): AsyncGenerator<Parsed> {
  // A scan remembers what it has read, so each part has its own.
  const scan = await parsed(name, () => parquetScan({ file, metadata, compressors, parsers: PARSERS, utf8: false }));
  const data: ArrayLike<unknown>[] = [];
  for (const { field } of columns) {
    data.push(await parsed(name, () => scan.readColumn({ column: field.name, rowStart, rowEnd })));
  }
  for (let i = 0; i < rowEnd - rowStart; i++) {
    const values: Record<string, unknown> = Object.create(null);
    for (const [at, { field, convert }] of columns.entries()) {
      const value = data[at]?.[i];
      values[field.name] = value === null || value === undefined ? null : convert(value);
    }
    yield { values, next: rowStart + i + 1 };
  }
}

async function opened({ name, random }: Source): Promise<{ file: Bytes; metadata: FileMetaData }> {
  if (random === undefined) throw damaged(name, 'a packed Parquet file cannot be read');
  const { size, slice } = random;
  if (size < TAIL_BYTES + MAGIC.length) throw damaged(name, 'it is no Parquet file');
  const tail = Buffer.from(await slice(size - TAIL_BYTES, size));
  const length = tail.readUInt32LE(0);
  if (tail.subarray(4).toString('latin1') !== MAGIC || length > size) throw damaged(name, 'it is no Parquet file');
  if (length > METADATA_BYTES_MAX) throw damaged(name, `its metadata has ${length} bytes`);
  const file: Bytes = {
    byteLength: size,
    slice: async (from, to = size) => {
      const bytes = await slice(from, Math.min(to, size));
      const { buffer, byteOffset, byteLength } = bytes;
      return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    },
  };
  return { file, metadata: await parsed(name, () => parquetMetadataAsync(file, { geoparquet: false })) };
}

/** What the library throws is about the file; what the store throws is not. */
async function parsed<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof SluiceError || (typeof code === 'string' && !/^(ERR|Z)_/.test(code))) throw error;
    throw damaged(name, message);
  }
}
