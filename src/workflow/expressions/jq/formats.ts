/** The formats of jq (`@json`, `@csv` …): how values become text. */
import { Unsupported } from './code.ts';
import { JqError } from './run.ts';
import { type Json, shown, toJson, toText, typeOf } from './values.ts';

type Format = (value: Json) => string;

const HTML: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };
const UNRESERVED = /[^A-Za-z0-9\-_.~]/gu;

const FORMATS: Readonly<Record<string, Format>> = {
  text: toText,
  json: toJson,
  html: (value) => {
    const text = toText(value);
    // Editions of jq do not agree on how this one is written.
    if (text.includes("'")) throw new Unsupported('an apostrophe in HTML');
    return text.replace(/[<>&"]/g, (sign) => HTML[sign] as string);
  },
  uri: (value) => toText(value).replace(UNRESERVED, percent),
  csv: (value) => rowOf(value, 'csv', (text) => `"${text.replaceAll('"', '""')}"`).join(','),
  tsv: (value) => rowOf(value, 'tsv', tabEscaped).join('\t'),
  sh: (value) => (Array.isArray(value) ? value.map(shellQuoted).join(' ') : shellQuoted(value)),
  base64: (value) => Buffer.from(toText(value)).toString('base64'),
  base64d: decoded,
};

export function formatOf(name: string): Format {
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format === undefined) throw new Unsupported(`@${name} is not a format`);
  return format;
}

function percent(sign: string): string {
  return [...Buffer.from(sign)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

function rowOf(value: Json, format: string, quote: (text: string) => string): string[] {
  if (!Array.isArray(value)) throw new JqError(`${shown(value)} cannot be ${format}-formatted, only an array can be`);
  return value.map((cell) => {
    if (typeof cell === 'string') return quote(cell);
    if (cell === null) return '';
    if (typeof cell === 'object') throw new JqError(`${shown(cell)} is not valid in a ${format} row`);
    return Number.isNaN(cell) ? '' : toJson(cell);
  });
}

function tabEscaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\r', '\\r').replaceAll('\n', '\\n');
}

function shellQuoted(value: Json): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "'\\''")}'`;
  if (typeof value === 'object' && value !== null) throw new JqError(`${shown(value)} can not be escaped for shell`);
  return toJson(value);
}

function decoded(value: Json): string {
  const text = toText(value);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 && /[^=]/.test(text)) {
    throw new JqError(`${typeOf(value)} (${toJson(text)}) is not valid base64 data`);
  }
  return bytes.toString();
}
