/**
 * What requests about streams say in their headers and query. Everything is checked here, once; what is wrong is a
 * REQUEST_INVALID that names the header or parameter as `field`.
 */
import { SluiceError } from '#kernel';
import type { Exchange } from '../http/exchange.ts';
import type { AppendRequest } from './append-draft.ts';
import type { CreateRequest, ForkRequest } from './create.ts';
import type { ProducerPlace } from './document.ts';
import { parseOffset } from './offset.ts';

/** Whole numbers as the protocol writes them: no sign, no leading zero. */
const WHOLE = /^(0|[1-9]\d{0,15})$/;
const TTL_SECONDS_MAX = 1e10;
const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const CONTENT_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+ *(;[\x20-\x7e]*)?$/;
const PRODUCER_NAME = /^[\x21-\x7e]+$/;
const NAME_MAX = 255;

export type Live = 'none' | 'long-poll' | 'sse';

export interface ReadRequest {
  /** A position, or the end of the stream. */
  readonly from: number | 'now';
  readonly live: Live;
  readonly cursor: string | undefined;
}

/** @param fork whose source is found and may be read */
export function readCreateRequest(exchange: Exchange, body: Uint8Array, fork: ForkRequest | undefined): CreateRequest {
  const contentType = exchange.header('content-type');
  const ttl = exchange.header('stream-ttl');
  const expiry = exchange.header('stream-expires-at');
  if (ttl !== undefined && expiry !== undefined) throw wrong('Stream-TTL', 'excludes Stream-Expires-At');
  return {
    contentType: contentType === undefined || contentType === '' ? undefined : checkContentType(contentType),
    ttlSeconds: ttl === undefined ? undefined : whole('Stream-TTL', ttl, TTL_SECONDS_MAX),
    expiresAt: expiry === undefined ? undefined : parseDateTime('Stream-Expires-At', expiry),
    closed: saysClosed(exchange),
    body,
    fork,
  };
}

/** @param source the path found for `Stream-Forked-From`; undefined where that is not sent */
export function readForkRequest(exchange: Exchange, source: string | undefined): ForkRequest | undefined {
  const offset = exchange.header('stream-fork-offset');
  const subOffset = exchange.header('stream-fork-sub-offset');
  if (source === undefined) {
    if (offset !== undefined) throw wrong('Stream-Fork-Offset', 'needs Stream-Forked-From');
    if (subOffset !== undefined) throw wrong('Stream-Fork-Sub-Offset', 'needs Stream-Forked-From');
    return undefined;
  }
  return {
    source,
    ...(offset === undefined ? {} : { position: parseOffset(offset, 'Stream-Fork-Offset') }),
    ...(subOffset === undefined
      ? {}
      : { subOffset: whole('Stream-Fork-Sub-Offset', subOffset, Number.MAX_SAFE_INTEGER) }),
  };
}

export function readAppendRequest(exchange: Exchange, body: Uint8Array): AppendRequest {
  const sequence = exchange.header('stream-seq');
  if (sequence !== undefined && (sequence === '' || sequence.length > NAME_MAX)) {
    throw wrong('Stream-Seq', `has 1 to ${NAME_MAX} characters`);
  }
  return {
    contentType: exchange.header('content-type'),
    body,
    close: saysClosed(exchange),
    sequence,
    producer: readProducer(exchange),
  };
}

/** Parameters it does not know are of no account. */
export function readReadRequest(exchange: Exchange): ReadRequest {
  const { query } = exchange;
  const live = query.get('live') ?? 'none';
  if (live !== 'none' && live !== 'long-poll' && live !== 'sse') throw wrong('live', 'must be long-poll or sse');
  const offset = query.get('offset');
  if (offset === undefined && live !== 'none') throw wrong('offset', 'is required with live');
  const from = offset === 'now' ? 'now' : offset === undefined || offset === '-1' ? 0 : parseOffset(offset, 'offset');
  return { from, live, cursor: query.get('cursor') };
}

/** Any other value is as good as none. */
function saysClosed(exchange: Exchange): boolean {
  return exchange.header('stream-closed')?.toLowerCase() === 'true';
}

/** All three headers or none. */
function readProducer(exchange: Exchange): ProducerPlace | undefined {
  const name = exchange.header('producer-id');
  const epoch = exchange.header('producer-epoch');
  const sequence = exchange.header('producer-seq');
  if (name === undefined && epoch === undefined && sequence === undefined) return undefined;
  if (name === undefined || name.length > NAME_MAX || !PRODUCER_NAME.test(name)) {
    throw wrong('Producer-Id', `must be 1 to ${NAME_MAX} visible ASCII characters`);
  }
  return {
    name,
    epoch: whole('Producer-Epoch', epoch, Number.MAX_SAFE_INTEGER),
    sequence: whole('Producer-Seq', sequence, Number.MAX_SAFE_INTEGER),
  };
}

function whole(field: string, text: string | undefined, max: number): number {
  if (text === undefined) throw wrong(field, 'is missing');
  const value = WHOLE.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) throw wrong(field, `must be a whole number from 0 to ${max}, without sign or leading zero`);
  return value;
}

function parseDateTime(field: string, text: string): number {
  const value = DATE_TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(value)) throw wrong(field, 'must be a date and time as of RFC 3339');
  return value;
}

function checkContentType(text: string): string {
  if (text.length > NAME_MAX || !CONTENT_TYPE.test(text)) throw wrong('Content-Type', 'must be a media type');
  return text;
}

function wrong(field: string, problem: string): SluiceError {
  return new SluiceError('REQUEST_INVALID', `${field} ${problem}`, { field });
}
