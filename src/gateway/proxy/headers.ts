/**
 * Headers on their way through: what belongs to one connection stays there (RFC 9110, 7.6.1), what tells where a request
 * came from is believed only from trusted networks, and what an upstream answers is checked before it is passed on.
 * Headers are flat lists: names and values in turn. Pure.
 */
import type { BlockList } from 'node:net';
import { isIP } from 'node:net';
import { SluiceError } from '#kernel';
import { contains } from '../upstream/address.ts';
import type { AnsweredHead } from '../upstream/carried.ts';

const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
];
/** Written anew for each connection. */
const FRAMING = ['host', 'content-length', 'expect'];
/** Who is calling, which only trusted proxies and the gateway may say. */
const ORIGIN = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
];
/** The client whose API key was accepted; told by the gateway only. */
export const CLIENT_HEADER = 'x-sluice-client';
/** The trace a refused request belonged to; in its answer. */
export const TRACE_HEADER = 'x-sluice-trace';
/** Sent on as the gateway's own span has it. */
const TRACE = ['traceparent', 'tracestate'];
/** On copies of requests only, by which a shadow upstream can tell them. */
export const SHADOW_HEADER = 'x-sluice-shadow';
const OWN = [CLIENT_HEADER, SHADOW_HEADER];

const REQUEST_DROPPED = new Set([...HOP_BY_HOP, ...FRAMING, ...ORIGIN, ...TRACE, ...OWN, 'via']);
const WEBSOCKET = [
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'sec-websocket-accept',
];
/** The native side writes its own length, date and connection. */
const ANSWER_DROPPED = new Set([...HOP_BY_HOP, 'content-length', 'date', 'via']);
const FORWARDED_MAX = 32;

/** Where a request came from. */
export interface Origin {
  /** The address of the client, as far as it can be believed. */
  readonly clientAddress: string;
  /** To be forwarded. */
  readonly headers: readonly string[];
}

/** @param peer the address at the other end of the connection @param trusted undefined: nobody is */
export function originOf(
  peer: string,
  trusted: BlockList | undefined,
  scheme: string,
  host: string,
  header: (name: string) => string | undefined,
): Origin {
  if (trusted === undefined || !contains(trusted, peer)) {
    return origin(peer, peer, scheme, host, forwardedElement(peer, host, scheme));
  }
  const chain = (header('x-forwarded-for') ?? '').split(',').map((part) => part.trim());
  const known = chain.filter((part) => part !== '').slice(-FORWARDED_MAX);
  let clientAddress = peer;
  for (let i = known.length - 1; i >= 0 && contains(trusted, clientAddress); i--) {
    const hop = known[i] as string;
    if (isIP(hop) === 0) break;
    clientAddress = hop;
  }
  const saidProto = header('x-forwarded-proto');
  const proto = saidProto === 'http' || saidProto === 'https' ? saidProto : scheme;
  const saidHost = header('x-forwarded-host');
  const seenHost = saidHost !== undefined && /^[A-Za-z0-9.:[\]_-]{1,300}$/.test(saidHost) ? saidHost : host;
  const before = header('forwarded');
  const element = forwardedElement(peer, host, proto);
  const forwarded = before === undefined ? element : `${before}, ${element}`;
  return origin(clientAddress, [...known, peer].join(', '), proto, seenHost, forwarded);
}

function forwardedElement(peer: string, host: string, proto: string): string {
  return `for=${peer.includes(':') ? `"[${peer}]"` : peer};host="${host}";proto=${proto}`;
}

function origin(clientAddress: string, chain: string, proto: string, host: string, forwarded: string): Origin {
  const headers = ['x-forwarded-for', chain, 'x-forwarded-proto', proto];
  headers.push('x-forwarded-host', host, 'forwarded', forwarded);
  return { clientAddress, headers };
}

const PRINTABLE = /^[\t\x20-\x7e]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const REFUSED = /[\0-\x08\x0a-\x1f\x7f\ufffd]/;

/**
 * Whether all values are ASCII. The native side reads others as UTF-8.
 * @throws REQUEST_MALFORMED on a control character, and on bytes that are not UTF-8: they could not be passed on as they came
 */
export function checkRequestValues(headers: readonly string[]): boolean {
  let ascii = true;
  for (let i = 1; i < headers.length; i += 2) {
    const value = headers[i] as string;
    if (PRINTABLE.test(value)) continue;
    if (REFUSED.test(value)) {
      throw new SluiceError('REQUEST_MALFORMED', `the header ${headers[i - 1]} has a byte that none may have`);
    }
    ascii = false;
  }
  return ascii;
}

/** UTF-8 as the client sends it: what is written takes one byte of each character. */
export function bytesOf(value: string): string {
  return PRINTABLE.test(value) ? value : Buffer.from(value).toString('latin1');
}

/** What the upstream is sent, apart from what the caller adds. @param spent further names to leave out */
export function forwardedHeaders(
  headers: readonly string[],
  spent: ReadonlySet<string> | undefined,
  webSocket = false,
): string[] {
  const named = connectionTokens(headers);
  const out: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (REQUEST_DROPPED.has(name) || spent?.has(name) === true || named?.has(name) === true) continue;
    if (webSocket && WEBSOCKET.includes(name)) continue;
    out.push(name, headers[i + 1] as string);
  }
  return out;
}

/** The names in `Connection`; undefined when there are none but the usual two. */
function connectionTokens(headers: readonly (string | Buffer)[]): Set<string> | undefined {
  let found: Set<string> | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'connection') continue;
    for (const part of String(headers[i + 1])
      .toLowerCase()
      .split(',')) {
      const token = part.trim();
      if (token === '' || token === 'keep-alive' || token === 'close') continue;
      found ??= new Set();
      found.add(token);
    }
  }
  return found;
}

/** All Via of the request, then the gateway's own. @throws GATEWAY_LOOP when it has been here before */
export function viaOf(headers: readonly string[], pseudonym: string, own: string): string {
  let seen = '';
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === 'via') seen += `${headers[i + 1]}, `;
  if (seen === '') return own;
  if (seen.split(',').some((hop) => hop.trim().split(/\s+/)[1] === pseudonym)) {
    throw new SluiceError('GATEWAY_LOOP', 'this request has passed this gateway before: an upstream leads back to it');
  }
  return seen + own;
}

export interface AnswerHead {
  /** Names in lower case, and values; bytes where they are not ASCII. */
  readonly headers: readonly (string | Buffer)[];
  /** Undefined when the upstream gave none. */
  readonly contentLength: number | undefined;
}

/** The head of an answer as it may be passed on. */
export function answerHead({ headers, contentLength }: AnsweredHead): AnswerHead {
  const named = connectionTokens(headers);
  const kept: (string | Buffer)[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!ANSWER_DROPPED.has(name) && named?.has(name) !== true) kept.push(name, headers[i + 1] as string | Buffer);
  }
  return { headers: kept, contentLength };
}
