/**
 * The values of a request that somebody outside chose: names and values of the query, of forms, of JSON and XML, parts
 * of the path, header fields. Called by the screening policy, which looks at each by itself.
 */
import type { GatewayRequest } from '../policy.ts';
import { decodePercent } from './decoders.ts';
import { fieldOf } from './fields.ts';

export interface RequestValue {
  readonly place: 'path' | 'query' | 'header' | 'body';
  /** Of the parameter or field; empty where it has none. */
  readonly name: string;
  readonly value: string;
}

/** Fields whose form is checked elsewhere, or that are long and random. */
const PASSED_OVER = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cache-control',
  'connection',
  'content-length',
  'host',
  'if-match',
  'if-none-match',
  'origin',
  'proxy-connection',
  'signature',
  'signature-input',
  'x-api-key',
]);

/** What is looked at of a request. */
export type Screened = Pick<GatewayRequest, 'path' | 'query' | 'headers'>;

export function headValues(request: Screened, valuesMax: number): RequestValue[] {
  const { path, query, headers } = request;
  const found: RequestValue[] = [{ place: 'path', name: '', value: path }];
  addPairs(query, 'query', found);
  for (let i = 0; i < headers.length; i += 2) {
    if (!PASSED_OVER.has(headers[i] as string)) addField(headers[i] as string, headers[i + 1] as string, found);
  }
  return found.slice(0, valuesMax);
}

export function bodyValues(request: Screened, body: Uint8Array, bytesMax: number, valuesMax: number): RequestValue[] {
  const found: RequestValue[] = [];
  if (body.length > 0) {
    const text = Buffer.from(body.subarray(0, bytesMax)).toString('utf8');
    addBody(text, fieldOf(request, 'content-type') ?? '', found);
  }
  return found.slice(0, valuesMax);
}

function addField(name: string, value: string, found: RequestValue[]): void {
  if (name === 'cookie') {
    for (const pair of value.split(';')) {
      const at = pair.indexOf('=');
      found.push({ place: 'header', name, value: pair.slice(at + 1).trim() });
      if (at > 0) found.push({ place: 'header', name, value: pair.slice(0, at).trim() });
    }
  } else if (name === 'referer') {
    const at = value.search(/[?#]/);
    found.push({ place: 'header', name, value: at < 0 ? value : value.slice(0, at) });
    if (at >= 0) for (const part of value.slice(at + 1).split('#')) addPairs(part, 'header', found);
  } else {
    found.push({ place: 'header', name, value });
  }
}

/** Pairs as forms and queries have them: `+` is a space. */
function addPairs(text: string, place: RequestValue['place'], found: RequestValue[]): void {
  if (text === '') return;
  for (const pair of text.split('&')) {
    const at = pair.indexOf('=');
    const name = decodePercent((at < 0 ? pair : pair.slice(0, at)).replaceAll('+', ' '));
    if (at >= 0) found.push({ place, name, value: decodePercent(pair.slice(at + 1).replaceAll('+', ' ')) });
    if (at < 0 || !/^[\w.[\]-]{1,64}$/.test(name)) found.push({ place, name: '', value: name });
  }
}

function addBody(text: string, type: string, found: RequestValue[]): void {
  if (/json/i.test(type) && addJson(text, found)) return;
  if (/xml/i.test(type)) addXml(text, found);
  else if (/multipart/i.test(type)) addParts(text, found);
  else if (type === '' || /x-www-form-urlencoded/i.test(type)) addPairs(text, 'body', found);
  else found.push({ place: 'body', name: '', value: text });
}

/** Keys and strings of a JSON text; false where it is none. */
function addJson(text: string, found: RequestValue[]): boolean {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    return false;
  }
  const open: unknown[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value === 'string') found.push({ place: 'body', name: '', value });
    if (typeof value !== 'object' || value === null) continue;
    for (const [name, child] of Object.entries(value)) {
      if (!Array.isArray(value)) found.push({ place: 'body', name: '', value: name });
      open.push(child ?? '');
    }
  }
  return true;
}

/** Values of attributes and runs of text. */
function addXml(text: string, found: RequestValue[]): void {
  for (const [, quoted, single, run] of text.matchAll(/="([^"]*)"|='([^']*)'|>([^<]+)/g)) {
    found.push({ place: 'body', name: '', value: quoted ?? single ?? run ?? '' });
  }
}

/** Names and contents of the parts of a multipart body; files are looked at as far as they are text. */
function addParts(text: string, found: RequestValue[]): void {
  for (const part of text.split(/\r?\n--/)) {
    const end = part.search(/\r?\n\r?\n/);
    const head = end < 0 ? part : part.slice(0, end);
    for (const [, name] of head.matchAll(/name="([^"\r\n]*)"/gi))
      found.push({ place: 'body', name: '', value: name ?? '' });
    if (end >= 0) found.push({ place: 'body', name: '', value: part.slice(end).trim() });
  }
}
