/**
 * Messages of Protobuf, each behind its length, as the writers of Google's libraries delimit them. The schema is part of the
 * endpoint's settings. The place of a record is a byte.
 */
import protobuf from 'protobufjs';
import { SluiceError } from '#kernel';
import type { Field, ScalarType, Value } from '../contract.ts';
import { jsonOf } from './binary-values.ts';
import { ByteQueue } from './byte-queue.ts';
import { countOf, damaged, type Parsed, type Reader, type Source } from './source.ts';
import type { FileSettings } from './store.ts';

const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

const SCALARS: Readonly<Record<string, ScalarType>> = {
  double: 'float',
  float: 'float',
  int32: 'int32',
  sint32: 'int32',
  sfixed32: 'int32',
  uint32: 'int64',
  fixed32: 'int64',
  int64: 'int64',
  sint64: 'int64',
  sfixed64: 'int64',
  uint64: 'decimal',
  fixed64: 'decimal',
  bool: 'boolean',
  string: 'string',
  bytes: 'bytes',
};

interface Column {
  readonly field: Field;
  convert(value: unknown): Value;
}

export const protobufReader: Reader = {
  typed: true,
  fields: async (_source, settings) => columnsOf(messageOf(settings)).map(({ field }) => field),
  records: (source, settings, from) => records(source, settings, countOf(from)),
};

async function* records(source: Source, settings: FileSettings, from: number): AsyncGenerator<Parsed> {
  const message = messageOf(settings);
  const columns = columnsOf(message);
  const queue = new ByteQueue(source.open(from));
  try {
    while (!(await queue.ended())) {
      const at = from + queue.position;
      const length = Number((await queue.takeVarint()) ?? -1);
      if (length < 0 || length > MESSAGE_BYTES_MAX) throw damaged(source.name, `no message begins at byte ${at}`);
      const bytes = await queue.take(length);
      if (bytes === undefined) throw damaged(source.name, `it ends in the message at byte ${at}`);
      yield { values: valuesOf(source.name, message, columns, bytes, at), next: from + queue.position };
    }
  } finally {
    await queue.close();
  }
}

function valuesOf(
  name: string,
  message: protobuf.Type,
  columns: readonly Column[],
  bytes: Uint8Array,
  at: number,
): Record<string, Value> {
  let plain: Record<string, unknown>;
  try {
    const decoded = message.decode(bytes);
    plain = message.toObject(decoded, { longs: String, enums: String, defaults: true, arrays: true });
  } catch (error) {
    throw damaged(name, `the message at byte ${at}: ${(error as Error).message}`);
  }
  const values: Record<string, Value> = Object.create(null);
  for (const { field, convert } of columns) {
    const value = plain[field.name];
    values[field.name] = value === null || value === undefined ? null : convert(value);
  }
  return values;
}

/** @throws ENDPOINT_INVALID */
function messageOf({ protobuf: declared }: FileSettings): protobuf.Type {
  if (declared === undefined) {
    throw new SluiceError('ENDPOINT_INVALID', 'config.protobuf: what is in .pb files must be declared', {
      field: 'config.protobuf',
    });
  }
  try {
    const { root } = protobuf.parse(declared.schema, { keepCase: true });
    root.resolveAll();
    return root.lookupType(declared.message);
  } catch (error) {
    throw new SluiceError('ENDPOINT_INVALID', `config.protobuf: ${(error as Error).message}`, {
      field: 'config.protobuf',
    });
  }
}

function columnsOf(message: protobuf.Type): Column[] {
  return message.fieldsArray.map((field) => {
    const nullable = field.hasPresence;
    const type = field.resolvedType instanceof protobuf.Enum ? 'string' : SCALARS[field.type];
    if (field.map || type === undefined)
      return { field: { name: field.name, type: 'json', nullable }, convert: jsonOf };
    const convert = converter(type);
    if (!field.repeated) return { field: { name: field.name, type, nullable }, convert };
    return {
      field: { name: field.name, type: 'array', items: type, nullable: false },
      convert: (value: unknown) => (value as unknown[]).map(convert),
    };
  });
}

function converter(type: ScalarType): (value: unknown) => Value {
  if (type === 'int64') return (value) => BigInt(value as string);
  if (type === 'decimal') return String;
  if (type === 'bytes') return (value) => new Uint8Array(value as Uint8Array);
  return (value) => value as Value;
}
