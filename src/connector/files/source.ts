/** What readers of formats read and give: a file, unpacked, as bytes from a place on; records, each with the place behind it. */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type ErrorDetails, SluiceError } from '#kernel';
import type { Field, Json } from '../contract.ts';
import type { FileSettings, FileStore, StoredFile } from './store.ts';

/** One file as a reader sees it, unpacked. */
export interface Source {
  readonly name: string;
  /** Bytes from there to the end. */
  open(from: number): AsyncIterable<Uint8Array>;
  /** Of a format that is read by jumping: absent where the file is packed. */
  readonly random?: { readonly size: number; slice(from: number, to: number): Promise<Uint8Array> };
}

export interface Parsed {
  readonly values: Readonly<Record<string, unknown>>;
  /** Where the next record begins: bytes in CSV and lines of JSON, otherwise the reader's own. */
  readonly next: Json;
}

export interface Reader {
  /** Its values are already those of the contract. */
  readonly typed?: true;
  /** Said by the file itself; undefined: the first records show. */
  fields?(source: Source, settings: FileSettings): Promise<readonly Field[] | undefined>;
  /** @param tail whether a last line without an end is one; of CSV and lines of JSON, which somebody may be writing */
  records(source: Source, settings: FileSettings, from: Json, tail: boolean): AsyncIterable<Parsed>;
}

export function sourceOf(store: FileStore, file: StoredFile, gzip: boolean): Source {
  const { name, size } = file;
  if (gzip) return { name, open: (from) => unpacked(name, store.open(file, 0), from) };
  const slice = async (from: number, to: number) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.open(file, from, to)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (bytes.length !== to - from) throw damaged(name, `it has no bytes ${from} to ${to}`);
    return bytes;
  };
  return { name, open: (from) => (from < size ? store.open(file, from) : nothing()), random: { size, slice } };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* unpacked(name: string, packed: AsyncIterable<Uint8Array>, from: number): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  const input = Readable.from(packed, { objectMode: false });
  pipeline(input, gunzip, () => undefined);
  let skip = from;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      if (chunk.length > skip) yield chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code.startsWith('Z_')) throw damaged(name, `it is no gzip file: ${message}`);
    throw error;
  } finally {
    gunzip.destroy();
    input.destroy();
  }
}

/** What is in a file is not what its extension says. */
export function damaged(name: string, message: string, details: ErrorDetails = {}): SluiceError {
  return new SluiceError('ENDPOINT_FAILED', `${name}: ${message}`, { damaged: true, ...details });
}

/** A place that counts bytes or records. @throws REQUEST_INVALID: it comes from outside */
export function countOf(from: Json): number {
  if (from === null) return 0;
  if (Number.isSafeInteger(from) && (from as number) >= 0) return from as number;
  throw new SluiceError('REQUEST_INVALID', 'this is no state of such a read', { field: 'state' });
}
