/**
 * A processor that needs no code: reads one topic, applies named transformations, writes another. Loaded as a module
 * with the declaration as its options; the list is compiled once, when the definition is made.
 */
import { decodeUtf8, encodeUtf8 } from '#kernel';
import type { Header } from '#record';
import { compileTransformations, type TransformRecord } from '#transform';
import { type Definition, defineProcessor, json, msgpack, type RawBatch, type RawContext } from '../define.ts';
import type { StreamRecord } from '../stream.ts';

interface Declaration {
  readonly input: string;
  readonly output: string;
  readonly format: 'json' | 'msgpack';
  readonly transformations: readonly unknown[];
}

const NO_HEADERS: readonly Header[] = [];

/** @throws TRANSFORM_INVALID, PROCESSOR_INVALID */
export default function declared({ input, output, format, transformations }: Declaration): Definition {
  let context: RawContext | undefined;
  const lookup = (table: string, key: string) => context?.row(table, key);
  const transform = compileTransformations(transformations, { lookup });
  const serde = format === 'json' ? json : msgpack;
  const emit = (record: StreamRecord<unknown>, changed: TransformRecord | undefined) => {
    if (changed === undefined) return;
    const { key, value, timestamp } = changed;
    context?.emit(output, { key, value, timestamp, headers: headersOf(changed, record.headers) });
  };
  const apply = (given: RawBatch, into: RawContext): void | Promise<void> => {
    context = into;
    if (transform.async) return applyEach(given);
    for (const record of given.records) emit(record, transform.apply(plain(record)));
  };
  // One after the other: the order of the output is that of the input.
  const applyEach = async (given: RawBatch) => {
    for (const record of given.records) emit(record, await transform.apply(plain(record)));
  };
  return defineProcessor({
    inputs: { [input]: serde<unknown>() },
    outputs: { [output]: serde<unknown>() },
    tables: Object.fromEntries(transform.tables.map((table) => [table, serde<unknown>()])),
    batch: apply,
  });
}

function plain({ key, value, headers, timestamp }: StreamRecord<unknown>): TransformRecord {
  const texts: Record<string, string> = {};
  for (const header of headers) texts[header.key] = textOf(header);
  return { key, value, headers: texts, timestamp };
}

/** What was not changed keeps its bytes, whether they are text or not. */
function headersOf({ headers }: TransformRecord, before: readonly Header[]): readonly Header[] {
  const names = Object.keys(headers);
  if (names.length === 0) return NO_HEADERS;
  return names.map((name) => {
    const old = before.find(({ key }) => key === name);
    const text = headers[name] as string;
    return old !== undefined && textOf(old) === text ? old : { key: name, value: encodeUtf8(text) };
  });
}

function textOf({ value }: Header): string {
  if (value === null) return '';
  try {
    return decodeUtf8(value);
  } catch {
    return Buffer.from(value).toString('latin1');
  }
}
