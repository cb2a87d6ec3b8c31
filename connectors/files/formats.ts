/** Files as a sequence of records, each with the place behind it. A parser holds one chunk and one record at a time. */
import { createReadStream } from 'node:fs';
import { JSONParser } from '@streamparser/json';
import { SluiceError } from '#connector';
import { parseCsv } from './csv.ts';
import { parseXml } from './xml.ts';

export type Format = 'csv' | 'ndjson' | 'json' | 'xml';

export interface Settings {
  readonly path: string;
  readonly delimiter: string;
  readonly xml_record?: string | undefined;
}

export interface Parsed {
  readonly values: Readonly<Record<string, unknown>>;
  /** Where the next record begins: bytes in CSV and lines of JSON, records elsewhere. */
  readonly next: number;
}

/** @param tail whether a last line without an end is one; of CSV and lines of JSON, which somebody may be writing */
export type Parser = (path: string, settings: Settings, from: number, tail: boolean) => AsyncIterable<Parsed>;

/** A line that is longer is no record. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const NEWLINE = 10;

export function parserOf(format: Format): Parser {
  if (format === 'csv') return parseCsv;
  if (format === 'ndjson') return parseLines;
  return format === 'json' ? parseJson : parseXml;
}

async function* parseLines(path: string, _settings: Settings, from: number, tail: boolean): AsyncGenerator<Parsed> {
  let rest: Buffer = Buffer.alloc(0);
  let at = from;
  for await (const chunk of createReadStream(path, { start: from }) as AsyncIterable<Buffer>) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE)) {
      const line = bytes.subarray(0, end);
      const begins = at;
      at += end + 1;
      bytes = bytes.subarray(end + 1);
      const values = lineOf(path, line, begins);
      if (values !== undefined) yield { values, next: at };
    }
    if (bytes.length > LINE_BYTES_MAX) {
      throw new SluiceError(
        'ENDPOINT_FAILED',
        `${path}: the line at byte ${at} is longer than ${LINE_BYTES_MAX} bytes`,
      );
    }
    rest = bytes;
  }
  const values = tail ? lineOf(path, rest, at) : undefined;
  if (values !== undefined) yield { values, next: at + rest.length };
}

function lineOf(path: string, line: Buffer, at: number): Parsed['values'] | undefined {
  const text = line.toString().trim();
  if (text === '') return undefined;
  try {
    return objectOf(JSON.parse(text));
  } catch (error) {
    throw new SluiceError(
      'ENDPOINT_FAILED',
      `${path}: the line at byte ${at} is not JSON: ${(error as Error).message}`,
    );
  }
}

/** A list of records, or one record. */
async function* parseJson(path: string, _settings: Settings, from: number): AsyncGenerator<Parsed> {
  let found: unknown[] = [];
  let whole: unknown;
  const parser = new JSONParser({ paths: ['$', '$.*'], keepStack: false });
  parser.onValue = ({ value, stack, parent }) => {
    if (stack.length === 0) whole = value;
    else if (Array.isArray(parent)) found.push(value);
  };
  let count = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    try {
      parser.write(chunk);
    } catch (error) {
      throw new SluiceError('ENDPOINT_FAILED', `${path} is not JSON: ${(error as Error).message}`);
    }
    for (const value of found) if (++count > from) yield { values: objectOf(value), next: count };
    found = [];
  }
  if (!parser.isEnded) throw new SluiceError('ENDPOINT_FAILED', `${path} ends in the middle of its JSON`);
  if (whole !== undefined && !Array.isArray(whole) && from === 0) yield { values: objectOf(whole), next: 1 };
}

/** What is no object is the only field of one. */
function objectOf(value: unknown): Parsed['values'] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Parsed['values'];
  return { value };
}
