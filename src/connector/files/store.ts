/**
 * What keeps files: a folder, a bucket, a server. A connector of one says how it lists, opens and puts them (`FileStore`); all
 * that streams and records are is then the same for all of them (`connection.ts`).
 */
import { z } from 'zod';

export interface StoredFile {
  /** Path below the root of the store, with `/` between its parts. */
  readonly name: string;
  readonly size: number;
  /** Instant of the last change, as `timestamp`, as fine as the store has it. */
  readonly modified: string;
}

/** A file that is not there is an error of the store in all but `find` and `remove`. */
export interface FileStore {
  check(): Promise<void>;
  /** Every file whose name begins with `prefix`, in any order. */
  list(prefix: string): AsyncIterable<StoredFile>;
  find(name: string): Promise<StoredFile | undefined>;
  /** The bytes `from` up to `to` (to the end where it is absent), no faster than they are taken; ends what is under way when left. */
  open(file: StoredFile, from: number, to?: number): AsyncIterable<Uint8Array>;
  /** Behind what is there, durable when answered. Absent: files are replaced as a whole or not at all. */
  append?(name: string, bytes: Uint8Array): Promise<void>;
  /** Makes or replaces a file: nobody sees a part of it. Folders on the way are made. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Settings that all connectors of files have; spread into their spec. */
export const fileSettings = {
  delimiter: z.string().length(1).default(',').describe('Between the columns of CSV files'),
  xml_record: z
    .string()
    .min(1)
    .optional()
    .describe('Name of the element that is a record in XML files; otherwise each child of the root is one'),
  protobuf: z
    .strictObject({
      schema: z.string().min(1).describe('Text of the .proto file'),
      message: z.string().min(1).describe('Name of the message with its package'),
    })
    .optional()
    .describe('What is in .pb files: messages, each behind its length'),
  sets: z
    .record(z.string().min(1), z.string().min(1))
    .default({})
    .describe('Streams of many files: a name for each pattern, such as in/orders-*.csv; ** reaches into folders'),
  whole: z
    .string()
    .min(1)
    .optional()
    .describe('Name of a stream in which each file is one record, of fields name and content'),
  content_bytes_max: z
    .int()
    .min(0)
    .max(64 * 1024 * 1024)
    .default(16 * 1024 * 1024)
    .describe('Content of files that are larger is null in the stream of whole files'),
};

const shape = z.object(fileSettings);
export type FileSettings = z.output<typeof shape>;

/** Names come from records: none may lead out of the store. */
export function isFileName(name: unknown): name is string {
  if (typeof name !== 'string' || name === '' || name.length > 1_000 || /[\\\0\r\n]/.test(name)) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
