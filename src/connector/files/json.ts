/** Lines of JSON, whose place is a byte, and lists of JSON, whose place is a record. */
import { JSONParser } from '@streamparser/json';
import { countOf, damaged, type Parsed, type Reader, type Source } from './source.ts';
import type { FileSettings } from './store.ts';

/** A line that is longer is no record. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const NEWLINE = 10;

export const linesReader: Reader = {
  records: (source, _settings: FileSettings, from, tail) => lines(source, countOf(from), tail),
};

export const listReader: Reader = {
  records: (source, _settings: FileSettings, from) => list(source, countOf(from)),
};

async function* lines(source: Source, from: number, tail: boolean): AsyncGenerator<Parsed> {
  const { name } = source;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let at = from;
  for await (const chunk of source.open(from)) {
    let bytes = chunk;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE)) {
      const line = Buffer.concat([...held, bytes.subarray(0, end)]);
      const begins = at;
      at += line.length + 1;
      bytes = bytes.subarray(end + 1);
      held = [];
      heldBytes = 0;
      const values = lineOf(name, line, begins);
      if (values !== undefined) yield { values, next: at };
    }
    if (bytes.length > 0) held.push(bytes);
    heldBytes += bytes.length;
    if (heldBytes > LINE_BYTES_MAX) {
      throw damaged(name, `the line at byte ${at} is longer than ${LINE_BYTES_MAX} bytes`);
    }
  }
  const values = tail ? lineOf(name, Buffer.concat(held), at) : undefined;
  if (values !== undefined) yield { values, next: at + heldBytes };
}

function lineOf(name: string, line: Buffer, at: number): Parsed['values'] | undefined {
  const text = line.toString().trim();
  if (text === '') return undefined;
  try {
    return objectOf(JSON.parse(text));
  } catch (error) {
    throw damaged(name, `the line at byte ${at} is not JSON: ${(error as Error).message}`);
  }
}

/** A list of records, or one record. */
async function* list(source: Source, from: number): AsyncGenerator<Parsed> {
  const { name } = source;
  let found: unknown[] = [];
  let whole: unknown;
  const parser = new JSONParser({ paths: ['$', '$.*'], keepStack: false });
  parser.onValue = ({ value, stack, parent }) => {
    if (stack.length === 0) whole = value;
    else if (Array.isArray(parent)) found.push(value);
  };
  let count = 0;
  for await (const chunk of source.open(0)) {
    try {
      parser.write(chunk);
    } catch (error) {
      throw damaged(name, `it is not JSON: ${(error as Error).message}`);
    }
    for (const value of found) if (++count > from) yield { values: objectOf(value), next: count };
    found = [];
  }
  if (!parser.isEnded) throw damaged(name, 'it ends in the middle of its JSON');
  if (whole !== undefined && !Array.isArray(whole) && from === 0) yield { values: objectOf(whole), next: 1 };
}

/** What is no object is the only field of one. */
function objectOf(value: unknown): Parsed['values'] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Parsed['values'];
  return { value };
}
