/**
 * Avro object container files. The place of a record is its block and its number in it, so that a reader goes on with one
 * block, not with the file. A block is held as a whole; the file says its types.
 */
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import avro from 'avsc';
import snappy from 'snappyjs';
import { SluiceError } from '#kernel';
import type { Json } from '../contract.ts';
import { type AvroField, fieldsOf, type Schema } from './avro-types.ts';
import { ByteQueue } from './byte-queue.ts';
import { damaged, type Parsed, type Reader, type Source } from './source.ts';

const inflate = promisify(inflateRaw);
const MAGIC = 'Obj\u0001';
const BLOCK_BYTES_MAX = 64 * 1024 * 1024;
const HEADER_BYTES_MAX = 4 * 1024 * 1024;
const CODECS = ['null', 'deflate', 'snappy'];
const SYNC_BYTES = 16;
const CHECKSUM_BYTES = 4;

/** So that no digit is lost. */
const longType = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: (value: number) => BigInt(value),
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

interface Header {
  readonly fields: readonly AvroField[];
  readonly type: avro.Type;
  readonly codec: string;
  readonly sync: Buffer;
  /** Where the first block is. */
  readonly end: number;
}

export const avroReader: Reader = {
  typed: true,
  fields: async (source) => {
    const queue = new ByteQueue(source.open(0));
    try {
      const { fields } = await headerOf(source.name, queue);
      return fields.map(({ field }) => field);
    } finally {
      await queue.close();
    }
  },
  records,
};

async function* records(source: Source, _settings: unknown, from: Json): AsyncGenerator<Parsed> {
  const { name } = source;
  const [begin, skip] = placeOf(from);
  let queue = new ByteQueue(source.open(0));
  try {
    const header = await headerOf(name, queue);
    let base = 0;
    if (begin > header.end) {
      await queue.close();
      queue = new ByteQueue(source.open(begin));
      base = begin;
    }
    let skipped = begin > 0 ? skip : 0;
    while (!(await queue.ended())) {
      const at = base + queue.position;
      const { count, bytes } = await blockOf(name, queue, header, at);
      const next = base + queue.position;
      yield* recordsOf(name, header, { at, count, bytes, next }, skipped);
      skipped = 0;
    }
  } finally {
    await queue.close();
  }
}

interface Block {
  readonly at: number;
  readonly count: number;
  readonly bytes: Buffer;
  /** Where the next one begins. */
  readonly next: number;
}

function* recordsOf(
  name: string,
  { type, fields }: Header,
  { at, count, bytes, next }: Block,
  skip: number,
): Generator<Parsed> {
  let offset = 0;
  for (let i = 0; i < count; i++) {
    let value: Record<string, unknown>;
    try {
      const decoded = type.decode(bytes, offset) as { value: Record<string, unknown>; offset: number };
      if (decoded.offset < 0) throw new Error('it ends too early');
      value = decoded.value;
      offset = decoded.offset;
    } catch (error) {
      throw damaged(name, `record ${i} of the block at byte ${at}: ${(error as Error).message}`);
    }
    if (i < skip) continue;
    const values: Record<string, unknown> = Object.create(null);
    for (const { field, convert } of fields) values[field.name] = convert(value[field.name]);
    yield { values, next: i + 1 === count ? [next, 0] : [at, i + 1] };
  }
}

async function headerOf(name: string, queue: ByteQueue): Promise<Header> {
  const magic = await queue.take(MAGIC.length);
  if (magic === undefined || Buffer.from(magic).toString('latin1') !== MAGIC) throw damaged(name, 'it is no Avro file');
  const metadata = await metadataOf(name, queue);
  const sync = await queue.take(SYNC_BYTES);
  if (sync === undefined) throw damaged(name, 'it ends in its header');
  const codec = metadata.get('avro.codec')?.toString() ?? 'null';
  if (!CODECS.includes(codec)) throw damaged(name, `it is compressed by ${codec}, not by ${CODECS.join(', ')}`);
  try {
    const schema = JSON.parse(metadata.get('avro.schema')?.toString() ?? '') as Schema;
    const typeHook = (one: avro.Schema) =>
      one === 'long' || (one as { type?: unknown }).type === 'long' ? longType : undefined;
    const type = avro.Type.forSchema(schema as avro.Schema, { typeHook, wrapUnions: false } as object);
    if (type.typeName !== 'record') throw new Error('its values are no records');
    return { fields: fieldsOf(schema), type, codec, sync: Buffer.from(sync), end: queue.position };
  } catch (error) {
    throw damaged(name, `its schema: ${(error as Error).message}`);
  }
}

async function metadataOf(name: string, queue: ByteQueue): Promise<Map<string, Buffer>> {
  const metadata = new Map<string, Buffer>();
  for (;;) {
    let count = await longOf(name, queue);
    if (count === 0) return metadata;
    if (count < 0) {
      // The size of this part in bytes, for those who skip it.
      await longOf(name, queue);
      count = -count;
    }
    for (let i = 0; i < count; i++) {
      const [key, value] = [await textOf(name, queue), await textOf(name, queue)];
      metadata.set(key.toString(), value);
      if (queue.position > HEADER_BYTES_MAX) throw damaged(name, 'its header is too large');
    }
  }
}

async function textOf(name: string, queue: ByteQueue): Promise<Buffer> {
  const length = await longOf(name, queue);
  const bytes = length >= 0 && length <= HEADER_BYTES_MAX ? await queue.take(length) : undefined;
  if (bytes === undefined) throw damaged(name, 'it ends in its header');
  return Buffer.from(bytes);
}

async function longOf(name: string, queue: ByteQueue): Promise<number> {
  const value = await queue.takeVarint();
  if (value === undefined) throw damaged(name, 'it ends in the middle of a number');
  const bits = BigInt.asUintN(64, value);
  return Number(BigInt.asIntN(64, (bits >> 1n) ^ -(bits & 1n)));
}

async function blockOf(
  name: string,
  queue: ByteQueue,
  { codec, sync }: Header,
  at: number,
): Promise<{ count: number; bytes: Buffer }> {
  const count = await longOf(name, queue);
  const size = await longOf(name, queue);
  if (count < 0 || size < 0 || size > BLOCK_BYTES_MAX) throw damaged(name, `the block at byte ${at} is too large`);
  const bytes = await queue.take(size);
  const marker = await queue.take(SYNC_BYTES);
  if (bytes === undefined || marker === undefined) throw damaged(name, `it ends in the block at byte ${at}`);
  if (!sync.equals(marker)) throw damaged(name, `the block at byte ${at} does not end where it says`);
  try {
    return { count, bytes: await unpacked(codec, Buffer.from(bytes)) };
  } catch (error) {
    throw damaged(name, `the block at byte ${at}: ${(error as Error).message}`);
  }
}

async function unpacked(codec: string, bytes: Buffer): Promise<Buffer> {
  if (codec === 'deflate') return inflate(bytes, { maxOutputLength: BLOCK_BYTES_MAX });
  if (codec !== 'snappy') return bytes;
  return Buffer.from(snappy.uncompress(bytes.subarray(0, -CHECKSUM_BYTES), BLOCK_BYTES_MAX));
}

function placeOf(from: Json): readonly [number, number] {
  if (from === null) return [0, 0];
  if (Array.isArray(from) && from.length === 2 && from.every((one) => Number.isSafeInteger(one) && Number(one) >= 0)) {
    return from as unknown as readonly [number, number];
  }
  throw new SluiceError('REQUEST_INVALID', 'this is no state of such a read', { field: 'state' });
}
