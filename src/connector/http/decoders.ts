/** Bodies of answers to values: JSON, NDJSON, CSV, XML, text; gzip, deflate and brotli before. Used by `client.ts`. */
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { SaxesParser } from 'saxes';
import type { Decoding } from './declaration.ts';
import { parseExact } from './exact-json.ts';

const DEPTH_MAX = 200;
const GZIP = [0x1f, 0x8b];
const INFLATERS: Record<string, typeof gunzipSync> = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
};

/** What cannot be read: the answer was cut, or is none. */
export class BodyMalformed extends Error {}

/** @throws BodyMalformed, also when more comes out than may */
export function inflate(bytes: Buffer, encoding: string | undefined, bytesMax: number): Buffer {
  const named = encoding === undefined ? undefined : INFLATERS[encoding.trim().toLowerCase()];
  // Files of results are packed without saying so.
  const inflater = named ?? (bytes[0] === GZIP[0] && bytes[1] === GZIP[1] ? gunzipSync : undefined);
  if (inflater === undefined || bytes.length === 0) return bytes;
  try {
    return inflater(bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    throw new BodyMalformed(`it cannot be unpacked: ${(error as Error).message}`);
  }
}

/** @throws BodyMalformed */
export function decode(bytes: Buffer, contentType: string, asked: Decoding | undefined): unknown {
  const how = asked ?? decodingOf(contentType);
  if (how === 'none') return undefined;
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  if (how === 'text') return text;
  if (text.trim() === '') return how === 'json' || how === 'xml' ? undefined : [];
  try {
    if (how === 'json') return parseExact(text);
    if (how === 'ndjson') return parseLines(text);
    if (how === 'csv') return parse(text, { columns: true, skip_empty_lines: true });
    return parseXml(text);
  } catch (error) {
    throw new BodyMalformed(`it is no ${how}: ${(error as Error).message}`);
  }
}

function decodingOf(contentType: string): Decoding {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (/[/+]json$/.test(type)) return 'json';
  if (/ndjson$|jsonl$|json-seq$|jsonlines$/.test(type)) return 'ndjson';
  if (type === 'text/csv') return 'csv';
  if (/[/+]xml$/.test(type)) return 'xml';
  return 'text';
}

function parseLines(text: string): unknown[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map(parseExact);
}

interface Element {
  readonly name: string;
  readonly members: Record<string, unknown>;
  text: string;
}

/** An element is an object of its children and its attributes (`@name`), or its text; what repeats is a list. */
function parseXml(text: string): unknown {
  const root: Element = { name: '', members: Object.create(null) as Record<string, unknown>, text: '' };
  const open = [root];
  const parser = new SaxesParser();
  const fail = (message: string) => {
    throw new Error(message);
  };
  parser.on('error', (error) => fail(error.message));
  parser.on('doctype', (given) => {
    if (/<!ENTITY/i.test(given)) fail('it declares entities');
  });
  parser.on('opentag', ({ name, attributes }) => {
    if (open.length > DEPTH_MAX) fail(`it is nested deeper than ${DEPTH_MAX}`);
    const members = Object.create(null) as Record<string, unknown>;
    for (const [attribute, value] of Object.entries(attributes)) members[`@${attribute}`] = value;
    open.push({ name, members, text: '' });
  });
  const addText = (more: string) => {
    const element = open.at(-1);
    if (element !== undefined) element.text += more;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const element = open.pop();
    const parent = open.at(-1);
    if (element === undefined || parent === undefined) return;
    const own = element.text.trim();
    const leaf = Object.keys(element.members).length === 0;
    const value = leaf ? own : own === '' ? element.members : { ...element.members, '#text': own };
    const before = parent.members[element.name];
    if (before === undefined) parent.members[element.name] = value;
    else if (Array.isArray(before)) before.push(value);
    else parent.members[element.name] = [before, value];
  });
  parser.write(text).close();
  return root.members;
}
